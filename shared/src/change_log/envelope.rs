//! Changes as the events of all feeds and histories show them.

use uuid::Uuid;

use super::{Operation, Record};
use crate::json::to_timestamp;
use crate::validation::{ProtoEnum, Violations};
use proto::common::{Change, ChangeKind, ResourceType};

impl Record {
    /// The envelope of this change of a resource. `project_id` is the project that is watched, and `changed_fields` are
    /// the API's names of the fields that differ; only an update has any.
    pub fn to_change(
        &self,
        resource_type: ResourceType,
        project_id: Uuid,
        changed_fields: Vec<String>,
    ) -> Change {
        let is_update = self.operation == Operation::Update;
        Change {
            kind: ChangeKind::from(self.operation).into(),
            resource_type: resource_type.into(),
            resource_id: self.entity_id.to_string(),
            project_id: project_id.to_string(),
            sequence: self.cursor.position,
            changed_at: Some(to_timestamp(self.changed_at)),
            actor_id: self.actor_id.map(|id| id.to_string()).unwrap_or_default(),
            trace_id: self.trace_id.clone().unwrap_or_default(),
            changed_fields: if is_update { changed_fields } else { Vec::new() },
        }
    }
}

impl From<Operation> for ChangeKind {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Insert => Self::Created,
            Operation::Update => Self::Updated,
            Operation::Delete => Self::Deleted,
        }
    }
}

/// So that [`Violations::enums`] reads the `kinds` of a filter.
impl ProtoEnum for Operation {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        Some(match ChangeKind::try_from(value).ok()? {
            ChangeKind::Unspecified => None,
            ChangeKind::Created => Some(Self::Insert),
            ChangeKind::Updated => Some(Self::Update),
            ChangeKind::Deleted => Some(Self::Delete),
        })
    }
}

/// The resource types of a filter; one that the feed does not have is a violation.
pub fn resource_types(
    v: &mut Violations,
    field: &str,
    values: &[i32],
    in_feed: &[ResourceType],
) -> Vec<ResourceType> {
    let find = |value| in_feed.iter().copied().find(|in_feed| i32::from(*in_feed) == value);
    v.known_items(field, values, find, "must be a resource type of this feed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_operations() {
        for operation in [Operation::Insert, Operation::Update, Operation::Delete] {
            let kind = ChangeKind::from(operation);
            assert_eq!(Operation::from_wire(kind.into()), Some(Some(operation)));
        }
        assert_eq!(Operation::from_wire(0), Some(None));
        assert_eq!(Operation::from_wire(9), None);
    }

    #[test]
    fn a_filter_names_resource_types_of_its_feed() {
        let read = |values: &[ResourceType]| {
            let mut v = Violations::new();
            let values: Vec<_> = values.iter().map(|value| i32::from(*value)).collect();
            let in_feed = [ResourceType::Task, ResourceType::TaskDependency];
            resource_types(&mut v, "filter.resource_types", &values, &in_feed);
            v.finish().is_ok()
        };
        assert!(read(&[]) && read(&[ResourceType::Task]));
        assert!(!read(&[ResourceType::Task, ResourceType::Project]) && !read(&[ResourceType::Unspecified]));
    }
}

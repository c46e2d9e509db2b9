//! The history of a project: its changes, and its state at a point in time.

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use chrono::{DateTime, Utc};
use shared::access::{Permission, Permissions};
use uuid::Uuid;

/// The kind of resource that a change concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventResource {
    Project,
    Member,
    Invitation,
    Transfer,
}

impl EventResource {
    pub(crate) const ALL: [Self; 4] = [Self::Project, Self::Member, Self::Invitation, Self::Transfer];

    pub(crate) fn entity(self) -> &'static str {
        match self {
            Self::Project => "projects",
            Self::Member => "project_members",
            Self::Invitation => "invitations",
            Self::Transfer => "ownership_transfers",
        }
    }

    fn of_entity(entity: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.entity() == entity)
    }

    /// The permission that reading its changes requires.
    fn needs(self) -> Permission {
        match self {
            Self::Project => Permission::ProjectRead,
            Self::Member | Self::Transfer => Permission::MemberRead,
            Self::Invitation => Permission::MemberManage,
        }
    }
}

/// Empty fields do not filter.
#[derive(Clone, Debug)]
pub(crate) struct EventFilter {
    pub parts: Vec<EventResource>,
    pub actor_id: Option<Uuid>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

impl EventFilter {
    pub(crate) fn includes(&self, part: EventResource) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// The requested resources whose changes these permissions allow to read.
    pub(crate) fn visible_resources(&self, permissions: Permissions) -> Vec<EventResource> {
        let may_be_known = |part: &EventResource| permissions.contains(part.needs());
        EventResource::ALL.into_iter().filter(|part| self.includes(*part) && may_be_known(part)).collect()
    }
}

#[cfg(test)]
mod tests {
    use shared::schema::ProjectRole;

    use super::*;

    #[test]
    fn permissions_decide_which_resources_are_visible() {
        let all = EventFilter { parts: Vec::new(), actor_id: None, since: None, until: None };
        let heard = |role| all.visible_resources(Permissions::of(role, None));
        assert_eq!(heard(None), [EventResource::Project]);
        assert_eq!(
            heard(Some(ProjectRole::Viewer)),
            [EventResource::Project, EventResource::Member, EventResource::Transfer]
        );
        assert_eq!(heard(Some(ProjectRole::Admin)), EventResource::ALL);
        let members = EventFilter { parts: vec![EventResource::Member], ..all };
        assert_eq!(members.visible_resources(Permissions::of(None, None)), []);
    }
}

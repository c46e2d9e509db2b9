//! Conversion of targets.

use proto::content::v1 as pb;
use proto::content::v1::content_target::Target;
use shared::validation::Violations;
use uuid::Uuid;

use super::{ContentTarget, EntityType};

/// Reads the field `target`.
pub(crate) fn target(v: &mut Violations, target: Option<pb::ContentTarget>) -> ContentTarget {
    target_at(v, "target", target)
}

/// Reads a target at this path, as `targets[1]`.
pub(crate) fn target_at(v: &mut Violations, path: &str, target: Option<pb::ContentTarget>) -> ContentTarget {
    let is_given = target.is_some();
    let mut id = |field: &str, id: &str| v.uuid(&format!("{path}.{field}"), id);
    let (entity_type, id) = match target.unwrap_or_default().target {
        Some(Target::TaskId(task)) => (EntityType::Task, id("task_id", &task)),
        Some(Target::DocumentId(document)) => (EntityType::Document, id("document_id", &document)),
        Some(Target::ProjectId(project)) => (EntityType::Project, id("project_id", &project)),
        None => {
            let field = if is_given { format!("{path}.target") } else { path.to_owned() };
            v.add(&field, "must be a task, a document or a project");
            (EntityType::Project, Uuid::nil())
        }
    };
    ContentTarget { entity_type, id }
}

impl From<ContentTarget> for pb::ContentTarget {
    fn from(target: ContentTarget) -> Self {
        let id = target.id.to_string();
        let target = match target.entity_type {
            EntityType::Task => Target::TaskId(id),
            EntityType::Document => Target::DocumentId(id),
            EntityType::Project => Target::ProjectId(id),
        };
        Self { target: Some(target) }
    }
}

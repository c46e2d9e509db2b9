//! Conversions of dependencies from and to proto.

use crate::schema::DependencyType;
use proto::task::v1 as pb;
use proto::task::v1::{delete_task_dependency_request, get_task_dependency_request};
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::json::to_timestamp;
use shared::validation::Violations;
use uuid::Uuid;

use super::{Dependency, Direction, NewDependency, Selector, VisibleDependency};
use crate::tasks::wire::required_id;

#[derive(Debug)]
pub(super) struct CreateTaskDependencyInput {
    pub(super) key: Option<RequestKey>,
    pub(super) dependency: NewDependency,
}

impl TryFrom<pb::CreateTaskDependencyRequest> for CreateTaskDependencyInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::CreateTaskDependencyRequest) -> Result<Self> {
        let mut outer = Violations::new();
        let key = RequestKey::of(&mut outer, &request.request_id, &request);
        let given = outer.message("task_dependency", request.task_dependency);
        let mut v = Violations::within("task_dependency.");
        let (task_id, depends_on_task_id) = ends(&mut v, &given.task_id, &given.depends_on_task_id);
        let dependency_type = dependency_type(&mut v, given.dependency_type);
        outer.absorb(v);
        outer.finish()?;
        let dependency = NewDependency { id: Uuid::now_v7(), task_id, depends_on_task_id, dependency_type };
        Ok(Self { key, dependency })
    }
}

impl Selector {
    pub(super) fn of_get(selector: Option<get_task_dependency_request::Selector>) -> Result<Self> {
        use get_task_dependency_request::Selector as Wire;
        match selector {
            Some(Wire::DependencyId(id)) => Ok(Self::Id(required_id("dependency_id", &id)?)),
            Some(Wire::Pair(pair)) => Self::of_pair(&pair),
            None => Err(missing_selector()),
        }
    }

    pub(super) fn of_delete(selector: Option<delete_task_dependency_request::Selector>) -> Result<Self> {
        use delete_task_dependency_request::Selector as Wire;
        match selector {
            Some(Wire::DependencyId(id)) => Ok(Self::Id(required_id("dependency_id", &id)?)),
            Some(Wire::Pair(pair)) => Self::of_pair(&pair),
            None => Err(missing_selector()),
        }
    }

    fn of_pair(pair: &pb::TaskPair) -> Result<Self> {
        let mut v = Violations::within("pair.");
        let task_id = v.uuid("task_id", &pair.task_id);
        let depends_on_task_id = v.uuid("depends_on_task_id", &pair.depends_on_task_id);
        v.finish()?;
        Ok(Self::Pair { task_id, depends_on_task_id })
    }
}

fn missing_selector() -> Error {
    Error::invalid("selector", "must be given: dependency_id or pair")
}

/// Validates the two task ids of a dependency, which must differ.
pub(crate) fn ends(v: &mut Violations, task_id: &str, depends_on_task_id: &str) -> (Uuid, Uuid) {
    let from = v.uuid("task_id", task_id);
    let to = v.uuid("depends_on_task_id", depends_on_task_id);
    v.require(from != to || from.is_nil(), "depends_on_task_id", "must be another task");
    (from, to)
}

/// The default is `blocks`.
pub(crate) fn dependency_type(v: &mut Violations, value: i32) -> DependencyType {
    v.optional_enum("dependency_type", value).unwrap_or(DependencyType::Blocks)
}

#[derive(Debug)]
pub(super) struct ListTaskDependenciesInput {
    pub(super) task_id: Uuid,
    pub(super) direction: Direction,
    /// Empty for all.
    pub(super) kinds: Vec<DependencyType>,
    pub(super) page_size: i32,
    pub(super) page_token: String,
}

impl TryFrom<pb::ListTaskDependenciesRequest> for ListTaskDependenciesInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::ListTaskDependenciesRequest) -> Result<Self> {
        let mut v = Violations::new();
        let task_id = v.uuid("task_id", &request.task_id);
        let direction = match pb::DependencyDirection::try_from(request.direction) {
            Ok(pb::DependencyDirection::Dependents) => Direction::Dependents,
            Ok(pb::DependencyDirection::DependsOn | pb::DependencyDirection::Unspecified) => {
                Direction::DependsOn
            }
            Err(_) => {
                v.add("direction", format!("{} is not a value of this enum", request.direction));
                Direction::DependsOn
            }
        };
        let kinds = v.enums("dependency_types", &request.dependency_types);
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        let (page_size, page_token) = (request.page_size, request.page_token);
        Ok(Self { task_id, direction, kinds, page_size, page_token })
    }
}

impl From<Dependency> for pb::TaskDependency {
    fn from(dependency: Dependency) -> Self {
        Self {
            id: dependency.id.to_string(),
            task_id: dependency.task_id.to_string(),
            depends_on_task_id: dependency.depends_on_task_id.to_string(),
            dependency_type: dependency.dependency_type.into(),
            created_at: Some(to_timestamp(dependency.created_at)),
            hidden: false,
        }
    }
}

impl From<VisibleDependency> for pb::TaskDependency {
    fn from(VisibleDependency { dependency, is_hidden }: VisibleDependency) -> Self {
        let mut shown = Self::from(dependency);
        if is_hidden {
            shown.depends_on_task_id.clear();
            shown.hidden = true;
        }
        shown
    }
}

//! Dependencies between tasks.

mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::DependencyType;
use crate::schema::task_dependencies;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Clone, Debug, Queryable, Selectable, Deserialize)]
#[diesel(table_name = task_dependencies)]
pub(crate) struct Dependency {
    pub(crate) id: Uuid,
    pub(crate) task_id: Uuid,
    pub(crate) depends_on_task_id: Uuid,
    pub(crate) dependency_type: DependencyType,
    pub(crate) created_at: DateTime<Utc>,
}

/// A dependency as a caller who may read the waiting task sees it.
#[derive(Clone, Debug)]
pub(crate) struct VisibleDependency {
    pub(crate) dependency: Dependency,
    /// Whether the caller may not read the task that it depends on.
    pub(crate) is_hidden: bool,
}

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = task_dependencies)]
pub(crate) struct NewDependency {
    pub(crate) id: Uuid,
    pub(crate) task_id: Uuid,
    pub(crate) depends_on_task_id: Uuid,
    pub(crate) dependency_type: DependencyType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    DependsOn,
    Dependents,
}

/// How a request names a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Id(Uuid),
    Pair { task_id: Uuid, depends_on_task_id: Uuid },
}

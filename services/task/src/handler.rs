//! The handler of all RPCs of this service.

use shared::access::{Authorizer, GatheredProjectReads, GatheredProjectWrites};
use shared::export::Exports;
use shared::service::ServiceContext;

use crate::tasks::Task;

/// Implements all services of the task API. Its methods live with the resources that they are about.
#[derive(Clone)]
pub(crate) struct TaskHandler {
    pub context: ServiceContext,
    pub authorizer: Authorizer,
    pub task_reads: GatheredProjectReads<Task>,
    pub task_creations: GatheredProjectWrites<Task>,
    pub task_updates: GatheredProjectWrites<Task>,
    pub exports: Exports,
}

//! The handler of all RPCs of this service.

use shared::access::{Authorizer, GatheredProjectReads};
use shared::export::Exports;
use shared::service::ServiceContext;

use crate::tasks::Task;

/// Implements all services of the task API.
#[derive(Clone)]
pub(crate) struct TaskHandler {
    pub(crate) context: ServiceContext,
    pub(crate) authorizer: Authorizer,
    pub(crate) task_reads: GatheredProjectReads<Task>,
    pub(crate) exports: Exports,
}

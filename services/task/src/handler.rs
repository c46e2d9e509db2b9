//! The handler of all RPCs of this service.

use shared::access::Authorizer;
use shared::export::Exports;
use shared::service::ServiceContext;

/// Implements all services of the task API.
#[derive(Clone)]
pub(crate) struct TaskHandler {
    pub(crate) context: ServiceContext,
    pub(crate) authorizer: Authorizer,
    pub(crate) exports: Exports,
}

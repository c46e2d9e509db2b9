//! The handler of all RPCs of this service, and how it keeps its copy of access recent.

use std::collections::HashSet;

use futures::future::{BoxFuture, try_join_all};
use futures::{StreamExt, TryStreamExt, stream};
use shared::access::AccessCopies;
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use shared::export::Exports;
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::access_target::AccessTarget;

const MAX_CONCURRENT_REFRESHES: usize = 8;

/// Implements all services of the task API.
#[derive(Clone)]
pub(crate) struct TaskHandler {
    pub(crate) context: ServiceContext,
    pub(crate) copies: AccessCopies,
    pub(crate) exports: Exports,
}

/// The result of claiming a request id.
pub(crate) enum CreateClaim<Resource, Access> {
    /// An earlier call with the same request id made this resource.
    Replayed(Resource),
    /// The request is new and may go on in this transaction.
    New(Box<(Transaction, Access)>),
}

impl TaskHandler {
    /// Runs `attempt`. Refreshes the access to `targets` from the project service first if the copy is not trusted,
    /// and otherwise retries with refreshed access if it fails because something is missing or forbidden: a
    /// membership or role may just have been given. An attempt that fails must have no effect.
    pub(crate) async fn retry_with_refreshed_access<'attempt, T>(
        &self,
        targets: &[AccessTarget],
        attempt: impl Fn() -> BoxFuture<'attempt, Result<T>>,
    ) -> Result<T> {
        if !self.copies.is_trusted() {
            self.refresh(targets).await?;
            return attempt().await;
        }
        match attempt().await {
            Err(error) if may_succeed_with_refreshed_access(&error) && self.refresh(targets).await? => {
                attempt().await
            }
            outcome => outcome,
        }
    }

    /// Refreshes the access to the projects of these targets; returns whether any of them exists.
    async fn refresh(&self, targets: &[AccessTarget]) -> Result<bool> {
        let tx = self.context.worker.begin_background().await?;
        let found = try_join_all(targets.iter().map(|target| target.project(&tx))).await?;
        tx.finish();
        let projects: HashSet<Uuid> = found.into_iter().flatten().collect();
        let found = !projects.is_empty();
        self.refresh_projects(projects.into_iter().collect()).await?;
        Ok(found)
    }

    pub(crate) async fn refresh_projects(&self, projects: Vec<Uuid>) -> Result<()> {
        let refreshes = projects.into_iter().map(|project| self.copies.refresh(project));
        stream::iter(refreshes)
            .buffer_unordered(MAX_CONCURRENT_REFRESHES)
            .try_for_each(async |_revision| Ok(()))
            .await
    }
}

fn may_succeed_with_refreshed_access(error: &Error) -> bool {
    matches!(
        error.without_place(),
        Error::NotFound { .. }
            | Error::PermissionDenied { .. }
            | Error::Precondition { reason: ErrorReason::ProjectReadOnly, .. }
    )
}

//! What the RPCs of this service stand on, and how fresh the access is that they find.

use std::collections::HashSet;

use futures::future::{BoxFuture, try_join_all};
use futures::{StreamExt, TryStreamExt, stream};
use shared::access::AccessCopies;
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::place::Place;

/// How many projects the project service is asked about at once.
const REFRESHES_AT_ONCE: usize = 8;

/// Implements the RPCs.
#[derive(Clone)]
pub(crate) struct Handlers {
    pub(crate) context: ServiceContext,
    pub(crate) copies: AccessCopies,
}

/// What a wish for a new resource finds.
pub(crate) enum Room<Resource, Proof> {
    /// An earlier call under the same request id made this.
    Taken(Resource),
    /// The caller may go on, in this transaction.
    Free(Box<(Transaction, Proof)>),
}

impl Handlers {
    /// Looks, and asks the project service when what was found may be out of date: always while the copies are
    /// not trusted, and otherwise when something is missing, since membership or a role may just have been given.
    /// Looking again must be harmless; a look that fails leaves no trace.
    pub(crate) async fn fresh<'looking, T>(
        &self,
        places: &[Place],
        look: impl Fn() -> BoxFuture<'looking, Result<T>>,
    ) -> Result<T> {
        if !self.copies.is_trusted() {
            self.refresh(places).await?;
            return look().await;
        }
        match look().await {
            Err(error) if may_pass_with_fresh_access(&error) && self.refresh(places).await? => look().await,
            outcome => outcome,
        }
    }

    /// Asks the project service about these places; tells whether any of them exists.
    async fn refresh(&self, places: &[Place]) -> Result<bool> {
        let tx = self.context.worker.begin_background().await?;
        let found = try_join_all(places.iter().map(|place| place.project(&tx))).await?;
        tx.finish();
        let projects: HashSet<Uuid> = found.into_iter().flatten().collect();
        let found = !projects.is_empty();
        self.refresh_projects(projects.into_iter().collect()).await?;
        Ok(found)
    }

    /// Asks the project service about these projects.
    pub(crate) async fn refresh_projects(&self, projects: Vec<Uuid>) -> Result<()> {
        let asked = projects.into_iter().map(|project| self.copies.refresh(project));
        stream::iter(asked).buffer_unordered(REFRESHES_AT_ONCE).try_for_each(async |_revision| Ok(())).await
    }
}

fn may_pass_with_fresh_access(error: &Error) -> bool {
    matches!(
        error.without_place(),
        Error::NotFound { .. }
            | Error::PermissionDenied { .. }
            | Error::Precondition { reason: ErrorReason::ProjectReadOnly, .. }
    )
}

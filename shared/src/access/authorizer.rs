//! The one way into the projects of a service that keeps a copy of memberships: access is proven in the transaction
//! that uses it, and the copy is refreshed before anybody is refused.

use std::collections::{HashMap, HashSet};

use diesel_async::AsyncPgConnection;
use futures::future::{BoxFuture, try_join, try_join_all};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use serde_json::Value;
use uuid::Uuid;

use super::{
    AccessCopies, AccessTables, AccessTarget, GatheredProjectReads, GatheredProjectWrites, Permission,
    ProjectAccess,
};
use crate::caller::Caller;
use crate::database::{Database, Transaction};
use crate::error::{Error, ErrorReason, Result};
use crate::idempotency::Creation;
use crate::service::ServiceContext;

/// Projects that the project service is asked about at once.
const MAX_CONCURRENT_REFRESHES: usize = 8;

/// A transaction in which the caller has proven their permission.
pub struct AuthorizedTransaction<T> {
    /// The transaction.
    pub tx: Transaction,
    /// The proof.
    pub access: ProjectAccess,
    /// What was loaded, locked or claimed in the same round trip.
    pub found: T,
}

impl<T> AuthorizedTransaction<T> {
    /// Ends a transaction that has only read.
    pub fn finish(self) -> T {
        self.tx.finish();
        self.found
    }
}

/// What the request id of a creation finds.
#[allow(clippy::large_enum_variant, reason = "one per call, matched at once")]
pub enum CreateClaim<R, T> {
    /// An earlier call under the same request id made this resource.
    Replayed(R),
    /// There is none: the caller may create the resource in this transaction.
    New(AuthorizedTransaction<T>),
}

/// Begins transactions for callers who may do what they ask.
#[derive(Clone)]
pub struct Authorizer {
    schema: &'static str,
    database: Database,
    worker: Database,
    copies: AccessCopies,
}

impl Authorizer {
    /// Over this copy of memberships in the service's schema.
    pub fn new(context: &ServiceContext, copies: AccessCopies) -> Self {
        Self {
            schema: context.name,
            database: context.database.clone(),
            worker: context.worker.clone(),
            copies,
        }
    }

    /// Begins a transaction, and in one round trip proves that the caller has the permission for the target and runs
    /// `load`. It may run twice; what it changes is rolled back if the caller is refused.
    ///
    /// # Errors
    /// `NOT_FOUND` for what the caller does not see, `PERMISSION_DENIED`, `FAILED_PRECONDITION`
    /// (`PROJECT_READ_ONLY`), `UNAVAILABLE` when the copy cannot be trusted; and those of `load`.
    pub async fn begin<T: Send>(
        &self,
        caller: &Caller,
        target: &AccessTarget,
        permission: Permission,
        load: impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, Result<T>> + Sync,
    ) -> Result<AuthorizedTransaction<T>> {
        let attempt = || self.begin_once(caller, target, permission, &load).boxed();
        self.retry_with_refreshed_access(std::slice::from_ref(target), attempt).await
    }

    /// As [`Self::begin`], without a second attempt: for attempts of [`Self::retry_with_refreshed_access`].
    ///
    /// # Errors
    /// Those of [`Self::begin`].
    pub async fn begin_once<T: Send>(
        &self,
        caller: &Caller,
        target: &AccessTarget,
        permission: Permission,
        load: impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, Result<T>> + Sync,
    ) -> Result<AuthorizedTransaction<T>> {
        let tx = self.database.begin(caller).await?;
        let (access, found) = futures::try_join!(self.access(&tx, caller, target), load(&tx))?;
        access.require(permission)?;
        Ok(AuthorizedTransaction { tx, access, found })
    }

    /// As [`Self::begin`], and claims the request id of a creation in the same round trip. If an earlier call has
    /// claimed it, `replay` loads the resource that it made.
    ///
    /// # Errors
    /// Those of [`Self::begin`] and `replay`; `FAILED_PRECONDITION` (`REQUEST_ID_REUSED`).
    pub async fn claim_or_replay<R: Send, T: Send>(
        &self,
        caller: &Caller,
        target: &AccessTarget,
        permission: Permission,
        creation: Creation<'_>,
        load: impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, Result<T>> + Sync,
        replay: impl for<'c> Fn(&'c AsyncPgConnection, Uuid) -> BoxFuture<'c, Result<R>> + Sync,
    ) -> Result<CreateClaim<R, T>> {
        let attempt =
            || self.claim_or_replay_once(caller, target, permission, creation, &load, &replay).boxed();
        self.retry_with_refreshed_access(std::slice::from_ref(target), attempt).await
    }

    /// As [`Self::claim_or_replay`], without a second attempt: for attempts of [`Self::retry_with_refreshed_access`].
    ///
    /// # Errors
    /// Those of [`Self::claim_or_replay`].
    pub async fn claim_or_replay_once<R: Send, T: Send>(
        &self,
        caller: &Caller,
        target: &AccessTarget,
        permission: Permission,
        creation: Creation<'_>,
        load: impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, Result<T>> + Sync,
        replay: impl for<'c> Fn(&'c AsyncPgConnection, Uuid) -> BoxFuture<'c, Result<R>> + Sync,
    ) -> Result<CreateClaim<R, T>> {
        let tx = self.database.begin(caller).await?;
        let (access, earlier, found) = futures::try_join!(
            self.access(&tx, caller, target),
            creation.claim(&tx, self.schema),
            load(&tx)
        )?;
        access.require(permission)?;
        let Some(earlier) = earlier else {
            return Ok(CreateClaim::New(AuthorizedTransaction { tx, access, found }));
        };
        let resource = replay(&tx, earlier).await?;
        tx.finish();
        Ok(CreateClaim::Replayed(resource))
    }

    /// Reads a row of a project in which the caller has the permission.
    ///
    /// # Errors
    /// Those of [`Self::begin`]; `RESOURCE_EXHAUSTED` when too many reads wait.
    pub async fn read<T: Send + 'static>(
        &self,
        reads: &GatheredProjectReads<T>,
        caller: &Caller,
        (target, id): (&AccessTarget, Uuid),
        permission: Permission,
    ) -> Result<T> {
        let attempt = async || {
            let (access, found) = reads.read(caller, id).await?.ok_or_else(|| target.not_found())?;
            access.to_access(caller.database_user())?.require(permission)?;
            Ok(found)
        };
        self.retry_with_refreshed_access(std::slice::from_ref(target), || attempt().boxed()).await
    }

    /// Makes a write together with others of the same queue, if the copy of memberships says that the caller may. `None` if
    /// nothing is written: then make the write alone, in a transaction of [`Self::begin`] or [`Self::claim_or_replay`].
    ///
    /// # Errors
    /// `UNAVAILABLE` when the database does not answer.
    pub async fn write_gathered<T: Send + 'static>(
        &self,
        writes: &GatheredProjectWrites<T>,
        caller: &Caller,
        queue_id: Uuid,
        input: Value,
    ) -> Result<Option<T>> {
        if !self.is_trusted() {
            return Ok(None);
        }
        Ok(writes.write(caller, queue_id, input).await?.map(|(_access, row)| row))
    }

    /// Begins a transaction that reads in all projects that the caller may read; policies and queries select these. The
    /// copy cannot be refreshed for all projects, so it must be trusted.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the copy cannot be trusted.
    pub async fn begin_in_all_projects(&self, caller: &Caller) -> Result<Transaction> {
        if !self.is_trusted() {
            return Err(Error::unavailable("project", "the copy of memberships may be outdated"));
        }
        self.database.begin(caller).await
    }

    /// Runs a query in the given projects, in all of which the caller must have the permission; without projects, in all
    /// that the caller may read, which the policies and the query select.
    ///
    /// # Errors
    /// `NOT_FOUND` or `PERMISSION_DENIED` for a given project; without projects, `UNAVAILABLE` while the copy of
    /// memberships may be outdated, because nobody can say which projects to refresh.
    pub async fn read_in_projects<Q: Sync, T: Send>(
        &self,
        caller: &Caller,
        projects: &[Uuid],
        permission: Permission,
        input: &Q,
        query: impl for<'c> Fn(&'c AsyncPgConnection, &'c Q) -> BoxFuture<'c, Result<T>> + Send + Sync,
    ) -> Result<T> {
        if projects.is_empty() {
            let tx = self.begin_in_all_projects(caller).await?;
            let found = query(&tx, input).await?;
            tx.finish();
            return Ok(found);
        }
        let targets: Vec<AccessTarget> = projects.iter().copied().map(AccessTarget::project).collect();
        let attempt = async || {
            let tx = self.database.begin_in_projects(caller, projects).await?;
            let access = try_join_all(targets.iter().map(|target| self.access(&tx, caller, target)));
            let (access, found) = try_join(access, query(&tx, input)).await?;
            for access in access {
                access.require(permission)?;
            }
            tx.finish();
            Ok(found)
        };
        self.retry_with_refreshed_access(&targets, || attempt().boxed()).await
    }

    /// Which of these projects exist. Those that the copy of memberships lacks are refreshed once.
    ///
    /// # Errors
    /// When the database or the project service does not answer.
    pub async fn existing_projects(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let existing = self.copies.existing(ids).await?;
        let unknown: Vec<Uuid> = ids.iter().filter(|id| !existing.contains(id)).copied().collect();
        if unknown.is_empty() {
            return Ok(existing);
        }
        self.refresh(unknown).await?;
        self.copies.existing(ids).await
    }

    /// Runs an attempt, and runs it again after a refresh of the access to the targets if a fresher copy might let the
    /// caller pass. While the copy is not trusted, it is refreshed first. A failed attempt must leave no trace.
    ///
    /// # Errors
    /// Those of the attempt; `UNAVAILABLE` when the project service does not answer.
    pub async fn retry_with_refreshed_access<'attempt, T>(
        &self,
        targets: &[AccessTarget],
        attempt: impl Fn() -> BoxFuture<'attempt, Result<T>>,
    ) -> Result<T> {
        if self.is_trusted() {
            match attempt().await {
                Err(error) if may_pass_with_fresh_access(&error) => {}
                outcome => return outcome,
            }
        }
        self.refresh_targets(targets).await?;
        attempt().await
    }

    /// What the caller may do there.
    ///
    /// # Errors
    /// `NOT_FOUND` for what the caller does not see.
    pub async fn access(
        &self,
        conn: &AsyncPgConnection,
        caller: &Caller,
        target: &AccessTarget,
    ) -> Result<ProjectAccess> {
        target.access(AccessTables::Copied(self.schema), conn, caller.database_user()).await
    }

    /// Whether the copy of memberships can be used without asking the project service.
    pub fn is_trusted(&self) -> bool {
        self.copies.is_trusted()
    }

    /// The projects of these targets, whoever asks, without those of targets that do not exist.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn projects_of(&self, targets: &[AccessTarget]) -> Result<HashSet<Uuid>> {
        let tx = self.worker.begin_background().await?;
        let found = try_join_all(targets.iter().map(|target| target.project_id(&tx))).await?;
        tx.finish();
        Ok(found.into_iter().flatten().collect())
    }

    /// Asks the project service about these projects.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it does not answer.
    pub async fn refresh(&self, projects: impl IntoIterator<Item = Uuid> + Send) -> Result<()> {
        all(projects.into_iter().map(|project| self.copies.refresh(project)).collect()).await
    }

    /// Asks about the projects of these targets, and stores what is new. If no target exists, it asks about a project that
    /// does not exist either: what is absent takes the same steps as what is hidden, so that time does not tell them apart.
    async fn refresh_targets(&self, targets: &[AccessTarget]) -> Result<()> {
        let mut projects: Vec<Uuid> = self.projects_of(targets).await?.into_iter().collect();
        if projects.is_empty() {
            projects.push(Uuid::now_v7());
        }
        let known: HashMap<Uuid, i64> = self.copies.revisions(&projects).await?.into_iter().collect();
        let refreshes: Vec<_> = projects
            .iter()
            .map(|id| self.copies.refresh_beyond(*id, known.get(id).copied().unwrap_or_default()))
            .collect();
        all(refreshes).await
    }
}

async fn all(refreshes: Vec<impl Future<Output = Result<i64>>>) -> Result<()> {
    stream::iter(refreshes)
        .buffer_unordered(MAX_CONCURRENT_REFRESHES)
        .try_for_each(async |_revision| Ok(()))
        .await
}

fn may_pass_with_fresh_access(error: &Error) -> bool {
    matches!(
        error.without_item(),
        Error::NotFound { .. }
            | Error::PermissionDenied { .. }
            | Error::Precondition { reason: ErrorReason::ProjectReadOnly, .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_membership_decides_are_tried_again() {
        let read_only = Error::precondition(ErrorReason::ProjectReadOnly, "archived");
        let not_found = || Error::not_found("task", Uuid::nil());
        for error in [not_found(), read_only, Error::of_item(3)(not_found())] {
            assert!(may_pass_with_fresh_access(&error), "{error}");
        }
        let blocked = Error::precondition(ErrorReason::TaskBlocked, "blocked");
        for error in [blocked, Error::invalid("title", "is missing"), Error::DeadlineExceeded] {
            assert!(!may_pass_with_fresh_access(&error), "{error}");
        }
    }
}

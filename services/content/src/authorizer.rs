//! Access checks: each runs in the transaction that uses it, and before a caller is refused, the copy of the project's
//! access is refreshed.

use diesel::sql_types::{Nullable, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::BoxFuture;
use shared::access::{AccessCopies, AccessTables, Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::{Database, Prepared, Transaction};
use shared::error::{Error, ErrorReason, Result};
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::schema::NAME;

const ACCESS: AccessTables = AccessTables::Copied(NAME);

/// A resource that a caller wants to access, and how to find its project.
#[derive(Clone, Copy, Debug)]
pub struct AccessTarget {
    resource: &'static str,
    id: Uuid,
    lookup: Lookup,
}

#[derive(Clone, Copy, Debug)]
enum Lookup {
    Project(Uuid),
    /// A SQL function that returns the project of the id.
    Function(&'static str),
}

impl AccessTarget {
    pub fn project(id: Uuid) -> Self {
        Self { resource: "project", id, lookup: Lookup::Project(id) }
    }

    pub fn document(id: Uuid) -> Self {
        Self { resource: "document", id, lookup: Lookup::Function("content.project_of_document") }
    }

    pub fn attachment(id: Uuid) -> Self {
        Self { resource: "attachment", id, lookup: Lookup::Function("content.project_of_attachment") }
    }

    pub fn upload(id: Uuid) -> Self {
        Self { resource: "upload", id, lookup: Lookup::Function("content.project_of_upload") }
    }

    /// A task whose project the task service has resolved.
    pub fn task(id: Uuid, project_id: Uuid) -> Self {
        Self { resource: "task", id, lookup: Lookup::Project(project_id) }
    }

    /// A task that has attachments.
    pub fn task_files(id: Uuid) -> Self {
        Self { resource: "task", id, lookup: Lookup::Function("content.project_of_task_files") }
    }

    pub fn not_found(&self) -> Error {
        Error::not_found(self.resource, self.id)
    }

    async fn access(&self, conn: &AsyncPgConnection, user_id: Uuid) -> Result<Option<ProjectAccess>> {
        match self.lookup {
            Lookup::Project(project_id) => ACCESS.access(conn, project_id, user_id).await,
            Lookup::Function(finder) => ACCESS.access_through(conn, finder, self.id, user_id).await,
        }
    }
}

/// A transaction in which the permission of the caller was checked.
pub struct AuthorizedTransaction<T> {
    pub tx: Transaction,
    pub access: ProjectAccess,
    /// What was read, locked or claimed in the round trip of the check.
    pub found: T,
}

impl<T> AuthorizedTransaction<T> {
    /// Ends a transaction that has only read.
    pub fn finish(self) -> T {
        self.tx.finish();
        self.found
    }
}

/// Begins transactions for callers who have a permission.
#[derive(Clone)]
pub struct Authorizer {
    database: Database,
    worker: Database,
    copies: AccessCopies,
}

impl Authorizer {
    pub fn new(context: &ServiceContext, copies: AccessCopies) -> Self {
        Self { database: context.database.clone(), worker: context.worker.clone(), copies }
    }

    /// Begins a transaction, checks the permission and runs `load`, in one round trip. A caller who would be refused
    /// may have been added a moment ago: then it refreshes the copy from the project service and tries again.
    ///
    /// # Errors
    /// `NOT_FOUND` for what the caller may not see, `PERMISSION_DENIED`, `FAILED_PRECONDITION`
    /// (`PROJECT_READ_ONLY`), `UNAVAILABLE` when the copy is outdated and cannot be refreshed; and those of `load`.
    pub async fn begin<T>(
        &self,
        caller: &Caller,
        target: AccessTarget,
        permission: Permission,
        load: impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, Result<T>> + Sync,
    ) -> Result<AuthorizedTransaction<T>> {
        let was_trusted = self.copies.is_trusted();
        if !was_trusted {
            self.refresh(target).await?;
        }
        match self.try_begin(caller, target, permission, &load).await {
            Err(refusal) if was_trusted && may_be_outdated(&refusal) && self.refresh(target).await? => {
                self.try_begin(caller, target, permission, &load).await
            }
            outcome => outcome,
        }
    }

    /// Begins a transaction that reads in all projects that the caller may read, which the policies select.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the copy is outdated: all projects cannot be refreshed within a request.
    pub async fn begin_in_all_projects(&self, caller: &Caller) -> Result<Transaction> {
        if !self.copies.is_trusted() {
            return Err(Error::unavailable("project", "the copy of memberships may be outdated"));
        }
        self.database.begin(caller).await
    }

    async fn try_begin<T>(
        &self,
        caller: &Caller,
        target: AccessTarget,
        permission: Permission,
        load: &(impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, Result<T>> + Sync),
    ) -> Result<AuthorizedTransaction<T>> {
        let tx = self.database.begin(caller).await?;
        let (access, found) = futures::try_join!(target.access(&tx, caller.database_user()), load(&tx))?;
        let access = access.ok_or_else(|| target.not_found())?;
        access.require(permission)?;
        Ok(AuthorizedTransaction { tx, access, found })
    }

    /// Refreshes the copy from the project service; `false` if the target has no project.
    async fn refresh(&self, target: AccessTarget) -> Result<bool> {
        let Some(project_id) = self.project_of(target).await? else { return Ok(false) };
        self.copies.refresh(project_id).await?;
        Ok(true)
    }

    /// The project of a target, for any caller.
    pub async fn project_of(&self, target: AccessTarget) -> Result<Option<Uuid>> {
        let finder = match target.lookup {
            Lookup::Project(project_id) => return Ok(Some(project_id)),
            Lookup::Function(finder) => finder,
        };
        let tx = self.worker.begin_background().await?;
        let found = find_project(&tx, finder, target.id).await?;
        tx.finish();
        Ok(found)
    }

    /// Copies a project that is not in the copy yet, for imports.
    pub async fn refresh_project(&self, project_id: Uuid) -> Result<()> {
        self.copies.refresh(project_id).await.map(|_revision| ())
    }
}

/// Whether a newer copy of the access may lead to another result.
fn may_be_outdated(refusal: &Error) -> bool {
    match refusal {
        Error::NotFound { .. } | Error::PermissionDenied { .. } => true,
        Error::Precondition { reason, .. } => *reason == ErrorReason::ProjectReadOnly,
        _ => false,
    }
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    project_id: Option<Uuid>,
}

async fn find_project(mut conn: &AsyncPgConnection, finder: &'static str, id: Uuid) -> Result<Option<Uuid>> {
    let query = sql_query(format!("SELECT {finder}($1) AS project_id")).bind::<SqlUuid, _>(id);
    let found: Found = Prepared(query).get_result(&mut conn).await?;
    Ok(found.project_id)
}

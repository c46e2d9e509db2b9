//! The one way into a project's content: access is proven in the transaction that uses it, and the copy of
//! memberships is brought up to date before anybody is turned away.

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

use crate::NAME;

const ACCESS: AccessTables = AccessTables::Copied(NAME);

/// What a caller asks for, and how to find the project that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    resource: &'static str,
    id: Uuid,
    lookup: Lookup,
}

#[derive(Clone, Copy, Debug)]
enum Lookup {
    /// The project is known.
    Project(Uuid),
    /// This SQL function finds it from the id.
    Through(&'static str),
}

impl Place {
    /// A project.
    pub fn project(id: Uuid) -> Self {
        Self { resource: "project", id, lookup: Lookup::Project(id) }
    }

    /// A document of this service.
    pub fn document(id: Uuid) -> Self {
        Self { resource: "document", id, lookup: Lookup::Through("content.project_of_document") }
    }

    /// An attachment of this service.
    pub fn attachment(id: Uuid) -> Self {
        Self { resource: "attachment", id, lookup: Lookup::Through("content.project_of_attachment") }
    }

    /// An upload of the caller's.
    pub fn upload(id: Uuid) -> Self {
        Self { resource: "upload", id, lookup: Lookup::Through("content.project_of_upload") }
    }

    /// A task, as the task service resolved it.
    pub fn task(id: Uuid, project_id: Uuid) -> Self {
        Self { resource: "task", id, lookup: Lookup::Project(project_id) }
    }

    /// The files of a task, as far as there are any.
    pub fn task_files(id: Uuid) -> Self {
        Self { resource: "task", id, lookup: Lookup::Through("content.project_of_task_files") }
    }

    /// What one is told who may not see it.
    pub fn not_found(&self) -> Error {
        Error::not_found(self.resource, self.id)
    }

    async fn access(&self, conn: &AsyncPgConnection, user_id: Uuid) -> Result<Option<ProjectAccess>> {
        match self.lookup {
            Lookup::Project(project_id) => ACCESS.access(conn, project_id, user_id).await,
            Lookup::Through(finder) => ACCESS.access_through(conn, finder, self.id, user_id).await,
        }
    }
}

/// A transaction in which the caller has proven their permission.
pub struct Entered<T> {
    /// The transaction.
    pub tx: Transaction,
    /// The proof.
    pub access: ProjectAccess,
    /// What was read, locked or claimed in the same flight.
    pub found: T,
}

impl<T> Entered<T> {
    /// Ends a transaction that has only read.
    pub fn finish(self) -> T {
        self.tx.finish();
        self.found
    }
}

/// Opens transactions for callers who may do what they ask.
#[derive(Clone)]
pub struct Entrance {
    database: Database,
    worker: Database,
    copies: AccessCopies,
}

impl Entrance {
    /// Over this copy of memberships.
    pub fn new(context: &ServiceContext, copies: AccessCopies) -> Self {
        Self { database: context.database.clone(), worker: context.worker.clone(), copies }
    }

    /// Begins a transaction, and in one flight proves that the caller has the permission at that place and
    /// runs `look`. One who would be refused may just have been let in: so the project service is asked, and
    /// everything is looked at once more.
    ///
    /// # Errors
    /// `NOT_FOUND` for what the caller does not see, `PERMISSION_DENIED`, `FAILED_PRECONDITION`
    /// (`PROJECT_READ_ONLY`), `UNAVAILABLE` when the copy cannot be believed; and those of `look`.
    pub async fn enter<T>(
        &self,
        caller: &Caller,
        place: Place,
        permission: Permission,
        look: impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, Result<T>> + Sync,
    ) -> Result<Entered<T>> {
        let was_trusted = self.copies.is_trusted();
        if !was_trusted {
            self.refresh(place).await?;
        }
        match self.try_enter(caller, place, permission, &look).await {
            Err(refusal) if was_trusted && may_be_outdated(&refusal) && self.refresh(place).await? => {
                self.try_enter(caller, place, permission, &look).await
            }
            outcome => outcome,
        }
    }

    /// Begins a transaction that reads in all projects that the caller may read: the policies and the queries tell
    /// which these are. Of a single project one could ask whether it has changed; of all one has to know.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the copy cannot be believed.
    pub async fn enter_everywhere(&self, caller: &Caller) -> Result<Transaction> {
        if !self.copies.is_trusted() {
            return Err(Error::unavailable("project", "the copy of memberships may be outdated"));
        }
        self.database.begin(caller).await
    }

    async fn try_enter<T>(
        &self,
        caller: &Caller,
        place: Place,
        permission: Permission,
        look: &(impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, Result<T>> + Sync),
    ) -> Result<Entered<T>> {
        let tx = self.database.begin(caller).await?;
        let (access, found) = futures::try_join!(place.access(&tx, caller.database_user()), look(&tx))?;
        let access = access.ok_or_else(|| place.not_found())?;
        access.require(permission)?;
        Ok(Entered { tx, access, found })
    }

    /// Asks the project service; `false` if there is no project to ask about.
    async fn refresh(&self, place: Place) -> Result<bool> {
        let Some(project_id) = self.project_of(place).await? else { return Ok(false) };
        self.copies.refresh(project_id).await?;
        Ok(true)
    }

    /// The project of a place, whoever asks.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn project_of(&self, place: Place) -> Result<Option<Uuid>> {
        let finder = match place.lookup {
            Lookup::Project(project_id) => return Ok(Some(project_id)),
            Lookup::Through(finder) => finder,
        };
        let tx = self.worker.begin_background().await?;
        let found = find_project(&tx, finder, place.id).await?;
        tx.finish();
        Ok(found)
    }

    /// Asks the project service about a project that the copy does not know, for imports.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it does not answer.
    pub async fn learn(&self, project_id: Uuid) -> Result<()> {
        self.copies.refresh(project_id).await.map(|_revision| ())
    }
}

/// Whether a newer copy of the project's access might say otherwise.
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

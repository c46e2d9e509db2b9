//! Who may do what in a project: the table of roles and permissions, the proof that a caller has a permission, and
//! the copies of memberships that task and content keep.

mod authorizer;
mod copies;
mod freshness;
mod permissions;
mod target;

pub use authorizer::{AuthorizedTransaction, Authorizer, CreateClaim};
pub use copies::{AccessCopies, MAX_FEED_SILENCE};
#[cfg(any(test, fuzzing))]
pub(crate) use freshness::tokens_of;
pub use freshness::{AT_LEAST_AS_FRESH, CONSISTENCY_TOKEN, ConsistencyToken, MAX_TOKENS};
pub use permissions::{PermissionExceptions, Permissions, permission_name};
pub use target::AccessTarget;

use std::collections::HashMap;

use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, Queryable, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::database::{Database, GatheredColumns, GatheredReads, GatheredWrites, PreparedQuery};
use crate::error::{Error, ErrorReason, Result};
use crate::schema::{ProjectRole, ProjectStatus, ProjectVisibility};
pub use proto::common::Permission;

/// Proves what a caller may do in a project; read in the transaction that uses it. Writing queries ask for
/// a reference to one, and only [`ProjectAccess::require`] lets a handler go on with it.
#[derive(Clone, Debug)]
pub struct ProjectAccess {
    /// The project.
    pub project_id: Uuid,
    /// The caller; nil for somebody without a session.
    pub user_id: Uuid,
    /// The caller's role; `None` for one who is not a member.
    pub role: Option<ProjectRole>,
    /// Who may read without being a member.
    pub visibility: ProjectVisibility,
    /// The status of the project.
    pub status: ProjectStatus,
    /// All that the caller may do.
    pub permissions: Permissions,
}

/// Where a service reads access from: its own tables or its copy.
#[derive(Clone, Copy, Debug)]
pub enum AccessTables {
    /// The project service's own tables.
    Owned,
    /// The copy in this schema.
    Copied(&'static str),
}

/// What a caller may do in the project of a row that is read with it.
#[derive(Queryable, QueryableByName)]
pub struct AccessRow {
    #[diesel(sql_type = SqlUuid)]
    project_id: Uuid,
    #[diesel(sql_type = Text)]
    visibility: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    permissions: Option<Value>,
}

/// The columns of [`AccessRow`].
pub type AccessColumns = (SqlUuid, Text, Text, Nullable<Text>, Nullable<Jsonb>);

/// Gathered reads of rows of projects, each with the access of its caller to the project.
pub type GatheredProjectReads<T> = GatheredReads<(AccessRow, T)>;

/// Gathered writes of rows of projects, each with the access of its caller to the project.
pub type GatheredProjectWrites<T> = GatheredWrites<(AccessRow, T)>;

/// Gathered writes that need a permission in their project.
pub fn gathered_project_writes<T, Columns>(
    database: &Database,
    function: &'static str,
    max_writes_per_call: usize,
    permission: Permission,
) -> GatheredProjectWrites<T>
where
    T: Send + 'static,
    Columns: GatheredColumns<(AccessRow, T)>,
{
    let is_permitted = move |user_id: Uuid, (access, _): &(AccessRow, T)| {
        access.to_access(user_id).is_ok_and(|access| access.require(permission).is_ok())
    };
    GatheredWrites::new::<Columns>(database, function, max_writes_per_call, is_permitted)
}

#[derive(QueryableByName)]
struct RevisionRow {
    #[diesel(sql_type = SqlUuid)]
    project_id: Uuid,
    #[diesel(sql_type = BigInt)]
    revision: i64,
}

impl AccessTables {
    /// The revisions of the access to these projects, read under the worker role. One that has changed means that
    /// somebody's access may have; 0 means that the copy is being rebuilt.
    pub async fn revisions(
        self,
        mut conn: &AsyncPgConnection,
        projects: &[Uuid],
    ) -> Result<HashMap<Uuid, i64>> {
        let table = match self {
            Self::Owned => "project.access_revisions".to_owned(),
            Self::Copied(schema) => format!("{schema}.project_access"),
        };
        let query =
            sql_query(format!("SELECT project_id, revision FROM {table} WHERE project_id = ANY ($1)"))
                .bind::<Array<SqlUuid>, _>(projects);
        let rows: Vec<RevisionRow> = PreparedQuery(query).load(&mut conn).await?;
        Ok(rows.into_iter().map(|row| (row.project_id, row.revision)).collect())
    }

    /// The query for the project that `project` finds from the first parameter.
    fn query(self, project: &str) -> String {
        let (projects, key, members) = match self {
            Self::Owned => ("project.projects".to_owned(), "id", "project.project_members".to_owned()),
            Self::Copied(schema) => {
                (format!("{schema}.project_access"), "project_id", format!("{schema}.project_access_members"))
            }
        };
        format!(
            "SELECT p.{key} AS project_id, p.visibility::text, p.status::text, m.role::text, m.permissions \
             FROM {projects} p LEFT JOIN {members} m ON m.project_id = p.{key} AND m.user_id = $2 \
             WHERE p.{key} = {project}"
        )
    }

    /// What the caller of this transaction may do in a project; `None` if they may not see it.
    pub async fn access(
        self,
        conn: &AsyncPgConnection,
        project_id: Uuid,
        user_id: Uuid,
    ) -> Result<Option<ProjectAccess>> {
        self.read(conn, "$1", project_id, user_id).await
    }

    /// As [`Self::access`], for the project that this SQL function finds from the id of a resource in it: so a resource
    /// and the access to it are read in one round trip.
    pub async fn access_through(
        self,
        conn: &AsyncPgConnection,
        finder: &'static str,
        id: Uuid,
        user_id: Uuid,
    ) -> Result<Option<ProjectAccess>> {
        self.read(conn, &format!("{finder}($1)"), id, user_id).await
    }

    /// As [`Self::access_through`], from a name.
    pub async fn access_through_name(
        self,
        mut conn: &AsyncPgConnection,
        finder: &'static str,
        name: &str,
        user_id: Uuid,
    ) -> Result<Option<ProjectAccess>> {
        let query =
            sql_query(self.query(&format!("{finder}($1)"))).bind::<Text, _>(name).bind::<SqlUuid, _>(user_id);
        let row = PreparedQuery(query).get_result::<AccessRow>(&mut conn).await.optional()?;
        row.map(|row| row.to_access(user_id)).transpose()
    }

    async fn read(
        self,
        mut conn: &AsyncPgConnection,
        project: &str,
        id: Uuid,
        user_id: Uuid,
    ) -> Result<Option<ProjectAccess>> {
        let query = sql_query(self.query(project)).bind::<SqlUuid, _>(id).bind::<SqlUuid, _>(user_id);
        let row = PreparedQuery(query).get_result::<AccessRow>(&mut conn).await.optional()?;
        row.map(|row| row.to_access(user_id)).transpose()
    }
}

impl AccessRow {
    fn to_access(&self, user_id: Uuid) -> Result<ProjectAccess> {
        let unknown = || Error::internal("the database holds an unknown label");
        let role =
            self.role.as_deref().map(|role| ProjectRole::from_label(role).ok_or_else(unknown)).transpose()?;
        Ok(ProjectAccess {
            project_id: self.project_id,
            user_id,
            role,
            visibility: ProjectVisibility::from_label(&self.visibility).ok_or_else(unknown)?,
            status: ProjectStatus::from_label(&self.status).ok_or_else(unknown)?,
            permissions: Permissions::of(role, self.permissions.as_ref()),
        })
    }
}

impl ProjectAccess {
    /// What the caller may do now, and what archiving has suspended.
    pub fn effective(&self) -> (Permissions, Permissions) {
        if self.status != ProjectStatus::Archived {
            return (self.permissions, Permissions::default());
        }
        let (suspended, kept) = self.permissions.split_by_archiving();
        (kept, suspended)
    }

    /// Lets the caller go on if they have the permission, and the project is not read-only for it.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` or `FAILED_PRECONDITION` (`PROJECT_READ_ONLY`).
    pub fn require(&self, permission: Permission) -> Result<&Self> {
        if !self.permissions.contains(permission) {
            return Err(Error::PermissionDenied {
                reason: ErrorReason::PermissionMissing,
                message: format!("this needs the permission {} in the project", permission_name(permission)),
                metadata: vec![("permission", permission_name(permission))],
            });
        }
        if self.status == ProjectStatus::Archived && permissions::is_stopped_by_archiving(permission) {
            return Err(Error::precondition(
                ErrorReason::ProjectReadOnly,
                "the project is archived; reopen it first",
            ));
        }
        Ok(self)
    }
}

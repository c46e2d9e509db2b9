//! What a request addresses, and the caller's access to its project.

use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::{AccessTables, ProjectAccess};
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::NAME;
use crate::task_keys::TaskKey;

const TABLES: AccessTables = AccessTables::Copied(NAME);

diesel::define_sql_function! {
    /// The project of a task, for any caller.
    #[sql_name = "task.project_of_task"]
    fn project_of_task(id: SqlUuid) -> Nullable<SqlUuid>;
}

diesel::define_sql_function! {
    /// The project of the task with this key, for any caller.
    #[sql_name = "task.project_of_task_key"]
    fn project_of_task_key(key: Text) -> Nullable<SqlUuid>;
}

diesel::define_sql_function! {
    /// The project of a task that may have been deleted, for any caller.
    #[sql_name = "task.project_of_logged_task"]
    fn project_of_logged_task(id: SqlUuid) -> Nullable<SqlUuid>;
}

diesel::define_sql_function! {
    /// For any caller.
    #[sql_name = "task.is_member"]
    fn is_member(project: Nullable<SqlUuid>, who: SqlUuid) -> Bool;
}

/// A project, or the project of a task.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AccessTarget {
    Project(Uuid),
    Task(Uuid),
    Key(TaskKey),
    /// A task that may have been deleted, as long as the change log has it.
    LoggedTask(Uuid),
}

impl AccessTarget {
    /// The caller's access; `NOT_FOUND` if the caller does not see the target.
    pub(crate) async fn access(self, conn: &AsyncPgConnection, user_id: Uuid) -> Result<ProjectAccess> {
        let access = match self {
            Self::Project(id) => TABLES.access(conn, id, user_id).await?,
            Self::Task(id) => TABLES.access_through(conn, "task.project_of_task", id, user_id).await?,
            Self::Key(key) => {
                TABLES
                    .access_through_name(conn, "task.project_of_task_key", &key.to_string(), user_id)
                    .await?
            }
            Self::LoggedTask(id) => {
                TABLES.access_through(conn, "task.project_of_logged_task", id, user_id).await?
            }
        };
        access.ok_or_else(|| self.not_found())
    }

    pub(crate) async fn has_member(self, mut conn: &AsyncPgConnection, who: Uuid) -> Result<bool> {
        Ok(match self {
            Self::Project(id) => diesel::select(is_member(Some(id), who)).get_result(&mut conn).await?,
            Self::Task(id) => {
                diesel::select(is_member(project_of_task(id), who)).get_result(&mut conn).await?
            }
            Self::Key(key) => {
                let project = project_of_task_key(key.to_string());
                diesel::select(is_member(project, who)).get_result(&mut conn).await?
            }
            Self::LoggedTask(id) => {
                diesel::select(is_member(project_of_logged_task(id), who)).get_result(&mut conn).await?
            }
        })
    }

    /// The project, for any caller; `None` if there is no such task.
    pub(crate) async fn project(self, mut conn: &AsyncPgConnection) -> Result<Option<Uuid>> {
        match self {
            Self::Project(id) => Ok(Some(id)),
            Self::Task(id) => Ok(diesel::select(project_of_task(id)).get_result(&mut conn).await?),
            Self::Key(key) => {
                Ok(diesel::select(project_of_task_key(key.to_string())).get_result(&mut conn).await?)
            }
            Self::LoggedTask(id) => {
                Ok(diesel::select(project_of_logged_task(id)).get_result(&mut conn).await?)
            }
        }
    }

    pub(crate) fn not_found(self) -> Error {
        match self {
            Self::Project(id) => Error::not_found("project", id),
            Self::Task(id) | Self::LoggedTask(id) => Error::not_found("task", id),
            Self::Key(key) => Error::not_found("task", key),
        }
    }
}

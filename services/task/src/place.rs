//! Where in the suite's projects a thing is, and what the caller may do there.

use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::{AccessTables, ProjectAccess};
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::NAME;
use crate::numbers::TaskKey;

const TABLES: AccessTables = AccessTables::Copied(NAME);

diesel::define_sql_function! {
    /// The project of a task, whoever asks.
    #[sql_name = "task.project_of_task"]
    fn project_of_task(id: SqlUuid) -> Nullable<SqlUuid>;
}

diesel::define_sql_function! {
    /// The project of the task of this name, whoever asks.
    #[sql_name = "task.project_of_task_key"]
    fn project_of_task_key(key: Text) -> Nullable<SqlUuid>;
}

diesel::define_sql_function! {
    /// The project of a task that may be gone, whoever asks.
    #[sql_name = "task.project_of_logged_task"]
    fn project_of_logged_task(id: SqlUuid) -> Nullable<SqlUuid>;
}

diesel::define_sql_function! {
    /// Whether a user is a member of a project, whoever asks.
    #[sql_name = "task.is_member"]
    fn is_member(project: Nullable<SqlUuid>, who: SqlUuid) -> Bool;
}

/// A project, or a task in one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// A project.
    Project(Uuid),
    /// The project of a task.
    Task(Uuid),
    /// The project of the task of this name.
    Key(TaskKey),
    /// The project of a task that may be gone, as the log of changes has it.
    LoggedTask(Uuid),
}

impl Place {
    /// What the caller may do here; what they do not see is not there.
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

    /// Whether somebody is a member here.
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

    /// The project, whoever asks; `None` for a task that does not exist.
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

    /// The refusal of what the caller does not see.
    pub(crate) fn not_found(self) -> Error {
        match self {
            Self::Project(id) => Error::not_found("project", id),
            Self::Task(id) | Self::LoggedTask(id) => Error::not_found("task", id),
            Self::Key(key) => Error::not_found("task", key),
        }
    }
}

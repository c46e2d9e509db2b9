//! SQL of task keys.

use crate::schema::{project_numbers, tasks};
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::TaskKey;
use crate::constraints::CONSTRAINTS;
use crate::tasks::Task;

pub(super) async fn get(mut conn: &AsyncPgConnection, key: TaskKey) -> Result<Task> {
    let found = tasks::table.filter(tasks::key.eq(key.to_string())).select(Task::as_select());
    found.first(&mut conn).await.optional()?.ok_or_else(|| Error::not_found("task", key))
}

/// Empty if the project has no key yet.
pub(super) async fn project_key(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<String> {
    let key = project_numbers::table.find(project_id).select(project_numbers::key);
    Ok(key.first(&mut conn).await.optional()?.unwrap_or_default())
}

diesel::define_sql_function! {
    /// Changes a project's key and the keys of its tasks.
    #[sql_name = "task.set_project_key"]
    fn set_project_key(project: SqlUuid, requested: Text) -> VarChar;
}

pub(super) async fn set(tx: Transaction, access: &ProjectAccess, key: &str) -> Result<()> {
    {
        let mut conn: &AsyncPgConnection = &tx;
        let set = diesel::select(set_project_key(access.project_id, key));
        set.execute(&mut conn).await.map_err(explain(CONSTRAINTS))?;
    }
    tx.commit().await
}

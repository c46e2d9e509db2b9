//! SQL of targets in other services, under the worker role.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::error::Result;
use uuid::Uuid;

use super::EntityType;
use crate::schema::{comments, file_attachments};

/// Deletes what belongs to these tasks, and returns how many attachments and comments that are.
pub(super) async fn delete_of_tasks(mut conn: &AsyncPgConnection, tasks: &[Uuid]) -> Result<usize> {
    let attachments = file_attachments::table
        .filter(file_attachments::entity_type.eq(EntityType::Task))
        .filter(file_attachments::entity_id.eq_any(tasks));
    let attachments = diesel::delete(attachments).execute(&mut conn).await?;
    let comments = comments::table
        .filter(comments::entity_type.eq(EntityType::Task))
        .filter(comments::entity_id.eq_any(tasks));
    Ok(attachments + diesel::delete(comments).execute(&mut conn).await?)
}

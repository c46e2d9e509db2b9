//! SQL of attachments. Row-level security shows those of projects that the caller may read.

use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{Prepared, Transaction, explain};
use shared::error::{Error, Result};
use shared::page::AfterTime;
use shared::schema::content::file_attachments;
use uuid::Uuid;

use super::{Attachment, Entity, EntityType};
use crate::CONSTRAINTS;

pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Attachment>> {
    let found = file_attachments::table.find(id).select(Attachment::as_select()).first(&mut conn).await;
    Ok(found.optional()?)
}

pub(crate) async fn exists(mut conn: &AsyncPgConnection, id: Uuid) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(file_attachments::table.find(id))).get_result(&mut conn).await?)
}

/// Which of these attachments there are.
pub(crate) async fn existing(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let query = file_attachments::table.filter(file_attachments::id.eq_any(ids)).select(file_attachments::id);
    Ok(query.load(&mut conn).await?)
}

/// One page, newest first, with one row too many if there are more.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    entity: Entity,
    after: Option<AfterTime>,
    size: i64,
) -> Result<Vec<Attachment>> {
    let mut query = file_attachments::table
        .filter(file_attachments::entity_type.eq(entity.kind))
        .filter(file_attachments::entity_id.eq(entity.id))
        .select(Attachment::as_select())
        .order((file_attachments::created_at.desc(), file_attachments::id.desc()))
        .limit(size + 1)
        .into_boxed::<Pg>();
    if let Some(AfterTime { at, id }) = after {
        query = query.filter(
            sql::<Bool>("(file_attachments.created_at, file_attachments.id) < (")
                .bind::<Timestamptz, _>(at)
                .sql(", ")
                .bind::<SqlUuid, _>(id)
                .sql(")"),
        );
    }
    Ok(Prepared(query).load(&mut conn).await?)
}

/// Stores an attachment, and commits.
pub(crate) async fn insert(
    tx: Transaction,
    _: &ProjectAccess,
    attachment: &Attachment,
) -> Result<Attachment> {
    let query =
        diesel::insert_into(file_attachments::table).values(attachment).returning(Attachment::as_returning());
    let rows: Vec<Attachment> = tx.commit_with(query).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| Error::internal("an inserted attachment was not returned"))
}

/// Stores an attachment from elsewhere, and commits; `false` if its id is taken.
pub(crate) async fn import(tx: Transaction, attachment: &Attachment) -> Result<bool> {
    let query = diesel::insert_into(file_attachments::table)
        .values(attachment)
        .on_conflict_do_nothing()
        .returning(file_attachments::id);
    let rows: Vec<Uuid> = tx.commit_with(query).await.map_err(explain(CONSTRAINTS))?;
    Ok(!rows.is_empty())
}

/// Deletes an attachment, and commits; its file follows.
pub(crate) async fn delete(tx: Transaction, _: &ProjectAccess, id: Uuid) -> Result<()> {
    let query = diesel::delete(file_attachments::table.find(id)).returning(file_attachments::id);
    let rows: Vec<Uuid> = tx.commit_with(query).await?;
    if rows.is_empty() { Err(Error::not_found("attachment", id)) } else { Ok(()) }
}

/// Deletes the attachments of tasks that are gone.
pub(crate) async fn delete_of_tasks(mut conn: &AsyncPgConnection, tasks: &[Uuid]) -> Result<usize> {
    let of_tasks = file_attachments::table
        .filter(file_attachments::entity_type.eq(EntityType::Task))
        .filter(file_attachments::entity_id.eq_any(tasks));
    Ok(diesel::delete(of_tasks).execute(&mut conn).await?)
}

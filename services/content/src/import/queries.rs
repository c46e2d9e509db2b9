//! SQL of imports, under the worker role.

use std::collections::{HashMap, HashSet};

use crate::schema::{comment_reactions, comment_versions, comments, document_versions, documents};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Integer, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::explain;
use shared::error::Result;
use uuid::Uuid;

use super::wire::{NewComment, NewCommentVersion, NewReaction};
use crate::constraints::CONSTRAINTS;
use crate::documents::NewDocument;
use crate::targets::{ContentTarget, EntityType};
use crate::versions::NewVersion;

/// A statement has at most 65,535 values.
const MAX_ROWS_PER_INSERT: usize = 5_000;

/// Inserts the documents whose ids do not exist, and returns these ids.
pub(super) async fn insert_documents(
    mut conn: &AsyncPgConnection,
    new: &[NewDocument],
) -> Result<HashSet<Uuid>> {
    let created: Vec<Uuid> = diesel::insert_into(documents::table)
        .values(new)
        .on_conflict(documents::id)
        .do_nothing()
        .returning(documents::id)
        .get_results(&mut conn)
        .await
        .map_err(explain(CONSTRAINTS))?;
    Ok(created.into_iter().collect())
}

#[derive(QueryableByName)]
struct LastVersionRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    title: String,
}

/// The last version of a document.
pub(super) struct LastVersion {
    pub number: i32,
    pub title: String,
}

/// Locks documents in the order of ids until the transaction ends, and returns their last versions.
pub(super) async fn lock_documents(
    mut conn: &AsyncPgConnection,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, LastVersion>> {
    let found: Vec<LastVersionRow> = sql_query(
        "SELECT id, version, title FROM content.documents WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(&mut conn)
    .await?;
    Ok(found.into_iter().map(|row| (row.id, LastVersion { number: row.version, title: row.title })).collect())
}

pub(super) async fn insert_versions(mut conn: &AsyncPgConnection, new: &[NewVersion]) -> Result<()> {
    diesel::insert_into(document_versions::table)
        .values(new)
        .execute(&mut conn)
        .await
        .map_err(explain(CONSTRAINTS))?;
    Ok(())
}

/// Prevents the deletion of documents until the transaction ends, and returns the projects of those that exist.
pub(super) async fn lock_projects_of_documents(
    mut conn: &AsyncPgConnection,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, Uuid>> {
    let query = documents::table
        .filter(documents::id.eq_any(ids))
        .order(documents::id)
        .select((documents::id, documents::project_id))
        .for_key_share();
    let found: Vec<(Uuid, Uuid)> = query.load(&mut conn).await?;
    Ok(found.into_iter().collect())
}

/// The targets of those of these comments that begin a thread.
pub(super) async fn find_roots(
    mut conn: &AsyncPgConnection,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, ContentTarget>> {
    let query = comments::table
        .filter(comments::id.eq_any(ids))
        .filter(comments::parent_id.is_null())
        .select((comments::id, comments::entity_type, comments::entity_id));
    let found: Vec<(Uuid, EntityType, Uuid)> = query.load(&mut conn).await?;
    Ok(found
        .into_iter()
        .map(|(id, entity_type, target)| (id, ContentTarget { entity_type, id: target }))
        .collect())
}

/// Inserts the comments whose ids do not exist, and returns these ids.
pub(super) async fn insert_comments(
    mut conn: &AsyncPgConnection,
    new: &[NewComment],
) -> Result<HashSet<Uuid>> {
    let created: Vec<Uuid> = diesel::insert_into(comments::table)
        .values(new)
        .on_conflict(comments::id)
        .do_nothing()
        .returning(comments::id)
        .get_results(&mut conn)
        .await
        .map_err(explain(CONSTRAINTS))?;
    Ok(created.into_iter().collect())
}

pub(super) async fn insert_comment_versions(
    mut conn: &AsyncPgConnection,
    new: Vec<NewCommentVersion>,
) -> Result<()> {
    for some in new.chunks(MAX_ROWS_PER_INSERT) {
        diesel::insert_into(comment_versions::table).values(some).execute(&mut conn).await?;
    }
    Ok(())
}

pub(super) async fn insert_reactions(mut conn: &AsyncPgConnection, new: Vec<NewReaction>) -> Result<()> {
    for some in new.chunks(MAX_ROWS_PER_INSERT) {
        let insert = diesel::insert_into(comment_reactions::table).values(some).on_conflict_do_nothing();
        insert.execute(&mut conn).await?;
    }
    Ok(())
}

/// Copies the newest versions into their documents. `updated_at` may have been imported and be later.
pub(super) async fn update_to_newest_versions(mut conn: &AsyncPgConnection, ids: Vec<Uuid>) -> Result<()> {
    sql_query(
        "UPDATE content.documents d \
         SET title = newest.title, content = newest.content, version = newest.version_number, \
             updated_at = greatest(d.updated_at, newest.created_at) \
         FROM (SELECT DISTINCT ON (document_id) document_id, version_number, title, content, created_at \
               FROM content.document_versions WHERE document_id = ANY ($1) \
               ORDER BY document_id, version_number DESC) newest \
         WHERE d.id = newest.document_id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .execute(&mut conn)
    .await?;
    Ok(())
}

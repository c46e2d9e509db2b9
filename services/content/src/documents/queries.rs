//! SQL of documents. Row-level security shows the rows of projects that the caller may read.

use crate::schema::documents;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{Prepared, Transaction, explain};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::filter::{AfterDocument, Composed, HEAD_COLUMNS};
use super::wire::ListDocuments;
use super::{Document, DocumentChange, DocumentHead, NewDocument, StatusChange};
use crate::CONSTRAINTS;
use crate::search::queries::having_words;

pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Document>> {
    let found = documents::table.find(id).select(Document::as_select()).first(&mut conn).await;
    Ok(found.optional()?)
}

/// Holds the document until the transaction ends. One who is not a member finds nothing to hold.
pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Document>> {
    let query = documents::table.find(id).select(Document::as_select()).for_no_key_update();
    Ok(query.first(&mut conn).await.optional()?)
}

/// As [`lock`], without reading the content.
pub(crate) async fn lock_head(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<DocumentHead>> {
    let query = documents::table.find(id).select(DocumentHead::as_select()).for_no_key_update();
    Ok(query.first(&mut conn).await.optional()?)
}

/// Keeps the document from being deleted until the transaction ends.
pub(crate) async fn keep(mut conn: &AsyncPgConnection, id: Uuid) -> Result<bool> {
    let query = documents::table.find(id).select(documents::id).for_key_share();
    Ok(query.first::<Uuid>(&mut conn).await.optional()?.is_some())
}

/// One page, with one row too many if there are more.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    wish: &ListDocuments,
    after: Option<AfterDocument>,
    size: i64,
) -> Result<Vec<DocumentHead>> {
    let select = format!("SELECT {HEAD_COLUMNS} FROM content.documents d WHERE d.project_id = ");
    let query = Composed::new(&select).value::<SqlUuid, _>(wish.project_id);
    let query = having_words(query, wish.text.clone(), wish.project_id);
    let query = wish.order.arrange(wish.filter.narrow(query), after, size + 1);
    Ok(Prepared(query.finish()).load(&mut conn).await?)
}

/// Says what the next version of this transaction is; a trigger writes it down with the version.
pub(crate) async fn summarize(mut conn: &AsyncPgConnection, summary: Option<&str>) -> Result<()> {
    let Some(summary) = summary else { return Ok(()) };
    let query = sql_query("SELECT set_config('app.change_summary', $1, true)").bind::<Text, _>(summary);
    Prepared(query).execute(&mut conn).await?;
    Ok(())
}

/// Stores a document with its first version, and commits.
pub(crate) async fn insert(tx: Transaction, _: &ProjectAccess, document: &NewDocument) -> Result<Document> {
    let query = diesel::insert_into(documents::table).values(document).returning(Document::as_returning());
    let rows: Vec<Document> = tx.commit_with(Prepared(query)).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| Error::internal("an inserted document was not returned"))
}

/// Changes a document that is locked, with a version if the change has its number, and commits.
pub(crate) async fn save(
    tx: Transaction,
    _: &ProjectAccess,
    id: Uuid,
    change: &DocumentChange,
) -> Result<Document> {
    let query = diesel::update(documents::table.find(id)).set(change).returning(Document::as_returning());
    let rows: Vec<Document> = tx.commit_with(Prepared(query)).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| Error::not_found("document", id))
}

/// Moves a document that is locked, and commits.
pub(crate) async fn save_status(
    tx: Transaction,
    _: &ProjectAccess,
    id: Uuid,
    change: &StatusChange,
) -> Result<Document> {
    let query = diesel::update(documents::table.find(id)).set(change).returning(Document::as_returning());
    let rows: Vec<Document> = tx.commit_with(Prepared(query)).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| Error::not_found("document", id))
}

/// Deletes a document with its versions and attachments, and commits.
pub(crate) async fn delete(tx: Transaction, _: &ProjectAccess, id: Uuid) -> Result<()> {
    let query = diesel::delete(documents::table.find(id)).returning(documents::id);
    let rows: Vec<Uuid> = tx.commit_with(query).await?;
    if rows.is_empty() { Err(Error::not_found("document", id)) } else { Ok(()) }
}

//! SQL of documents. Row-level security limits it to projects that the caller may read.

use crate::schema::documents;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::{AccessColumns, GatheredProjectReads, ProjectAccess};
use shared::database::{ColumnsOf, Database, GatheredReads, PreparedQuery, Transaction, explain};
use shared::error::{Error, Result};
use shared::page::Page;
use uuid::Uuid;

use super::filter::{AfterDocument, HEAD_COLUMNS};
use super::wire::ListDocumentsInput;
use super::{Document, DocumentChange, DocumentHead, NewDocument};
use crate::constraints::{CONSTRAINTS, FILTER_CONSTRAINTS};
use crate::query_builder::QueryBuilder;

/// Documents of one call: their contents may be of [`super::MAX_CONTENT_BYTES`] each, and are in memory at the same time.
const MAX_READS_PER_CALL: usize = 8;

/// Reads of single documents.
pub(crate) fn gathered_reads(database: &Database) -> GatheredProjectReads<Document> {
    let function = "content.gather_documents";
    GatheredReads::new::<(AccessColumns, ColumnsOf<Document>)>(database, function, MAX_READS_PER_CALL)
}

pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Document>> {
    let found = documents::table.find(id).select(Document::as_select()).first(&mut conn).await;
    Ok(found.optional()?)
}

/// Locks a document until the transaction ends. Nothing is found for a caller who is not a member.
pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Document>> {
    let query = documents::table.find(id).select(Document::as_select()).for_no_key_update();
    Ok(query.first(&mut conn).await.optional()?)
}

/// Like [`lock`], without reading the content.
pub(crate) async fn lock_head(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<DocumentHead>> {
    let query = documents::table.find(id).select(DocumentHead::as_select()).for_no_key_update();
    Ok(query.first(&mut conn).await.optional()?)
}

/// Prevents the deletion of a document until the transaction ends.
pub(crate) async fn lock_for_reference(mut conn: &AsyncPgConnection, id: Uuid) -> Result<bool> {
    let query = documents::table.find(id).select(documents::id).for_key_share();
    Ok(query.first::<Uuid>(&mut conn).await.optional()?.is_some())
}

/// One page, and one more row if there is another page.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    input: &ListDocumentsInput,
    page: &Page<AfterDocument>,
) -> Result<Vec<DocumentHead>> {
    let query = if let Some(project_id) = input.filter.whole_project() {
        let query = QueryBuilder::new(&format!("SELECT {HEAD_COLUMNS} FROM "));
        let query = input.order.list_project(query, project_id, page.after.as_ref(), page.size + 1);
        query.sql(" WITH ORDINALITY f(id, place) JOIN content.documents d ON d.id = f.id ORDER BY f.place")
    } else {
        let query = QueryBuilder::new(&format!("SELECT {HEAD_COLUMNS} FROM content.documents d"));
        input.order.paginate(input.filter.apply(query), page.after.clone(), page.size + 1)
    };
    PreparedQuery(query.finish()).load(&mut conn).await.map_err(explain(FILTER_CONSTRAINTS))
}

/// Sets the summary that a trigger stores with the version that this transaction creates.
pub(crate) async fn set_change_summary(mut conn: &AsyncPgConnection, summary: Option<&str>) -> Result<()> {
    let Some(summary) = summary else { return Ok(()) };
    let query = sql_query("SELECT set_config('app.change_summary', $1, true)").bind::<Text, _>(summary);
    PreparedQuery(query).execute(&mut conn).await?;
    Ok(())
}

/// Inserts a document, whose first version a trigger creates, and commits.
pub(crate) async fn insert(tx: Transaction, _: &ProjectAccess, document: &NewDocument) -> Result<Document> {
    let query = diesel::insert_into(documents::table).values(document).returning(Document::as_returning());
    let rows: Vec<Document> = tx.commit_with(PreparedQuery(query)).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| Error::internal("an inserted document was not returned"))
}

/// Updates a locked document, with a new version if the change has its number, and commits.
pub(crate) async fn update(
    tx: Transaction,
    _: &ProjectAccess,
    id: Uuid,
    change: &DocumentChange,
) -> Result<Document> {
    let query = diesel::update(documents::table.find(id)).set(change).returning(Document::as_returning());
    let rows: Vec<Document> = tx.commit_with(PreparedQuery(query)).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| Error::not_found("document", id))
}

/// Deletes a document with its versions and attachments, and commits.
pub(crate) async fn delete(tx: Transaction, _: &ProjectAccess, id: Uuid) -> Result<()> {
    let query = diesel::delete(documents::table.find(id)).returning(documents::id);
    let rows: Vec<Uuid> = tx.commit_with(query).await?;
    if rows.is_empty() { Err(Error::not_found("document", id)) } else { Ok(()) }
}

//! SQL of versions. Row-level security limits it to documents that the caller may read.

use crate::schema::{document_versions, documents};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Integer, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::PreparedQuery;
use shared::error::Result;
use uuid::Uuid;

use super::{AfterVersion, ListedVersion, MAX_LISTED_BYTES, Version};

pub(crate) async fn get(
    mut conn: &AsyncPgConnection,
    document_id: Uuid,
    number: i32,
) -> Result<Option<Version>> {
    let found = document_versions::table
        .filter(document_versions::document_id.eq(document_id))
        .filter(document_versions::version_number.eq(number))
        .select(Version::as_select())
        .first(&mut conn)
        .await;
    Ok(found.optional()?)
}

/// The version with this number, or the newest.
pub(crate) async fn get_or_newest(
    mut conn: &AsyncPgConnection,
    document_id: Uuid,
    number: Option<i32>,
) -> Result<Option<Version>> {
    if let Some(number) = number {
        return get(conn, document_id, number).await;
    }
    let found = document_versions::table
        .filter(document_versions::document_id.eq(document_id))
        .select(Version::as_select())
        .order(document_versions::version_number.desc())
        .first(&mut conn)
        .await;
    Ok(found.optional()?)
}

/// The content of the base version of an edit, unless it is the newest, whose content the document has.
pub(crate) async fn get_base_content(
    mut conn: &AsyncPgConnection,
    document_id: Uuid,
    number: Option<i32>,
) -> Result<Option<String>> {
    let Some(number) = number else { return Ok(None) };
    let is_older = documents::table.find(document_id).filter(documents::version.gt(number));
    let found = document_versions::table
        .filter(document_versions::document_id.eq(document_id))
        .filter(document_versions::version_number.eq(number))
        .filter(diesel::dsl::exists(is_older))
        .select(document_versions::content)
        .first(&mut conn)
        .await;
    Ok(found.optional()?)
}

/// `octet_length` does not read a content in TOAST, so only the contents of the page are read.
const LIST: &str = "SELECT id, document_id, version_number, title, change_summary, author_id, created_at, \
     CASE WHEN $4 AND (place = 1 OR bytes <= $5) THEN content END AS content \
     FROM (SELECT v.*, row_number() OVER w AS place, sum(octet_length(v.content)) OVER w AS bytes \
           FROM content.document_versions v WHERE v.document_id = $1 AND v.version_number < $2 \
           WINDOW w AS (ORDER BY v.version_number DESC) ORDER BY v.version_number DESC LIMIT $3) listed \
     ORDER BY version_number DESC";

/// One page, newest first, and one more row if there is another page.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    document_id: Uuid,
    after: Option<AfterVersion>,
    size: i64,
    include_content: bool,
) -> Result<Vec<ListedVersion>> {
    let query = sql_query(LIST)
        .bind::<SqlUuid, _>(document_id)
        .bind::<Integer, _>(after.map_or(i32::MAX, |AfterVersion(number)| number))
        .bind::<BigInt, _>(size + 1)
        .bind::<Bool, _>(include_content)
        .bind::<BigInt, _>(MAX_LISTED_BYTES);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

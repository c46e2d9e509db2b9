//! SQL of versions. Row-level security shows those of documents that the caller sees.

use crate::schema::{document_versions, documents};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Integer, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Prepared;
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

/// The newest version, or the one of this number.
pub(crate) async fn newest_or(
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

/// The content of a version that an edit was made on, unless it is the newest: that one the document itself has.
pub(crate) async fn base(
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

/// Contents are added up by their sizes, which are known without reading them; those that are not answered are not read.
const LIST: &str = "SELECT id, document_id, version_number, title, change_summary, author_id, created_at, \
     CASE WHEN $4 AND (place = 1 OR bytes <= $5) THEN content END AS content \
     FROM (SELECT v.*, row_number() OVER w AS place, sum(octet_length(v.content)) OVER w AS bytes \
           FROM content.document_versions v WHERE v.document_id = $1 AND v.version_number < $2 \
           WINDOW w AS (ORDER BY v.version_number DESC) ORDER BY v.version_number DESC LIMIT $3) listed \
     ORDER BY version_number DESC";

/// One page, newest first, with one row too many if there are more.
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
    Ok(Prepared(query).load(&mut conn).await?)
}

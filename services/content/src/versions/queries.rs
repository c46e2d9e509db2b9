//! SQL of versions. Row-level security shows those of documents that the caller sees.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::error::Result;
use shared::schema::content::document_versions;
use uuid::Uuid;

use super::{AfterVersion, Version, VersionHead};

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

/// One page, newest first, with one row too many if there are more.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    document_id: Uuid,
    after: Option<AfterVersion>,
    size: i64,
) -> Result<Vec<VersionHead>> {
    let mut query = document_versions::table
        .filter(document_versions::document_id.eq(document_id))
        .select(VersionHead::as_select())
        .order(document_versions::version_number.desc())
        .limit(size + 1)
        .into_boxed::<Pg>();
    if let Some(AfterVersion(number)) = after {
        query = query.filter(document_versions::version_number.lt(number));
    }
    Ok(query.load(&mut conn).await?)
}

//! Queries that answer in sentences.

use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The column `line` of each row.
pub(super) async fn sentences(conn: &mut AsyncPgConnection, query: &str) -> anyhow::Result<Vec<String>> {
    let found: Vec<Line> = sql_query(query).load(conn).await?;
    Ok(found.into_iter().map(|line| line.line).collect())
}

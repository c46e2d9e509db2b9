//! Pages that end early, so that an answer is never larger than a message may be.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::BigInt;

/// A page ends with the project that makes it this large. One project takes less than 700 KB, so that a page stays
/// below the limit of 4 MiB per message.
pub(crate) const MAX_PAGE_BYTES: i64 = 3 * 1024 * 1024;

/// The size of a project in a message. A Struct takes up to four times the size of its JSON text.
const SIZE: &str =
    "400 + octet_length(name) + coalesce(octet_length(description), 0) + 4 * octet_length(settings::text)";

/// A list of projects with, per row, the bytes of all rows before it. It ends with the first row that does not belong
/// to the page any more. PostgreSQL numbers the rows of the subquery in its order.
pub(super) struct PageByBytes<Q>(pub Q);

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for PageByBytes<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let before = |rows: u8| {
            format!(
                "coalesce(sum({SIZE}) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND {rows} PRECEDING), 0)::bigint"
            )
        };
        out.push_sql(&format!(
            "SELECT * FROM (SELECT listed.*, {} AS bytes_before, {} AS bytes_before_previous FROM (",
            before(1),
            before(2)
        ));
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(&format!(") listed) sized WHERE bytes_before_previous < {MAX_PAGE_BYTES}"));
        Ok(())
    }
}

impl<Q> QueryId for PageByBytes<Q> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for PageByBytes<Q> {
    type SqlType = (Q::SqlType, BigInt, BigInt);
}

//! Pages that end early, so that an answer is never larger than a message may be.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::BigInt;

/// A page ends with the item that makes it this large. One item takes less than 700 KB, so that a page stays below the
/// limit of 4 MiB per message.
const MAX_PAGE_BYTES: i64 = 3 * 1024 * 1024;

/// A list with, per row, the bytes of all rows before it. It ends with the first row that does not belong to the page any
/// more. PostgreSQL numbers the rows of the subquery in its order.
pub struct PageByBytes<Q> {
    /// The list, limited to one row more than the page holds.
    pub list: Q,
    /// SQL for the size of a row in a message. A Struct takes up to four times the size of its JSON text.
    pub row_bytes: &'static str,
}

/// The rows of a page, plus one if there is a next page, and the size of the page.
pub fn end_page_by_bytes<T>(rows: Vec<(T, i64, i64)>, page_size: i64) -> (Vec<T>, i64) {
    let fitting = rows.iter().take_while(|(_, bytes_before, _)| *bytes_before < MAX_PAGE_BYTES).count();
    let size = page_size.min(i64::try_from(fitting).unwrap_or(page_size));
    (rows.into_iter().map(|(row, ..)| row).collect(), size)
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for PageByBytes<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let before = |rows: u8| {
            format!(
                "coalesce(sum({}) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND {rows} PRECEDING), 0)::bigint",
                self.row_bytes
            )
        };
        out.push_sql(&format!(
            "SELECT * FROM (SELECT listed.*, {} AS bytes_before, {} AS bytes_before_previous FROM (",
            before(1),
            before(2)
        ));
        self.list.walk_ast(out.reborrow())?;
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

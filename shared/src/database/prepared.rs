//! Statements written by hand that are prepared once on each connection, as those of the query builder are.

use std::marker::PhantomData;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// A [`diesel::sql_query`] whose text is one of few. Diesel prepares such a query each time it runs, because
/// its text might be of any number of kinds, and that costs a round trip of its own.
#[derive(Clone, Copy, Debug)]
pub struct PreparedQuery<Q>(pub Q);

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for PreparedQuery<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _backend: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> QueryId for PreparedQuery<Q> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for PreparedQuery<Q> {
    type SqlType = Q::SqlType;
}

/// A [`diesel::sql_query`] with the types of its columns, so that rows are read by position. By name, each value costs a
/// search through the names of all columns.
#[derive(Clone, Copy, Debug)]
pub struct TypedQuery<Q, ST> {
    query: Q,
    types: PhantomData<ST>,
}

impl<Q, ST> TypedQuery<Q, ST> {
    /// A query whose columns have these types.
    pub fn new(query: Q) -> Self {
        Self { query, types: PhantomData }
    }
}

impl<Q: QueryFragment<Pg>, ST> QueryFragment<Pg> for TypedQuery<Q, ST> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.query.walk_ast(out)
    }
}

impl<Q, ST> QueryId for TypedQuery<Q, ST> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, ST> Query for TypedQuery<Q, ST> {
    type SqlType = ST;
}

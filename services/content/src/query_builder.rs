//! Queries whose conditions depend on the request.

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::serialize::ToSql;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Float, HasSqlType, Uuid as SqlUuid};
use shared::page::AfterRank;

/// Builds a query from SQL and bound values.
pub(crate) struct QueryBuilder {
    query: BoxedSqlQuery<'static, Pg, SqlQuery>,
    values: usize,
}

impl QueryBuilder {
    pub(crate) fn new(sql: &str) -> Self {
        Self { query: sql_query(sql).into_boxed(), values: 0 }
    }

    pub(crate) fn sql(self, sql: &str) -> Self {
        Self { query: self.query.sql(sql), ..self }
    }

    pub(crate) fn bind<ST, V>(self, value: V) -> Self
    where
        Pg: HasSqlType<ST>,
        V: ToSql<ST, Pg> + Send + 'static,
        ST: Send + 'static,
    {
        let values = self.values + 1;
        Self { query: self.query.sql(format!("${values}")).bind::<ST, V>(value), values }
    }

    /// Appends a condition around a value, if there is one.
    pub(crate) fn bind_if<ST, V>(self, (before, after): (&str, &str), value: Option<V>) -> Self
    where
        Pg: HasSqlType<ST>,
        V: ToSql<ST, Pg> + Send + 'static,
        ST: Send + 'static,
    {
        match value {
            Some(value) => self.sql(before).bind::<ST, V>(value).sql(after),
            None => self,
        }
    }

    /// Appends the condition and the order of a page of ranked rows, the best first, and one more row if there is another
    /// page.
    pub(crate) fn best_after(self, after: Option<AfterRank>, size: i64) -> Self {
        let query = match after {
            None => self,
            Some(AfterRank { rank, id }) => self
                .sql(" WHERE (score, id) < (")
                .bind::<Float, _>(rank)
                .sql(", ")
                .bind::<SqlUuid, _>(id)
                .sql(")"),
        };
        query.sql(" ORDER BY score DESC, id DESC LIMIT ").bind::<BigInt, _>(size + 1)
    }

    pub(crate) fn finish(self) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
        self.query
    }
}

/// The values, unless there are none.
pub(crate) fn non_empty<T: Clone>(values: &[T]) -> Option<Vec<T>> {
    (!values.is_empty()).then(|| values.to_vec())
}

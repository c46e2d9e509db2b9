//! The statement of gathered reads: one call of a set-returning function.

use std::marker::PhantomData;
use std::time::Duration;

use diesel::expression::{Expression, Selectable};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, Integer, Text, Uuid as SqlUuid};
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Database, STATEMENT_TIMEOUT_MS};
use crate::error::{Error, Result};

/// How long a call may take. The server ends a statement of a service's role after [`STATEMENT_TIMEOUT_MS`]; this is
/// for a server that does not answer at all.
const CALL_TIMEOUT: Duration = Duration::from_millis(STATEMENT_TIMEOUT_MS + 1_000);

/// The types of the columns of a row, in its order.
pub type ColumnsOf<T> = <<T as Selectable<Pg>>::SelectExpression as Expression>::SqlType;

/// Types of columns, after that of the slot, of which a row `R` is made.
pub trait GatheredColumns<R>: Send + Sync + Sized + 'static {
    /// Loads the rows of a query with their slots.
    fn load(
        query: GatheredQuery<Self>,
        connection: &AsyncPgConnection,
    ) -> impl Future<Output = QueryResult<Vec<(i32, R)>>> + Send;
}

impl<R: Send + 'static, Columns: Send + Sync + 'static> GatheredColumns<R> for Columns
where
    GatheredQuery<Columns>: for<'c> LoadQuery<'static, &'c AsyncPgConnection, (i32, R)>,
{
    async fn load(
        query: GatheredQuery<Columns>,
        mut connection: &AsyncPgConnection,
    ) -> QueryResult<Vec<(i32, R)>> {
        RunQueryDsl::<&AsyncPgConnection>::load(query, &mut connection).await
    }
}

/// One read: the row of this id, as this user sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GatheredRead {
    pub(super) user_id: Uuid,
    pub(super) id: Uuid,
    /// The trace of the call that reads.
    pub(super) trace_id: String,
}

/// `SELECT * FROM function(callers, trace ids, ids)`.
pub struct GatheredQuery<Columns> {
    function: &'static str,
    callers: Vec<Uuid>,
    trace_ids: Vec<String>,
    ids: Vec<Uuid>,
    columns: PhantomData<fn() -> Columns>,
}

impl<Columns> GatheredQuery<Columns> {
    pub(super) fn new(function: &'static str, reads: Vec<GatheredRead>) -> Self {
        let count = reads.len();
        let mut query = Self {
            function,
            callers: Vec::with_capacity(count),
            trace_ids: Vec::with_capacity(count),
            ids: Vec::with_capacity(count),
            columns: PhantomData,
        };
        for GatheredRead { user_id, id, trace_id } in reads {
            query.callers.push(user_id);
            query.trace_ids.push(trace_id);
            query.ids.push(id);
        }
        query
    }
}

impl<Columns> QueryFragment<Pg> for GatheredQuery<Columns> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT * FROM ");
        out.push_sql(self.function);
        out.push_sql("(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.callers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.trace_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.ids)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<Columns> QueryId for GatheredQuery<Columns> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Columns> Query for GatheredQuery<Columns> {
    type SqlType = (Integer, Columns);
}

impl Database {
    /// The rows with the index of the read that each is for. One statement is a transaction of its own: there is nothing to
    /// begin and to commit.
    pub(super) async fn load_gathered<R, Columns: GatheredColumns<R>>(
        &self,
        query: GatheredQuery<Columns>,
    ) -> Result<Vec<(usize, R)>> {
        let mut connection = self.connection_for_several().await?;
        connection.uncertain = true;
        let rows = tokio::time::timeout(CALL_TIMEOUT, Columns::load(query, &connection)).await;
        let rows = rows.map_err(|_| Error::DeadlineExceeded)?;
        connection.uncertain = false;
        // Slots count from 1, as arrays do.
        let index = |slot: i32| usize::try_from(slot - 1).map_err(Error::internal);
        rows?.into_iter().map(|(slot, row)| Ok((index(slot)?, row))).collect()
    }
}

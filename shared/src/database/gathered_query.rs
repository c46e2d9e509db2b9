//! The statement of gathered reads and writes: one call of a set-returning function.

use std::marker::PhantomData;
use std::time::Duration;

use diesel::expression::{Expression, Selectable};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, Integer, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
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

/// One write, as this user makes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GatheredWrite {
    pub(super) user_id: Uuid,
    /// The trace of the call that writes.
    pub(super) trace_id: String,
    /// What the function takes.
    pub(super) input: Value,
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum CallOutcome<R> {
    /// The written rows are durable, each with the index of its write.
    Committed(Vec<(usize, R)>),
    /// Nothing is written, because the callers of these writes may not make them.
    Refused(Vec<usize>),
    /// Nothing is written, because the function failed.
    RolledBack(Error),
    /// The database is away. After a commit that was not confirmed, nobody knows what is written.
    Unavailable(String),
}

/// What goes together.
pub(super) enum GatheredItems {
    Reads(Vec<GatheredRead>),
    Writes(Vec<GatheredWrite>),
}

/// What the function takes beside callers and trace ids.
enum Items {
    Ids(Vec<Uuid>),
    Inputs(Value),
}

/// `SELECT * FROM function(callers, trace ids, items)`.
pub struct GatheredQuery<Columns> {
    function: &'static str,
    callers: Vec<Uuid>,
    trace_ids: Vec<String>,
    items: Items,
    columns: PhantomData<fn() -> Columns>,
}

impl<Columns> GatheredQuery<Columns> {
    pub(super) fn new(function: &'static str, gathered: GatheredItems) -> Self {
        let (mut callers, mut trace_ids) = (Vec::new(), Vec::new());
        let mut split = |user_id: Uuid, trace_id: String| {
            callers.push(user_id);
            trace_ids.push(trace_id);
        };
        let items = match gathered {
            GatheredItems::Reads(reads) => {
                let ids = reads.into_iter().map(|read| {
                    split(read.user_id, read.trace_id);
                    read.id
                });
                Items::Ids(ids.collect())
            }
            GatheredItems::Writes(writes) => {
                let inputs = writes.into_iter().map(|write| {
                    split(write.user_id, write.trace_id);
                    write.input
                });
                Items::Inputs(Value::Array(inputs.collect()))
            }
        };
        Self { function, callers, trace_ids, items, columns: PhantomData }
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
        match &self.items {
            Items::Ids(ids) => out.push_bind_param::<Array<SqlUuid>, _>(ids)?,
            Items::Inputs(inputs) => out.push_bind_param::<Jsonb, _>(inputs)?,
        }
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
        with_indexes(rows?)
    }

    /// Makes writes in one transaction, for these callers, and commits if all rows are permitted. What fails before the
    /// commit is rolled back.
    pub(super) async fn write_gathered<R, Columns: GatheredColumns<R>>(
        &self,
        callers: &[Uuid],
        query: GatheredQuery<Columns>,
        is_permitted: impl Fn(usize, &R) -> bool,
    ) -> CallOutcome<R> {
        let first = callers.first().copied().unwrap_or_default();
        let tx = match self.begin_as(first).await {
            Ok(tx) => tx,
            Err(error) => return not_written(error),
        };
        let rows = match tokio::time::timeout(CALL_TIMEOUT, Columns::load(query, &tx)).await {
            Ok(rows) => rows.map_err(Error::from).and_then(with_indexes),
            Err(_) => Err(Error::DeadlineExceeded),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return not_written(error),
        };
        let refused: Vec<usize> =
            rows.iter().filter(|(index, row)| !is_permitted(*index, row)).map(|(index, _)| *index).collect();
        if !refused.is_empty() {
            return CallOutcome::Refused(refused);
        }
        match tokio::time::timeout(CALL_TIMEOUT, tx.commit()).await {
            Ok(Ok(())) => CallOutcome::Committed(rows),
            Ok(Err(error)) => CallOutcome::Unavailable(error.to_string()),
            Err(_) => CallOutcome::Unavailable("a commit was not confirmed in time".to_owned()),
        }
    }
}

fn not_written<R>(error: Error) -> CallOutcome<R> {
    match error {
        Error::Unavailable { source, .. } => CallOutcome::Unavailable(source.to_string()),
        error => CallOutcome::RolledBack(error),
    }
}

/// Slots count from 1, as arrays do.
fn with_indexes<R>(rows: Vec<(i32, R)>) -> Result<Vec<(usize, R)>> {
    let index = |slot: i32| usize::try_from(slot - 1).map_err(Error::internal);
    rows.into_iter().map(|(slot, row)| Ok((index(slot)?, row))).collect()
}

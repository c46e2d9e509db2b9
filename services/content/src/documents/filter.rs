//! Which documents to list, in which order, and from where on: typed, and put together as SQL in one place.

use crate::schema::DocumentStatus;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::serialize::ToSql;
use diesel::sql_query;
use diesel::sql_types::{Array, HasSqlType, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::page::AfterTime;
use uuid::Uuid;

use super::DocumentHead;

/// The columns of a [`DocumentHead`], of the table `d`.
pub(crate) const HEAD_COLUMNS: &str = "d.id, d.project_id, d.title, d.content_type, d.author_id, d.version, d.status, \
     d.tags, d.metadata, d.created_at, d.updated_at, d.published_at, d.xmin";

/// What a document must be to be listed. What is empty or `None` does not filter; all the rest must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DocumentFilter {
    pub statuses: Vec<DocumentStatus>,
    pub author_id: Option<Uuid>,
    /// All of them.
    pub tags: Vec<String>,
    /// At least one of them.
    pub any_tags: Vec<String>,
    pub content_types: Vec<String>,
    /// Its metadata has all of this in it.
    pub metadata: Option<Value>,
    pub created: Period,
    pub updated: Period,
}

/// A stretch of time: its start belongs to it, its end does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Period {
    pub from: Option<DateTime<Utc>>,
    pub before: Option<DateTime<Utc>>,
}

/// A query that is put together from pieces, with its values.
pub(crate) struct Composed {
    query: BoxedSqlQuery<'static, Pg, SqlQuery>,
    values: usize,
}

impl Composed {
    /// Begins with this.
    pub(crate) fn new(sql: &str) -> Self {
        Self { query: sql_query(sql).into_boxed(), values: 0 }
    }

    /// Goes on with this.
    pub(crate) fn sql(self, sql: &str) -> Self {
        Self { query: self.query.sql(sql), ..self }
    }

    /// Goes on with a value.
    pub(crate) fn value<ST, V>(self, value: V) -> Self
    where
        Pg: HasSqlType<ST>,
        V: ToSql<ST, Pg> + Send + 'static,
        ST: Send + 'static,
    {
        let values = self.values + 1;
        Self { query: self.query.sql(format!("${values}")).bind::<ST, V>(value), values }
    }

    /// Goes on with a condition that ends with a value, if there is one.
    pub(crate) fn when<ST, V>(self, condition: &str, value: Option<V>) -> Self
    where
        Pg: HasSqlType<ST>,
        V: ToSql<ST, Pg> + Send + 'static,
        ST: Send + 'static,
    {
        match value {
            Some(value) => self.sql(condition).value::<ST, V>(value),
            None => self,
        }
    }

    /// The query as it stands.
    pub(crate) fn finish(self) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
        self.query
    }
}

impl DocumentFilter {
    /// Adds the conditions to a query of the table `d` that has one already.
    pub(crate) fn narrow(&self, query: Composed) -> Composed {
        let statuses: Vec<String> = self.statuses.iter().map(|status| status.as_str().to_owned()).collect();
        query
            .when::<Array<Text>, _>(" AND d.status::text = ANY (", given(&statuses))
            .sql(if statuses.is_empty() { "" } else { ")" })
            .when::<SqlUuid, _>(" AND d.author_id = ", self.author_id)
            .when::<Array<Text>, _>(" AND d.tags @> ", given(&self.tags))
            .when::<Array<Text>, _>(" AND d.tags && ", given(&self.any_tags))
            .when::<Array<Text>, _>(" AND d.content_type::text = ANY (", given(&self.content_types))
            .sql(if self.content_types.is_empty() { "" } else { ")" })
            .when::<Jsonb, _>(" AND d.metadata @> ", self.metadata.clone())
            .when::<Timestamptz, _>(" AND d.created_at >= ", self.created.from)
            .when::<Timestamptz, _>(" AND d.created_at < ", self.created.before)
            .when::<Timestamptz, _>(" AND d.updated_at >= ", self.updated.from)
            .when::<Timestamptz, _>(" AND d.updated_at < ", self.updated.before)
    }
}

fn given<T: Clone>(values: &[T]) -> Option<Vec<T>> {
    (!values.is_empty()).then(|| values.to_vec())
}

/// The order of a list. Documents that stand equal are ordered by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DocumentOrder {
    #[default]
    Newest,
    Oldest,
    LastUpdated,
    FirstUpdated,
    Title,
}

/// Where a list goes on: after this document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum AfterDocument {
    Time(AfterTime),
    Title { title: String, id: Uuid },
}

impl DocumentOrder {
    /// What is compared, and whether the greater comes first.
    fn key(self) -> (&'static str, bool) {
        match self {
            Self::Newest => ("d.created_at", true),
            Self::Oldest => ("d.created_at", false),
            Self::LastUpdated => ("d.updated_at", true),
            Self::FirstUpdated => ("d.updated_at", false),
            Self::Title => ("lower(d.title)", false),
        }
    }

    /// Where a list goes on after this document.
    pub(crate) fn position(self, head: &DocumentHead) -> AfterDocument {
        let at = match self {
            Self::Newest | Self::Oldest => head.created_at,
            Self::LastUpdated | Self::FirstUpdated => head.updated_at,
            Self::Title => return AfterDocument::Title { title: head.title.clone(), id: head.id },
        };
        AfterDocument::Time(AfterTime { at, id: head.id })
    }

    /// Adds the condition that leaves out what came before, the order, and how many rows.
    pub(crate) fn arrange(self, query: Composed, after: Option<AfterDocument>, rows: i64) -> Composed {
        let (key, descending) = self.key();
        let (beyond, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
        let from = format!(" AND ({key}, d.id) {beyond} (");
        let query = match after {
            None => query,
            Some(AfterDocument::Time(AfterTime { at, id })) => {
                query.sql(&from).value::<Timestamptz, _>(at).sql(", ").value::<SqlUuid, _>(id).sql(")")
            }
            Some(AfterDocument::Title { title, id }) => query
                .sql(&from)
                .sql("lower(")
                .value::<Text, _>(title)
                .sql("), ")
                .value::<SqlUuid, _>(id)
                .sql(")"),
        };
        query
            .sql(&format!(" ORDER BY {key} {direction}, d.id {direction} LIMIT "))
            .value::<diesel::sql_types::BigInt, _>(rows)
    }
}

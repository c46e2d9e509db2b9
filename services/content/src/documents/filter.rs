//! Filters and orders of document lists, and how they become SQL.

use crate::schema::DocumentStatus;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::page::AfterTime;
use shared::validation::TimeRange;
use uuid::Uuid;

use super::DocumentHead;
use crate::query_builder::{QueryBuilder, non_empty};

/// The columns of a [`DocumentHead`] in the table `d`.
pub(crate) const HEAD_COLUMNS: &str = "d.id, d.project_id, d.title, d.content_type, d.author_id, d.version, d.status, \
     d.tags, d.metadata, d.created_at, d.updated_at, d.published_at, d.xmin";

/// Projects in which the caller has lost `document_read`. The policies, which limit rows to readable projects, do not
/// check single permissions.
const UNREADABLE_PROJECTS: &str = "SELECT m.project_id FROM content.project_access_members m \
     WHERE m.user_id = content.current_user_id() AND m.permissions -> 'document_read' = 'false'::jsonb";

/// Which documents to list. Empty fields do not filter; all others must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DocumentFilter {
    /// Empty for all that the caller may read.
    pub project_ids: Vec<Uuid>,
    pub statuses: Vec<DocumentStatus>,
    pub author_ids: Vec<Uuid>,
    pub all_tags: Vec<String>,
    pub any_tags: Vec<String>,
    pub no_tags: Vec<String>,
    pub content_types: Vec<String>,
    pub created_at: TimeRange,
    pub updated_at: TimeRange,
    /// Words in title or content.
    pub text: Option<String>,
    /// The metadata contains all of this.
    pub metadata: Option<Value>,
}

impl QueryBuilder {
    /// Appends the ids of documents that match a search text in the projects, or in all that are readable if empty.
    pub(crate) fn matching_ids(self, text: &str, projects: &[Uuid]) -> Self {
        let query = self
            .sql("SELECT content.search_documents(content.parse_search_query(")
            .bind::<Text, _>(text.to_owned())
            .sql("), ");
        match non_empty(projects) {
            Some(projects) => query.bind::<Array<SqlUuid>, _>(projects).sql(")"),
            None => query.sql("NULL)"),
        }
    }
}

impl DocumentFilter {
    /// The project, if the filter asks for all documents of one project.
    pub(crate) fn whole_project(&self) -> Option<Uuid> {
        let [project_id] = self.project_ids[..] else { return None };
        let whole = Self { project_ids: vec![project_id], ..Self::default() };
        (*self == whole).then_some(project_id)
    }

    /// Appends the conditions to a query of the table `d`, with `WHERE`.
    pub(crate) fn apply(&self, query: QueryBuilder) -> QueryBuilder {
        let statuses: Vec<String> = self.statuses.iter().map(|status| status.as_str().to_owned()).collect();
        let query = match self.project_ids.as_slice() {
            [] => query.sql(&format!(" WHERE d.project_id NOT IN ({UNREADABLE_PROJECTS})")),
            // An index of each order begins with the project.
            [project] => query.sql(" WHERE d.project_id = ").bind::<SqlUuid, _>(*project),
            projects => {
                query.sql(" WHERE d.project_id = ANY (").bind::<Array<SqlUuid>, _>(projects.to_vec()).sql(")")
            }
        };
        let query = query
            .bind_if::<Array<Text>, _>((" AND d.status::text = ANY (", ")"), non_empty(&statuses))
            .bind_if::<Array<SqlUuid>, _>((" AND d.author_id = ANY (", ")"), non_empty(&self.author_ids))
            .bind_if::<Array<Text>, _>((" AND d.tags @> ", ""), non_empty(&self.all_tags))
            .bind_if::<Array<Text>, _>((" AND d.tags && ", ""), non_empty(&self.any_tags))
            .bind_if::<Array<Text>, _>((" AND NOT d.tags && ", ""), non_empty(&self.no_tags))
            .bind_if::<Array<Text>, _>(
                (" AND d.content_type::text = ANY (", ")"),
                non_empty(&self.content_types),
            )
            .bind_if::<Timestamptz, _>((" AND d.created_at >= ", ""), self.created_at.start)
            .bind_if::<Timestamptz, _>((" AND d.created_at < ", ""), self.created_at.end)
            .bind_if::<Timestamptz, _>((" AND d.updated_at >= ", ""), self.updated_at.start)
            .bind_if::<Timestamptz, _>((" AND d.updated_at < ", ""), self.updated_at.end)
            .bind_if::<Jsonb, _>((" AND d.metadata @> ", ""), self.metadata.clone());
        match &self.text {
            Some(text) => query.sql(" AND d.id IN (").matching_ids(text, &self.project_ids).sql(")"),
            None => query,
        }
    }
}

/// The order of a list. Documents that are equal in it are ordered by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DocumentOrder {
    #[default]
    CreatedDesc,
    CreatedAsc,
    UpdatedDesc,
    UpdatedAsc,
    TitleAsc,
}

/// The position in a list after this document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum AfterDocument {
    Time(AfterTime),
    Title { title: String, id: Uuid },
}

impl DocumentOrder {
    /// The sort key, and whether it is descending.
    fn key(self) -> (&'static str, bool) {
        match self {
            Self::CreatedDesc => ("d.created_at", true),
            Self::CreatedAsc => ("d.created_at", false),
            Self::UpdatedDesc => ("d.updated_at", true),
            Self::UpdatedAsc => ("d.updated_at", false),
            Self::TitleAsc => ("lower(d.title)", false),
        }
    }

    pub(crate) fn position(self, head: &DocumentHead) -> AfterDocument {
        let at = match self {
            Self::CreatedDesc | Self::CreatedAsc => head.created_at,
            Self::UpdatedDesc | Self::UpdatedAsc => head.updated_at,
            Self::TitleAsc => return AfterDocument::Title { title: head.title.clone(), id: head.id },
        };
        AfterDocument::Time(AfterTime { at, id: head.id })
    }

    /// The name of the order in `list_project_documents`.
    fn name(self) -> &'static str {
        match self {
            Self::CreatedDesc | Self::CreatedAsc => "created",
            Self::UpdatedDesc | Self::UpdatedAsc => "updated",
            Self::TitleAsc => "title",
        }
    }

    /// Appends a call that returns the ids of a page of a project.
    pub(crate) fn list_project(
        self,
        query: QueryBuilder,
        project_id: Uuid,
        after: Option<&AfterDocument>,
        limit: i64,
    ) -> QueryBuilder {
        let (key, id) = match after {
            None => (None, None),
            Some(AfterDocument::Time(AfterTime { at, id })) => (Some(at.to_rfc3339()), Some(*id)),
            Some(AfterDocument::Title { title, id }) => (Some(title.clone()), Some(*id)),
        };
        query
            .sql("content.list_project_documents(")
            .bind::<SqlUuid, _>(project_id)
            .sql(", ")
            .bind::<Text, _>(self.name())
            .sql(", ")
            .bind::<Bool, _>(self.key().1)
            .sql(", ")
            .bind::<Nullable<Text>, _>(key)
            .sql(", ")
            .bind::<Nullable<SqlUuid>, _>(id)
            .sql(", ")
            .bind::<Integer, _>(i32::try_from(limit).unwrap_or(i32::MAX))
            .sql(")")
    }

    /// Appends the condition of the page, the order and the limit.
    pub(crate) fn paginate(
        self,
        query: QueryBuilder,
        after: Option<AfterDocument>,
        limit: i64,
    ) -> QueryBuilder {
        let (key, descending) = self.key();
        let (comparison, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
        let from = format!(" AND ({key}, d.id) {comparison} (");
        let query = match after {
            None => query,
            Some(AfterDocument::Time(AfterTime { at, id })) => {
                query.sql(&from).bind::<Timestamptz, _>(at).sql(", ").bind::<SqlUuid, _>(id).sql(")")
            }
            Some(AfterDocument::Title { title, id }) => query
                .sql(&from)
                .sql("lower(")
                .bind::<Text, _>(title)
                .sql("), ")
                .bind::<SqlUuid, _>(id)
                .sql(")"),
        };
        query.sql(&format!(" ORDER BY {key} {direction}, d.id {direction} LIMIT ")).bind::<BigInt, _>(limit)
    }
}

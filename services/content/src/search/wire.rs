//! Conversion of searches.

use proto::content::v1 as pb;
use shared::error::{Error, Result};
use shared::highlight::{excerpts, spans};
use shared::validation::Violations;
use uuid::Uuid;

use super::{DocumentMatch, MAX_QUERY_CHARS};
use crate::documents::filter::DocumentFilter;
use crate::documents::wire::filter;

#[derive(Clone, Debug)]
pub(crate) struct SearchInput {
    pub text: String,
    /// All that the caller may read if `None`.
    pub project_id: Option<Uuid>,
    pub filter: DocumentFilter,
}

impl TryFrom<&pb::SearchDocumentsRequest> for SearchInput {
    type Error = Error;

    fn try_from(request: &pb::SearchDocumentsRequest) -> Result<Self> {
        let mut v = Violations::new();
        let input = Self {
            text: v.line("text", request.text.clone(), 1, MAX_QUERY_CHARS),
            project_id: v.optional_uuid("project_id", &request.project_id),
            filter: filter!(v, request),
        };
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(input)
    }
}

impl From<DocumentMatch> for pb::DocumentMatch {
    fn from(found: DocumentMatch) -> Self {
        let excerpts = excerpts(&found.marked_content).into_iter();
        Self {
            rank: found.rank,
            title: spans(&found.marked_title).into_iter().map(Into::into).collect(),
            excerpts: excerpts
                .map(|spans| pb::Excerpt { spans: spans.into_iter().map(Into::into).collect() })
                .collect(),
            document: Some(found.head.into()),
        }
    }
}

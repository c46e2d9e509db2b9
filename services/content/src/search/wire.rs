//! Conversion of searches.

use proto::content::v1 as pb;
use shared::error::{Error, Result};
use shared::highlight::{excerpts, spans};
use shared::validation::Violations;

use super::{DocumentMatch, MAX_QUERY_CHARS};
use crate::documents::filter::DocumentFilter;
use crate::documents::wire::document_filter;

#[derive(Clone, Debug)]
pub(crate) struct SearchInput {
    pub query: String,
    /// Without text.
    pub filter: DocumentFilter,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::SearchDocumentsRequest> for SearchInput {
    type Error = Error;

    fn try_from(request: pb::SearchDocumentsRequest) -> Result<Self> {
        let pb::SearchDocumentsRequest { query, filter, page_size, page_token } = request;
        let mut v = Violations::new();
        let query = v.line("query", query, 1, MAX_QUERY_CHARS);
        let filter = document_filter(&mut v, filter);
        v.require(filter.text.is_none(), "filter.text", "must be empty: use query");
        v.require(page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { query, filter, page_size, page_token })
    }
}

impl From<DocumentMatch> for pb::DocumentMatch {
    fn from(found: DocumentMatch) -> Self {
        Self {
            score: found.score,
            title: spans(&found.marked_title),
            excerpts: excerpts(&found.marked_content),
            document: Some(found.head.into()),
        }
    }
}

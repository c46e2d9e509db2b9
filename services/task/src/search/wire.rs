//! Conversions of the search from and to proto.

use proto::task::v1 as pb;
use shared::error::{Error, Result};
use shared::highlight::{excerpts, spans};
use shared::validation::Violations;

use super::TaskMatch;
use crate::lists::wire::filter;
use crate::lists::{MAX_TEXT_CHARS, TaskFilter};

#[derive(Clone, Debug)]
pub(super) struct SearchTasksInput {
    pub(super) query: String,
    /// Includes the query.
    pub(super) filter: TaskFilter,
}

impl TryFrom<&pb::SearchTasksRequest> for SearchTasksInput {
    type Error = Error;

    fn try_from(request: &pb::SearchTasksRequest) -> Result<Self> {
        let mut v = Violations::new();
        let query = v.line("query", request.query.clone(), 1, MAX_TEXT_CHARS);
        let filter = filter(&mut v, request.filter.clone().unwrap_or_default());
        v.require(filter.search_text.is_none(), "filter.text", "must be empty: the search has a query");
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { filter: TaskFilter { search_text: Some(query.clone()), ..filter }, query })
    }
}

impl From<TaskMatch> for pb::TaskMatch {
    fn from(found: TaskMatch) -> Self {
        Self {
            score: found.score,
            title: spans(&found.marked_title),
            excerpts: excerpts(&found.marked_description),
            task: Some(found.task.into()),
        }
    }
}

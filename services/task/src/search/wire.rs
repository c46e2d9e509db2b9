//! Conversions of the search from and to proto.

use proto::task::v1 as pb;
use shared::error::{Error, Result};
use shared::highlight::{excerpts, spans};
use shared::validation::Violations;

use super::TaskMatch;
use crate::lists::wire::filter;
use crate::lists::{MAX_TEXT_CHARS, TaskFilter};
use crate::task_keys::TaskKey;

#[derive(Clone, Debug)]
pub(super) struct SearchTasksInput {
    pub(super) text: String,
    /// The query, if it is a task key.
    pub(super) key: Option<TaskKey>,
    /// Includes the query.
    pub(super) filter: TaskFilter,
}

impl TryFrom<&pb::SearchTasksRequest> for SearchTasksInput {
    type Error = Error;

    fn try_from(request: &pb::SearchTasksRequest) -> Result<Self> {
        let mut v = Violations::new();
        let text = v.line("text", request.text.clone(), 1, MAX_TEXT_CHARS);
        let filter = filter(&mut v, request.filter.clone().unwrap_or_default());
        v.require(
            filter.search_text.is_none(),
            "filter.text",
            "must be empty: the search has a text of its own",
        );
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        let key = text.trim().parse().ok();
        Ok(Self { key, filter: TaskFilter { search_text: Some(text.clone()), ..filter }, text })
    }
}

impl From<TaskMatch> for pb::TaskMatch {
    fn from(found: TaskMatch) -> Self {
        let excerpts = excerpts(&found.marked_description).into_iter();
        Self {
            rank: found.relevance,
            title: spans(&found.marked_title).into_iter().map(Into::into).collect(),
            excerpts: excerpts
                .map(|spans| pb::Excerpt { spans: spans.into_iter().map(Into::into).collect() })
                .collect(),
            task: Some(found.task.into()),
        }
    }
}

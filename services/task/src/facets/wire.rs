//! Conversions of facets from and to proto.

use proto::task::v1 as pb;
use shared::error::{Error, Result};
use shared::validation::Violations;

use super::{DEFAULT_VALUES, Facets, MAX_COUNTED, MAX_VALUES};
use crate::lists::TaskFilter;
use crate::lists::wire::filter;
use crate::tasks::wire::work;

#[derive(Clone, Debug)]
pub(crate) struct GetTaskFacetsInput {
    pub(crate) filter: TaskFilter,
    pub(crate) max_values: i32,
}

impl TryFrom<pb::GetTaskFacetsRequest> for GetTaskFacetsInput {
    type Error = Error;

    fn try_from(request: pb::GetTaskFacetsRequest) -> Result<Self> {
        let mut v = Violations::new();
        let filter = filter(&mut v, request.filter.unwrap_or_default());
        v.require(request.max_values >= 0, "max_values", "must not be negative");
        v.finish()?;
        let max_values = if request.max_values == 0 { DEFAULT_VALUES } else { request.max_values };
        Ok(Self { filter, max_values: max_values.min(MAX_VALUES) })
    }
}

impl From<Facets> for pb::TaskFacets {
    fn from(facets: Facets) -> Self {
        let by_status = facets.by_status.into_iter().map(|(status, count)| pb::StatusCount {
            status: status.into(),
            count: count.count,
            estimated_duration: Some(work(count.estimated_minutes.unwrap_or_default())),
            actual_duration: Some(work(count.actual_minutes.unwrap_or_default())),
        });
        let by_priority = facets.by_priority.into_iter().map(|(priority, count)| pb::PriorityCount {
            priority: priority.into(),
            count: count.count,
            estimated_duration: Some(work(count.estimated_minutes.unwrap_or_default())),
            actual_duration: Some(work(count.actual_minutes.unwrap_or_default())),
        });
        let by_assignee = facets.by_assignee.into_iter();
        let by_tag = facets.by_tag.into_iter();
        let by_project = facets.by_project.into_iter();
        Self {
            total_count: facets.found.min(MAX_COUNTED),
            truncated: facets.found > MAX_COUNTED,
            by_status: by_status.collect(),
            by_priority: by_priority.collect(),
            by_assignee: by_assignee
                .map(|count| pb::AssigneeCount { assignee_id: count.value, count: count.count })
                .collect(),
            by_tag: by_tag.map(|count| pb::TagCount { tag: count.value, count: count.count }).collect(),
            by_project: by_project
                .map(|count| pb::ProjectCount { project_id: count.value, count: count.count })
                .collect(),
        }
    }
}

//! Conversion of progress to proto.

use proto::task::v1 as pb;
use shared::error::Result;
use shared::validation::Violations;
use uuid::Uuid;

use super::Progress;
use crate::tasks::wire::work;

/// The project and the milestone of a request.
pub(super) fn read(request: &pb::GetProjectProgressRequest) -> Result<(Uuid, Option<Uuid>)> {
    let mut v = Violations::new();
    let project_id = v.uuid("project_id", &request.project_id);
    let milestone_id = v.optional_uuid("milestone_id", &request.milestone_id);
    v.finish()?;
    Ok((project_id, milestone_id))
}

impl From<Progress> for pb::ProjectProgress {
    fn from(progress: Progress) -> Self {
        let by_status = progress.by_status.iter();
        let by_priority = progress.by_priority.iter();
        Self {
            project_id: progress.project_id.to_string(),
            total_count: progress.total.count,
            by_status: by_status
                .map(|(status, sums)| pb::StatusCount {
                    status: (*status).into(),
                    count: sums.count,
                    estimated_duration: Some(work(sums.estimated_minutes)),
                    actual_duration: Some(work(sums.actual_minutes)),
                })
                .collect(),
            by_priority: by_priority
                .map(|(priority, sums)| pb::PriorityCount {
                    priority: (*priority).into(),
                    count: sums.count,
                    estimated_duration: Some(work(sums.estimated_minutes)),
                    actual_duration: Some(work(sums.actual_minutes)),
                })
                .collect(),
            estimated_duration: Some(work(progress.total.estimated_minutes)),
            actual_duration: Some(work(progress.total.actual_minutes)),
            percent_done: progress.percent_done(),
        }
    }
}

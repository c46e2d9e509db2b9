//! Progress to the wire.

use shared::proto::task::v1 as pb;

use super::Progress;

impl From<Progress> for pb::ProjectProgress {
    fn from(progress: Progress) -> Self {
        let by_status = progress.by_status.iter();
        let by_priority = progress.by_priority.iter();
        Self {
            project_id: progress.project_id.to_string(),
            total_count: progress.total(),
            by_status: by_status
                .map(|(status, count)| pb::StatusCount { status: (*status).into(), count: *count })
                .collect(),
            by_priority: by_priority
                .map(|(priority, count)| pb::PriorityCount { priority: (*priority).into(), count: *count })
                .collect(),
            estimated_hours: progress.estimated_hours,
            actual_hours: progress.actual_hours,
            percent_done: progress.percent_done(),
        }
    }
}

//! How far a project is.

pub(crate) mod queries;
mod wire;

use std::collections::BTreeMap;

use shared::schema::{TaskPriority, TaskStatus};
use uuid::Uuid;

/// The tasks of a project that share status and priority.
#[derive(Clone, Debug, diesel::Queryable)]
pub(crate) struct Group {
    pub(crate) status: TaskStatus,
    pub(crate) priority: TaskPriority,
    pub(crate) count: i64,
    pub(crate) estimated_hours: Option<i64>,
    pub(crate) actual_hours: Option<i64>,
}

/// How far a project is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Progress {
    project_id: Uuid,
    by_status: BTreeMap<TaskStatus, i64>,
    by_priority: BTreeMap<TaskPriority, i64>,
    estimated_hours: i64,
    actual_hours: i64,
}

impl Progress {
    /// Sums up.
    pub(crate) fn of(project_id: Uuid, groups: &[Group]) -> Self {
        let mut by_status = BTreeMap::new();
        let mut by_priority = BTreeMap::new();
        for group in groups {
            *by_status.entry(group.status).or_default() += group.count;
            *by_priority.entry(group.priority).or_default() += group.count;
        }
        Self {
            project_id,
            by_status,
            by_priority,
            estimated_hours: groups.iter().filter_map(|group| group.estimated_hours).sum(),
            actual_hours: groups.iter().filter_map(|group| group.actual_hours).sum(),
        }
    }

    fn total(&self) -> i64 {
        self.by_status.values().sum()
    }

    /// Share of done tasks among those not cancelled, 0 to 100.
    #[allow(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    fn percent_done(&self) -> f64 {
        let count = |status| self.by_status.get(&status).copied().unwrap_or_default();
        let counted = self.total() - count(TaskStatus::Cancelled);
        if counted == 0 { 0.0 } else { count(TaskStatus::Done) as f64 * 100.0 / counted as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group() -> impl Strategy<Value = Group> {
        let hours = || proptest::option::of(0..1_000_i64);
        let status = proptest::sample::select(TaskStatus::ALL);
        let priority = proptest::sample::select(TaskPriority::ALL);
        (status, priority, 1..1_000_i64, hours(), hours()).prop_map(
            |(status, priority, count, estimated_hours, actual_hours)| Group {
                status,
                priority,
                count,
                estimated_hours,
                actual_hours,
            },
        )
    }

    #[test]
    fn cancelled_tasks_do_not_hold_a_project_back() {
        let of = |status, count| Group {
            status,
            priority: TaskPriority::Low,
            count,
            estimated_hours: None,
            actual_hours: None,
        };
        let progress = |groups: &[Group]| Progress::of(Uuid::nil(), groups).percent_done();
        assert!(progress(&[]).abs() < f64::EPSILON);
        assert!(progress(&[of(TaskStatus::Cancelled, 3)]).abs() < f64::EPSILON);
        let groups = [of(TaskStatus::Done, 1), of(TaskStatus::Pending, 3), of(TaskStatus::Cancelled, 4)];
        assert!((progress(&groups) - 25.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn both_ways_of_counting_agree(groups in proptest::collection::vec(group(), 0..30)) {
            let progress = Progress::of(Uuid::nil(), &groups);
            prop_assert_eq!(progress.total(), progress.by_priority.values().sum::<i64>());
            prop_assert!((0.0..=100.0).contains(&progress.percent_done()));
        }
    }
}

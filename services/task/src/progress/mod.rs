//! Progress of a project: counts and work by status and priority.

mod queries;
mod rpc;
mod wire;

use std::collections::BTreeMap;

use crate::schema::{TaskPriority, TaskStatus};
use uuid::Uuid;

/// The tasks of a project that share status and priority.
#[derive(Clone, Debug, diesel::Queryable)]
pub(crate) struct Group {
    pub(crate) status: TaskStatus,
    pub(crate) priority: TaskPriority,
    pub(crate) count: i64,
    pub(crate) estimated_minutes: Option<i64>,
    pub(crate) actual_minutes: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    count: i64,
    estimated_minutes: i64,
    actual_minutes: i64,
}

impl Sums {
    fn add(&mut self, group: &Group) {
        self.count += group.count;
        self.estimated_minutes += group.estimated_minutes.unwrap_or_default();
        self.actual_minutes += group.actual_minutes.unwrap_or_default();
    }
}

/// How far a project is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Progress {
    project_id: Uuid,
    by_status: BTreeMap<TaskStatus, Sums>,
    by_priority: BTreeMap<TaskPriority, Sums>,
    total: Sums,
}

impl Progress {
    pub(crate) fn of(project_id: Uuid, groups: &[Group]) -> Self {
        let mut progress = Self {
            project_id,
            by_status: BTreeMap::new(),
            by_priority: BTreeMap::new(),
            total: Sums::default(),
        };
        for group in groups {
            progress.by_status.entry(group.status).or_default().add(group);
            progress.by_priority.entry(group.priority).or_default().add(group);
            progress.total.add(group);
        }
        progress
    }

    /// Share of done tasks among those not cancelled, 0 to 100.
    #[allow(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    fn percent_done(&self) -> f64 {
        let count = |status| self.by_status.get(&status).copied().unwrap_or_default().count;
        let counted = self.total.count - count(TaskStatus::Cancelled);
        if counted == 0 { 0.0 } else { count(TaskStatus::Done) as f64 * 100.0 / counted as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group() -> impl Strategy<Value = Group> {
        let minutes = || proptest::option::of(0..1_000_i64);
        let status = proptest::sample::select(TaskStatus::ALL);
        let priority = proptest::sample::select(TaskPriority::ALL);
        (status, priority, 1..1_000_i64, minutes(), minutes()).prop_map(
            |(status, priority, count, estimated_minutes, actual_minutes)| Group {
                status,
                priority,
                count,
                estimated_minutes,
                actual_minutes,
            },
        )
    }

    #[test]
    fn percent_done_ignores_cancelled_tasks() {
        let of = |status, count| Group {
            status,
            priority: TaskPriority::Low,
            count,
            estimated_minutes: None,
            actual_minutes: None,
        };
        let progress = |groups: &[Group]| Progress::of(Uuid::nil(), groups).percent_done();
        assert!(progress(&[]).abs() < f64::EPSILON);
        assert!(progress(&[of(TaskStatus::Cancelled, 3)]).abs() < f64::EPSILON);
        let groups = [of(TaskStatus::Done, 1), of(TaskStatus::Pending, 3), of(TaskStatus::Cancelled, 4)];
        assert!((progress(&groups) - 25.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn sums_by_status_and_by_priority_agree(groups in proptest::collection::vec(group(), 0..30)) {
            let progress = Progress::of(Uuid::nil(), &groups);
            let sum = |sums: Vec<Sums>| sums.iter().fold(Sums::default(), |all, one| Sums {
                count: all.count + one.count,
                estimated_minutes: all.estimated_minutes + one.estimated_minutes,
                actual_minutes: all.actual_minutes + one.actual_minutes,
            });
            prop_assert_eq!(progress.total, sum(progress.by_status.values().copied().collect()));
            prop_assert_eq!(progress.total, sum(progress.by_priority.values().copied().collect()));
            prop_assert!((0.0..=100.0).contains(&progress.percent_done()));
        }
    }
}

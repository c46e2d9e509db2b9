//! Checks the invariants of the graph without the service's code.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use task::schema::{DependencyType, TaskStatus};
use task::schema::{task_dependencies, tasks};
use testkit::*;
use uuid::Uuid;

/// All waiting edges, read past row-level security.
pub(super) async fn waits(suite: &Suite) -> Vec<(Uuid, Uuid)> {
    let mut admin = suite.admin_of(task::NAME).await;
    let links: Vec<(Uuid, Uuid, DependencyType)> = task_dependencies::table
        .select((
            task_dependencies::task_id,
            task_dependencies::depends_on_task_id,
            task_dependencies::dependency_type,
        ))
        .load(&mut admin)
        .await
        .unwrap();
    let parents: Vec<(Option<Uuid>, Uuid)> =
        tasks::table.select((tasks::parent_task_id, tasks::id)).load(&mut admin).await.unwrap();
    let links = links.into_iter().filter_map(|(task, on, kind)| match kind {
        DependencyType::Blocks => Some((task, on)),
        DependencyType::SubtaskOf => Some((on, task)),
        DependencyType::RelatesTo | DependencyType::Duplicates => None,
    });
    links.chain(parents.into_iter().filter_map(|(parent, task)| Some((parent?, task)))).collect()
}

/// Repeatedly removes tasks that wait for nothing; what is left is in a cycle or waits for one.
pub(super) fn has_cycle(waits: &[(Uuid, Uuid)]) -> bool {
    let mut left: HashMap<Uuid, HashSet<Uuid>> = HashMap::new();
    for (waiting, awaited) in waits {
        left.entry(*waiting).or_default().insert(*awaited);
    }
    loop {
        let before = left.len();
        let waiting: HashSet<Uuid> = left.keys().copied().collect();
        left.retain(|_, awaited| awaited.iter().any(|task| waiting.contains(task)));
        if left.len() == before {
            return before > 0;
        }
    }
}

/// The tasks whose status contradicts their dependencies, read past row-level security.
pub(super) async fn wrongly_blocked(suite: &Suite) -> Vec<(Uuid, TaskStatus)> {
    let mut admin = suite.admin_of(task::NAME).await;
    let all: Vec<(Uuid, TaskStatus, bool)> = tasks::table
        .select((tasks::id, tasks::status, tasks::manually_blocked))
        .load(&mut admin)
        .await
        .unwrap();
    let links: Vec<(Uuid, Uuid)> = task_dependencies::table
        .filter(task_dependencies::dependency_type.eq(DependencyType::Blocks))
        .select((task_dependencies::task_id, task_dependencies::depends_on_task_id))
        .load(&mut admin)
        .await
        .unwrap();
    let is_closed = |status| matches!(status, TaskStatus::Done | TaskStatus::Cancelled);
    let open: HashSet<Uuid> = all.iter().filter(|task| !is_closed(task.1)).map(|task| task.0).collect();
    let waits = |id| links.iter().any(|(task, on)| *task == id && open.contains(on));
    let is_wrong = |(id, status, manually_blocked): &(Uuid, TaskStatus, bool)| match status {
        TaskStatus::Pending => waits(*id),
        TaskStatus::Blocked => !manually_blocked && !waits(*id),
        _ => false,
    };
    all.into_iter().filter(is_wrong).map(|(id, status, _)| (id, status)).collect()
}

#[test]
fn the_checker_tells_cycles_from_chains() {
    let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
    assert!(!has_cycle(&[(a, b), (b, c), (a, c)]));
    assert!(has_cycle(&[(a, b), (b, c), (c, a)]));
}

//! Status transitions, and `blocked`.

use futures::future::join_all;
use pb::TaskStatus::{Blocked, Cancelled, Done, InProgress, Pending, Review};
use proto::project::v1::Project;
use proto::task::v1 as pb;
use proto::task::v1::delete_task_dependency_request::Selector;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

async fn set(who: &Actor, task: &pb::Task, status: pb::TaskStatus) -> Result<pb::Task, Status> {
    if status == Done {
        return complete(who, task).await;
    }
    let task = pb::Task { status: status.into(), etag: String::new(), ..task.clone() };
    update(who, task, &["status"]).await
}

async fn status(who: &Actor, task: &pb::Task) -> pb::TaskStatus {
    get(who, task).await.unwrap().status()
}

/// A task that reached this status through allowed transitions.
async fn task_in(who: &Actor, project: &Project, status: pb::TaskStatus) -> pb::Task {
    let task = who.task(project, "x").await;
    match status {
        Pending => task,
        Review => {
            set(who, &task, InProgress).await.unwrap();
            set(who, &task, Review).await.unwrap()
        }
        other => set(who, &task, other).await.unwrap(),
    }
}

#[tokio::test]
async fn status_transitions_follow_the_table() {
    let Team { olga, project, .. } = &team().await;
    let table = [
        (Pending, vec![Pending, Blocked, InProgress, Done, Cancelled]),
        (Blocked, vec![Pending, Blocked, InProgress, Done, Cancelled]),
        (InProgress, vec![Pending, Blocked, InProgress, Review, Done, Cancelled]),
        (Review, vec![Pending, Blocked, InProgress, Review, Done, Cancelled]),
        (Done, vec![Pending, Blocked, InProgress, Done]),
        (Cancelled, vec![Pending, Blocked, Cancelled]),
    ];
    for (from, to) in table {
        for status in [Pending, Blocked, InProgress, Review, Done, Cancelled] {
            let outcome = set(olga, &task_in(olga, project, from).await, status).await;
            match outcome {
                Ok(task) => {
                    assert!(to.contains(&status), "{from:?} became {status:?}");
                    assert_eq!((task.status(), task.manually_blocked), (status, status == Blocked));
                    assert_eq!(task.completed_at.is_some(), status == Done);
                }
                Err(refusal) => {
                    assert!(!to.contains(&status), "{from:?} did not become {status:?}");
                    assert_eq!(summary(&refusal), "FAILED_PRECONDITION INVALID_STATUS_TRANSITION");
                    let expected = from.as_str_name().trim_start_matches("TASK_STATUS_").to_lowercase();
                    assert_eq!(metadata(&refusal, "status"), expected);
                }
            }
        }
    }
}

#[tokio::test]
async fn tasks_are_blocked_until_their_last_blocker_closes() {
    let Team { olga, project, .. } = &team().await;
    let [cake, eggs, milk] = [
        olga.task(project, "cake").await,
        olga.task(project, "eggs").await,
        olga.task(project, "milk").await,
    ];
    blocks(olga, &cake, &eggs).await.unwrap();
    assert_eq!(status(olga, &cake).await, Blocked);
    let second = blocks(olga, &cake, &milk).await.unwrap();
    for status in [InProgress, Done] {
        assert_eq!(summary(&set(olga, &cake, status).await.unwrap_err()), "FAILED_PRECONDITION TASK_BLOCKED");
    }
    assert!(!set(olga, &cake, Blocked).await.unwrap().manually_blocked);
    assert_eq!(set(olga, &cake, Pending).await.unwrap().status(), Blocked);

    complete(olga, &eggs).await.unwrap();
    assert_eq!(status(olga, &cake).await, Blocked);
    set(olga, &milk, Cancelled).await.unwrap();
    assert_eq!(status(olga, &cake).await, Pending);
    set(olga, &eggs, Pending).await.unwrap();
    assert_eq!(status(olga, &cake).await, Blocked);
    delete(olga, &eggs).await.unwrap();
    assert_eq!(status(olga, &cake).await, Pending);

    set(olga, &milk, Pending).await.unwrap();
    assert_eq!(status(olga, &cake).await, Blocked);
    let request = pb::DeleteTaskDependencyRequest { selector: Some(Selector::DependencyId(second.id)) };
    olga.plans().delete_task_dependency(request).await.unwrap();
    assert_eq!(status(olga, &cake).await, Pending);
}

#[tokio::test]
async fn started_tasks_with_new_blockers_cannot_move_forward() {
    let Team { olga, project, .. } = &team().await;
    let task = task_in(olga, project, InProgress).await;
    let late = olga.task(project, "late").await;
    blocks(olga, &task, &late).await.unwrap();
    assert_eq!(status(olga, &task).await, InProgress);
    let refusal = set(olga, &task, Review).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION TASK_BLOCKED");
    assert_eq!(metadata(&refusal, "blockers"), late.id);
    assert_eq!(set(olga, &task, Pending).await.unwrap().status(), Blocked);
    complete(olga, &late).await.unwrap();
    assert_eq!(status(olga, &task).await, Pending);
    let done = complete(olga, &task).await.unwrap();
    set(olga, &late, InProgress).await.unwrap();
    assert_eq!(get(olga, &task).await.unwrap(), done);
}

#[tokio::test]
async fn manually_blocked_tasks_stay_blocked() {
    let Team { olga, project, .. } = &team().await;
    let wished = pb::Task { status: Blocked.into(), ..new_task(project, "permit") };
    let task = create(olga, wished).await.unwrap();
    assert_eq!((task.status(), task.manually_blocked), (Blocked, true));
    let other = olga.task(project, "other").await;
    blocks(olga, &task, &other).await.unwrap();
    complete(olga, &other).await.unwrap();
    assert_eq!(get(olga, &task).await.unwrap(), task);
    let lifted = set(olga, &task, Pending).await.unwrap();
    assert_eq!((lifted.status(), lifted.manually_blocked), (Pending, false));
}

#[tokio::test]
async fn only_blocks_dependencies_change_the_status() {
    let Team { olga, project, .. } = &team().await;
    let [task, other] = [olga.task(project, "a").await, olga.task(project, "b").await];
    let kinds =
        [pb::DependencyType::RelatesTo, pb::DependencyType::Duplicates, pb::DependencyType::SubtaskOf];
    for kind in kinds {
        let part = olga.task(project, "part").await;
        link(olga, &part, &other, kind).await.unwrap();
        assert_eq!(status(olga, &part).await, Pending);
    }
    assert_eq!(status(olga, &task).await, Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn blockers_closed_concurrently_leave_nothing_blocked() {
    let Team { olga, mia, project, .. } = &team().await;
    for _ in 0..4 {
        let [waits, also] = [olga.task(project, "waits").await, olga.task(project, "also").await];
        let blockers = join_all((0..6).map(|_| olga.task(project, "blocker"))).await;
        // Half of the blockers are added while others close.
        for blocker in &blockers[..3] {
            blocks(olga, &waits, blocker).await.unwrap();
        }
        let close = async |blocker: &pb::Task| complete(mia, blocker).await.map(|_| ());
        let appear = async |blocker: &pb::Task| blocks(olga, &waits, blocker).await.map(|_| ());
        let also_wait = async |blocker: &pb::Task| blocks(olga, &also, blocker).await.map(|_| ());
        let closing = join_all(blockers.iter().map(close));
        let appearing = join_all(blockers[3..].iter().map(appear));
        let (closed, appeared, also_waits) =
            futures::join!(closing, appearing, join_all(blockers.iter().map(also_wait)));
        for outcome in closed.into_iter().chain(appeared).chain(also_waits) {
            outcome.unwrap();
        }
        assert_eq!((status(olga, &waits).await, status(olga, &also).await), (Pending, Pending));
    }
}

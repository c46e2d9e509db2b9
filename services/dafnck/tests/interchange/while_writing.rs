//! Exports while others write: nothing in them refers to what is not there.

use crate::harness::harness;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use proto::content::v1::content_target::Target;
use proto::project::v1::DeleteProjectRequest;
use proto::task::v1::{CreateTaskDependencyRequest, DeleteTaskRequest, TaskDependency};
use testkit::Actor;

use super::{ExportedDirectory, import};

const WRITERS: usize = 4;
const EXPORTS: usize = 6;

/// Makes projects with all that hangs together, and deletes some of it again.
async fn write_on(who: Actor, stop: Arc<AtomicBool>) -> usize {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        let project = who.project("busy").await;
        let [build, fly] = [who.task(&project, "build").await, who.task(&project, "fly").await];
        let dependency = CreateTaskDependencyRequest {
            task_dependency: Some(TaskDependency {
                task_id: fly.id.clone(),
                depends_on_task_id: build.id.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        who.plans().create_task_dependency(dependency).await.unwrap();
        let document = who.document(&project, "plan", "up").await;
        super::files_and_comments::attach(&who, Target::TaskId(fly.id.clone()), "a", b"one").await;
        super::files_and_comments::attach(&who, Target::DocumentId(document.id), "b", b"two").await;
        if rounds % 3 == 1 {
            let gone = DeleteTaskRequest { task_id: fly.id, ..Default::default() };
            who.tasks().delete_task(gone).await.unwrap();
        }
        if rounds % 3 == 2 {
            let gone = DeleteProjectRequest { project_id: project.id, ..Default::default() };
            who.projects().delete_project(gone).await.unwrap();
        }
        rounds += 1;
    }
    rounds
}

#[tokio::test]
async fn exports_beside_writers_are_taken_whole() {
    let suite = harness().start().await;
    let writers = suite.guests(["ada", "gus", "max", "olga"]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = join_all(writers.map(|writer| tokio::spawn(write_on(writer, stop.clone()))));
    let exporting = async {
        let mut exports = Vec::new();
        for _ in 0..EXPORTS {
            exports.push(ExportedDirectory::of(&suite).await);
        }
        stop.store(true, Ordering::Relaxed);
        exports
    };
    let (rounds, exports) = tokio::join!(writing, exporting);
    assert_eq!(rounds.len(), WRITERS);
    assert!(rounds.into_iter().all(|rounds| rounds.unwrap() > 0));

    for export in [&exports[1], &exports[EXPORTS / 2], &exports[EXPORTS - 1]] {
        let copy = harness().start().await;
        let taken = import(&copy, &export.file()).await;
        assert_eq!(taken.refusals(), []);
        assert_eq!(ExportedDirectory::of(&copy).await.text(), export.text());
    }
}

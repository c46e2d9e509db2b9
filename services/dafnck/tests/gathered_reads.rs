//! Reads of many callers that go to PostgreSQL together: each caller sees only what is theirs.

use std::collections::BTreeMap;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, TryFutureExt};
use proto::content::v1::{Document, GetDocumentRequest};
use proto::identity::v1::{GetUserRequest, WhoAmIRequest};
use proto::project::v1::{CreateProjectRequest, GetProjectRequest, Project, ProjectRole, ProjectVisibility};
use proto::task::v1::{GetTaskRequest, Task};
use testkit::{Actor, Suite, summary};
use tonic::Status;

use crate::harness::harness;

/// Reads of one caller of one thing at the same time.
const READS: usize = 5;

/// A project with something in it, and who sees it.
struct Fixture {
    project: Project,
    task: Task,
    document: Document,
    seen_by: &'static [&'static str],
}

async fn fixture(owner: &Actor, visibility: ProjectVisibility, seen_by: &'static [&'static str]) -> Fixture {
    let project = Project { name: "a place".to_owned(), visibility: visibility.into(), ..Default::default() };
    let request = CreateProjectRequest { project: Some(project), ..Default::default() };
    let project = owner.projects().create_project(request).await.unwrap().into_inner();
    let task = owner.task(&project, "a task").await;
    let document = owner.document(&project, "a document", "its text").await;
    Fixture { project, task, document, seen_by }
}

/// The ids of what a call finds.
type Read<'a> = BoxFuture<'a, Result<String, Status>>;

fn reads_of<'a>(who: &'a Actor, place: &'a Fixture) -> [Read<'a>; 3] {
    let Fixture { project, task, document, .. } = place;
    let project = GetProjectRequest { project_id: project.id.clone() };
    let task = GetTaskRequest { task_id: task.id.clone() };
    let document = GetDocumentRequest { document_id: document.id.clone() };
    [
        async move { who.projects().get_project(project).map_ok(|found| found.into_inner().id).await }
            .boxed(),
        async move { who.tasks().get_task(task).map_ok(|found| found.into_inner().id).await }.boxed(),
        async move { who.documents().get_document(document).map_ok(|found| found.into_inner().id).await }
            .boxed(),
    ]
}

async fn check_read(who: &str, is_seen: bool, wanted: &str, read: Read<'_>) {
    match read.await {
        Ok(found) => assert!(is_seen && found == wanted, "{who} wanted {wanted} and got {found}"),
        Err(refusal) => {
            assert!(!is_seen, "{who} does not see {wanted}: {refusal}");
            assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND", "{who}");
        }
    }
}

async fn check_own_account(name: &str, who: &Actor, other: &Actor) {
    let found = who.auth().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner().user.unwrap();
    assert_eq!((found.id, found.username), (who.id.to_string(), name.to_owned()));
    let own = GetUserRequest { user_id: who.id.to_string() };
    assert_eq!(who.account().get_user(own).await.unwrap().into_inner().username, name);
    let foreign = GetUserRequest { user_id: other.id.to_string() };
    let refusal = who.account().get_user(foreign).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND", "{name}");
}

async fn people(suite: &Suite) -> BTreeMap<&'static str, Actor> {
    let names = ["olga", "mia", "sam"];
    names.into_iter().zip(suite.guests(names).await).collect()
}

#[tokio::test]
async fn callers_who_read_at_once_see_only_what_is_theirs() {
    let suite = harness().start().await;
    let people = people(&suite).await;
    let places = [
        fixture(&people["olga"], ProjectVisibility::Private, &["olga", "mia"]).await,
        fixture(&people["sam"], ProjectVisibility::Private, &["sam"]).await,
        fixture(&people["sam"], ProjectVisibility::Internal, &["olga", "mia", "sam"]).await,
        fixture(&people["mia"], ProjectVisibility::Public, &["olga", "mia", "sam", "nobody"]).await,
    ];
    people["olga"].add(&places[0].project, &people["mia"], ProjectRole::Viewer).await;
    // The copies of task and content know her from now on: what is refused is asked for at the project service.
    for read in reads_of(&people["mia"], &places[0]) {
        read.await.unwrap();
    }
    let mut everybody = people.clone();
    everybody.insert("nobody", suite.anonymous());
    let mut checks: Vec<BoxFuture<'_, ()>> = Vec::new();
    for round in 0..READS {
        for (name, who) in &people {
            let others = people.iter().filter(|(other, _)| *other != name);
            checks.extend(others.map(|(_, other)| check_own_account(name, who, other).boxed()));
        }
        for place in &places {
            let ids = [&place.project.id, &place.task.id, &place.document.id];
            for (name, who) in &everybody {
                let reads = ids.into_iter().zip(reads_of(who, place));
                let is_seen = place.seen_by.contains(name);
                // Before a task or document is refused, the project service is asked: it is not the one that is tested.
                if !is_seen && round > 0 {
                    continue;
                }
                checks.extend(reads.map(|(id, read)| check_read(name, is_seen, id, read).boxed()));
            }
        }
    }
    join_all(checks).await;
}

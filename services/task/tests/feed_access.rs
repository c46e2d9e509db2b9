//! Who is told, and for how long.

use diesel_async::SimpleAsyncConnection;
use proto::project::v1 as project;
use proto::task::v1 as pb;
use serde_json::json;
use shared::json::to_struct;
use testkit::*;

use crate::copy::*;
use crate::fixtures::*;

const GONE: &str = "NOT_FOUND RESOURCE_NOT_FOUND";

async fn remove(by: &Actor, project: &project::Project, who: &Actor) {
    let request =
        project::RemoveMemberRequest { project_id: project.id.clone(), user_id: who.id.to_string() };
    by.members().remove_member(request).await.unwrap();
}

#[tokio::test]
async fn strangers_see_nothing_to_watch() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    for who in [sam, &suite.anonymous()] {
        assert_eq!(summary(&open(suite, who, watch(&project.id, "")).await.unwrap_err()), GONE);
    }
    assert_eq!(summary(&open(suite, sam, watch(&new_id(), "")).await.unwrap_err()), GONE);
    let open_to_all = open_project(olga, project::ProjectVisibility::Public).await;
    let (mut stream, _) = open(suite, &suite.anonymous(), watch(&open_to_all.id, "")).await.unwrap();
    let task = olga.task(&open_to_all, "public").await;
    assert_eq!(task_of(&events(&mut stream, 1).await[0]).task_id, task.id);
}

#[tokio::test]
async fn one_who_may_not_read_tasks_is_refused() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    let request = project::AddMemberRequest {
        project_id: project.id.clone(),
        user_id: sam.id.to_string(),
        role: project::ProjectRole::Member.into(),
        permissions: Some(to_struct(&json!({"task_read": false}))),
        ..Default::default()
    };
    olga.members().add_member(request).await.unwrap();
    let refusal = open(suite, sam, watch(&project.id, "")).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
}

#[tokio::test]
async fn one_who_is_removed_hears_nothing_that_happened_after() {
    let Team { suite, olga, mia, vic, project, .. } = &team().await;
    let (mut mias, token) = open(suite, mia, watch(&project.id, "")).await.unwrap();
    let (mut vics, _) = open(suite, vic, watch(&project.id, "")).await.unwrap();
    let before = olga.task(project, "before").await;
    assert_eq!(task_of(&events(&mut mias, 1).await[0]).task_id, before.id);
    remove(olga, project, mia).await;
    eventually("mia is out", async || get(mia, &before).await.is_err()).await;
    let after = olga.task(project, "after").await;

    let (told, status) = end(&mut mias).await;
    assert_eq!((told, summary(&status.unwrap())), (Vec::new(), GONE.to_owned()));
    let told = events(&mut vics, 2).await;
    assert_eq!([&task_of(&told[0]).task_id, &task_of(&told[1]).task_id], [&before.id, &after.id]);
    assert_eq!(summary(&open(suite, mia, watch(&project.id, &token)).await.unwrap_err()), GONE);
}

#[tokio::test]
async fn a_stream_ends_with_the_membership_and_with_the_project_though_nothing_else_happens() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let (mut mias, _) = open(suite, mia, watch(&project.id, "")).await.unwrap();
    let (mut olgas, _) = open(suite, olga, watch(&project.id, "")).await.unwrap();
    remove(olga, project, mia).await;
    assert_eq!(summary(&end(&mut mias).await.1.unwrap()), GONE);
    let request = project::DeleteProjectRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().delete_project(request).await.unwrap();
    assert_eq!(summary(&end(&mut olgas).await.1.unwrap()), GONE);
}

/// The position cannot move past a transaction that still runs. A removal does not wait for that.
#[tokio::test]
async fn a_removal_does_not_wait_for_a_transaction_that_still_runs() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let (mut mias, _) = open(suite, mia, watch(&project.id, "")).await.unwrap();
    let mut long = suite.admin_of(task::NAME).await;
    long.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    remove(olga, project, mia).await;
    assert_eq!(summary(&end(&mut mias).await.1.unwrap()), GONE);
    long.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_dependency_between_two_projects_is_told_to_those_who_see_both() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let other = olga.project("gemini").await;
    let [here, there] = [olga.task(project, "here").await, olga.task(&other, "there").await];
    let (mut mias, _) = open(suite, mia, watch(&project.id, "")).await.unwrap();
    let (mut olgas, _) = open(suite, olga, watch(&project.id, "")).await.unwrap();
    let (mut others, _) = open(suite, olga, watch(&other.id, "")).await.unwrap();
    let link = link(olga, &here, &there, pb::DependencyType::RelatesTo).await.unwrap();
    let last = olga.task(project, "last").await;

    assert_eq!(task_of(&events(&mut mias, 1).await[0]).task_id, last.id);
    assert_eq!(dependency_of(&events(&mut olgas, 2).await[0]).after.as_ref(), Some(&link));
    assert_eq!(dependency_of(&events(&mut others, 1).await[0]).after.as_ref(), Some(&link));
    delete(olga, &there).await.unwrap();
    let gone = events(&mut olgas, 1).await;
    assert_eq!((gone[0].kind(), &dependency_of(&gone[0]).before), (pb::ChangeKind::Deleted, &Some(link)));
}

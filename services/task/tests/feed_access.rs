//! Access to the feed over time.

use diesel_async::SimpleAsyncConnection;
use proto::common;
use proto::project::v1 as project;
use proto::task::v1 as pb;
use testkit::*;

use crate::feed_replica::*;
use crate::fixtures::*;

const GONE: &str = "NOT_FOUND RESOURCE_NOT_FOUND";

async fn remove(by: &Actor, project: &project::Project, who: &Actor) {
    let request = project::RemoveMemberRequest {
        project_id: project.id.clone(),
        user_id: who.id.to_string(),
        ..Default::default()
    };
    by.members().remove_member(request).await.unwrap();
}

#[tokio::test]
async fn watch_tasks_of_an_invisible_project_is_not_found() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    for who in [sam, &suite.anonymous()] {
        assert_eq!(summary(&open(suite, who, watch(&project.id, "")).await.unwrap_err()), GONE);
    }
    assert_eq!(summary(&open(suite, sam, watch(&new_id(), "")).await.unwrap_err()), GONE);
    let open_to_all = open_project(olga, project::ProjectVisibility::Public).await;
    let (mut stream, _) = open(suite, &suite.anonymous(), watch(&open_to_all.id, "")).await.unwrap();
    let task = olga.task(&open_to_all, "public").await;
    assert_eq!(id_of(&events(&mut stream, 1).await[0]), task.id);
}

#[tokio::test]
async fn watch_tasks_requires_task_read() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    let member = project::Member {
        project_id: project.id.clone(),
        user_id: sam.id.to_string(),
        role: project::ProjectRole::Member.into(),
        denied_permissions: vec![common::Permission::TaskRead.into()],
        ..Default::default()
    };
    let request = project::AddMemberRequest { member: Some(member), ..Default::default() };
    olga.members().add_member(request).await.unwrap();
    let refusal = open(suite, sam, watch(&project.id, "")).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
}

#[tokio::test]
async fn removed_members_receive_no_later_events() {
    let Team { suite, olga, mia, vic, project, .. } = &team().await;
    let (mut mias, token) = open(suite, mia, watch(&project.id, "")).await.unwrap();
    let (mut vics, _) = open(suite, vic, watch(&project.id, "")).await.unwrap();
    let before = olga.task(project, "before").await;
    assert_eq!(id_of(&events(&mut mias, 1).await[0]), before.id);
    remove(olga, project, mia).await;
    until("mia is out", WAIT_LIMIT, async || get(mia, &before).await.is_err()).await;
    let after = olga.task(project, "after").await;

    let (told, status) = end(&mut mias).await;
    assert_eq!((told, summary(&status.unwrap())), (Vec::new(), GONE.to_owned()));
    let told = events(&mut vics, 2).await;
    assert_eq!([id_of(&told[0]), id_of(&told[1])], [&before.id, &after.id]);
    assert_eq!(summary(&open(suite, mia, watch(&project.id, &token)).await.unwrap_err()), GONE);
}

#[tokio::test]
async fn watch_streams_end_with_the_membership_and_the_project() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let (mut mias, _) = open(suite, mia, watch(&project.id, "")).await.unwrap();
    let (mut olgas, _) = open(suite, olga, watch(&project.id, "")).await.unwrap();
    remove(olga, project, mia).await;
    assert_eq!(summary(&end(&mut mias).await.1.unwrap()), GONE);
    let request = project::DeleteProjectRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().delete_project(request).await.unwrap();
    assert_eq!(summary(&end(&mut olgas).await.1.unwrap()), GONE);
}

/// The cursor cannot pass a transaction that is still open; a removal must not wait for it.
#[tokio::test]
async fn removals_end_streams_despite_open_transactions() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let (mut mias, _) = open(suite, mia, watch(&project.id, "")).await.unwrap();
    let mut long = suite.admin_of(task::NAME).await;
    long.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    remove(olga, project, mia).await;
    assert_eq!(summary(&end(&mut mias).await.1.unwrap()), GONE);
    long.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn events_of_dependencies_between_projects_require_access_to_both() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let other = olga.project("gemini").await;
    let [here, there] = [olga.task(project, "here").await, olga.task(&other, "there").await];
    let (mut mias, _) = open(suite, mia, watch(&project.id, "")).await.unwrap();
    let (mut olgas, _) = open(suite, olga, watch(&project.id, "")).await.unwrap();
    let (mut others, _) = open(suite, olga, watch(&other.id, "")).await.unwrap();
    let link = link(olga, &here, &there, pb::DependencyType::RelatesTo).await.unwrap();
    let last = olga.task(project, "last").await;

    assert_eq!(id_of(&events(&mut mias, 1).await[0]), last.id);
    assert_eq!(dependency_of(&events(&mut olgas, 2).await[0]).after.as_ref(), Some(&link));
    assert_eq!(dependency_of(&events(&mut others, 1).await[0]).after.as_ref(), Some(&link));
    delete(olga, &there).await.unwrap();
    let gone = events(&mut olgas, 1).await;
    assert_eq!(
        (kind_of(&gone[0]), &dependency_of(&gone[0]).before),
        (common::ChangeKind::Deleted, &Some(link))
    );
}

//! Every write that changes access returns a consistency token.

use crate::calls::*;
use crate::harness::harness;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use proto::project::v1::{
    ArchiveProjectRequest, CreateProjectRequest, DeleteProjectRequest, LeaveProjectRequest, Member, Project,
    ProjectRole, RemoveMemberRequest, ReopenProjectRequest, UpdateMemberRequest, UpdateProjectRequest,
};
use shared::access::{CONSISTENCY_TOKEN, ConsistencyToken};
use testkit::*;
use tonic::Response;

fn token<T>(answer: &Response<T>) -> ConsistencyToken {
    answer.metadata().get(CONSISTENCY_TOKEN).unwrap().to_str().unwrap().parse().unwrap()
}

#[derive(QueryableByName)]
struct Revision {
    #[diesel(sql_type = BigInt)]
    revision: i64,
}

async fn revision(suite: &Suite, project_id: &str) -> i64 {
    let query = format!("SELECT revision FROM project.access_revisions WHERE project_id = '{project_id}'");
    sql_query(query).get_result::<Revision>(&mut suite.admin_of("project").await).await.unwrap().revision
}

/// Asserts that the state before the change does not satisfy the token, and the current state does.
async fn is_of_the_change(
    suite: &Suite,
    project: &str,
    before: i64,
    token: ConsistencyToken,
    what: &str,
) -> i64 {
    let now = revision(suite, project).await;
    assert_eq!(token.project_id.to_string(), project, "{what}");
    assert!(before < token.revision && token.revision <= now, "{what}: {before} {token:?} {now}");
    now
}

#[tokio::test]
async fn every_change_of_access_returns_its_consistency_token() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let made = CreateProjectRequest { name: "apollo".to_owned(), ..Default::default() };
    let made = olga.projects().create_project(made).await.unwrap();
    let project = made.get_ref().clone();
    let id = project.id.clone();
    let mut seen = is_of_the_change(&suite, &id, 0, token(&made), "create").await;

    let added = olga.members().add_member(joining(&project, &gus, VIEWER)).await.unwrap();
    seen = is_of_the_change(&suite, &id, seen, token(&added), "add").await;
    let promoted = Member { role: MEMBER, ..added.into_inner() };
    let promoted = UpdateMemberRequest { member: Some(promoted), update_mask: mask(&["role"]) };
    let promoted = olga.members().update_member(promoted).await.unwrap();
    seen = is_of_the_change(&suite, &id, seen, token(&promoted), "promote").await;
    let shown = Project { visibility: INTERNAL, ..project.clone() };
    let shown = UpdateProjectRequest { project: Some(shown), update_mask: mask(&["visibility"]) };
    let shown = olga.projects().update_project(shown).await.unwrap();
    seen = is_of_the_change(&suite, &id, seen, token(&shown), "show").await;
    let archived = ArchiveProjectRequest { project_id: id.clone(), ..Default::default() };
    let archived = olga.projects().archive_project(archived).await.unwrap();
    seen = is_of_the_change(&suite, &id, seen, token(&archived), "archive").await;
    let reopened = ReopenProjectRequest { project_id: id.clone(), ..Default::default() };
    let reopened = olga.projects().reopen_project(reopened).await.unwrap();
    seen = is_of_the_change(&suite, &id, seen, token(&reopened), "reopen").await;
    let removed = RemoveMemberRequest { project_id: id.clone(), user_id: gus.id.to_string() };
    let removed = olga.members().remove_member(removed).await.unwrap();
    seen = is_of_the_change(&suite, &id, seen, token(&removed), "remove").await;
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    let left = LeaveProjectRequest { project_id: id.clone() };
    let left = gus.members().leave_project(left).await.unwrap();
    seen = is_of_the_change(&suite, &id, seen, token(&left), "leave").await;
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    let offered = offer(&olga, offering(&project, &gus)).await.unwrap();
    let accepted = proto::project::v1::AcceptOwnershipRequest {
        project_id: id.clone(),
        transfer_id: offered.id,
        ..Default::default()
    };
    let accepted = gus.members().accept_ownership(accepted).await.unwrap();
    seen = is_of_the_change(&suite, &id, seen, token(&accepted), "hand over").await;
    let deleted = DeleteProjectRequest { project_id: id.clone(), ..Default::default() };
    let deleted = gus.projects().delete_project(deleted).await.unwrap();
    is_of_the_change(&suite, &id, seen, token(&deleted), "delete").await;
}

#[tokio::test]
async fn a_retry_without_effect_returns_a_satisfiable_token() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let archive = ArchiveProjectRequest { project_id: project.id.clone(), ..Default::default() };
    let first = token(&olga.projects().archive_project(archive.clone()).await.unwrap());
    let again = token(&olga.projects().archive_project(archive).await.unwrap());
    assert_eq!(again, first);
    assert_eq!(again.revision, revision(&suite, &project.id).await);
    let renamed = Project { name: "x".to_owned(), ..project.clone() };
    reopen(&olga, &project, "").await.unwrap();
    let renamed = UpdateProjectRequest {
        project: Some(Project { etag: String::new(), ..renamed }),
        update_mask: mask(&["name"]),
    };
    let renamed = token(&olga.projects().update_project(renamed).await.unwrap());
    assert_eq!(renamed.revision, revision(&suite, &project.id).await, "a name is nothing that others copy");
}

#[tokio::test]
async fn concurrent_changes_return_distinct_tokens() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let guests = suite.guests(["ada", "abe", "max", "mia", "vera"]).await;
    let joining = guests.each_ref().map(|who| {
        let request = joining(&project, who, VIEWER);
        let olga = olga.clone();
        async move { token(&olga.members().add_member(request).await.unwrap()).revision }
    });
    let mut revisions = futures::future::join_all(joining).await;
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), 5);
    assert_eq!(revisions.last(), Some(&revision(&suite, &project.id).await));
}

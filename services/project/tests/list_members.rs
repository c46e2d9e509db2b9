use crate::calls::*;
use crate::harness::harness;
use proto::project::v1::{GetMemberRequest, ListMembersRequest, ListMembersResponse, Project, ProjectRole};
use testkit::*;
use tonic::Status;

fn of(project: &Project) -> ListMembersRequest {
    ListMembersRequest { project_id: project.id.clone(), ..Default::default() }
}

async fn list(who: &Actor, request: ListMembersRequest) -> Result<ListMembersResponse, Status> {
    Ok(who.members().list_members(request).await?.into_inner())
}

#[tokio::test]
async fn members_are_listed_in_the_order_of_joining() {
    let suite = harness().start().await;
    let [olga, ada, max, vera] = suite.guests(["olga", "ada", "max", "vera"]).await;
    let project = olga.project("apollo").await;
    for who in [&vera, &max, &ada] {
        olga.add(&project, who, ProjectRole::Viewer).await;
    }
    let mut request = ListMembersRequest { page_size: 3, ..of(&project) };
    let first = list(&vera, request.clone()).await.unwrap();
    request.page_token = first.next_page_token;
    let second = list(&vera, request).await.unwrap();
    let pages = [first.members, second.members]
        .map(|page| page.into_iter().map(|member| member.user_id).collect::<Vec<_>>());
    let ids = |actors: &[&Actor]| actors.iter().map(|actor| actor.id.to_string()).collect::<Vec<_>>();
    assert_eq!(pages, [ids(&[&olga, &vera, &max]), ids(&[&ada])]);
    assert!(second.next_page_token.is_empty());
}

#[tokio::test]
async fn list_members_filters_by_role() {
    let suite = harness().start().await;
    let [olga, ada, vera] = suite.guests(["olga", "ada", "vera"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    let request = ListMembersRequest { roles: vec![OWNER, VIEWER], ..of(&project) };
    let roles: Vec<i32> = list(&olga, request).await.unwrap().members.iter().map(|m| m.role).collect();
    assert_eq!(roles, [OWNER, VIEWER]);
}

#[tokio::test]
async fn visitors_cannot_list_members() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let public = project_seen_by(&olga, "public", PUBLIC).await;
    let private = olga.project("private").await;
    for (project, expected) in
        [(&public, "PERMISSION_DENIED PERMISSION_MISSING"), (&private, "NOT_FOUND RESOURCE_NOT_FOUND")]
    {
        assert_eq!(summary(&list(&gus, of(project)).await.unwrap_err()), expected);
        assert_eq!(summary(&get_member(&gus, project, &olga).await.unwrap_err()), expected);
    }
    let refusal = list(&suite.anonymous(), of(&public)).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_REQUIRED");
}

#[tokio::test]
async fn get_member_of_a_non_member_is_not_found() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let refusal = get_member(&olga, &project, &gus).await.unwrap_err();
    assert_eq!(refusal.message(), format!("member {} not found", gus.id));
}

#[tokio::test]
async fn every_violation_is_reported() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let garbage = ListMembersRequest { page_size: -5, roles: vec![0], ..Default::default() };
    let refusal = list(&olga, garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["page_size", "project_id", "roles[0]"]);
    let refusal = olga.members().get_member(GetMemberRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_id", "user_id"]);
    let project = olga.project("apollo").await;
    let garbage = ListMembersRequest { page_token: "abc".to_owned(), ..of(&project) };
    let refusal = list(&olga, garbage).await.unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT PAGE_TOKEN_INVALID");
}

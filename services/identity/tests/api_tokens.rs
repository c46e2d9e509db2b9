//! Tokens for programs.

use crate::fixtures::*;
use crate::harness::{harness, harness_of_all_services};
use chrono::{TimeDelta, Utc};
use proto::identity::v1 as pb;
use proto::identity::v1::who_am_i_response::Credential;
use proto::task::v1 as task;
use testkit::*;
use tonic::{Response, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

async fn revoke(actor: &Actor, id: &str) -> Result<Response<pb::ApiToken>, Status> {
    actor.account().revoke_api_token(pb::RevokeApiTokenRequest { api_token_id: id.to_owned() }).await
}

#[tokio::test]
async fn an_api_token_is_limited_to_its_scopes_at_every_service() {
    let suite = harness_of_all_services().start().await;
    let olga = suite.user("olga").await;
    let project = olga.project("apollo").await;
    let (reader, token) = api_client(&olga, &["tasks:read", "projects:*"]).await;
    assert!(reader.session_token.as_ref().unwrap().starts_with("dfa_"));

    let filter = task::TaskFilter { project_ids: vec![project.id.clone()], ..Default::default() };
    let list = task::ListTasksRequest { filter: Some(filter), ..Default::default() };
    reader.tasks().list_tasks(list.clone()).await.unwrap();
    reader.project("gemini").await;
    let create = task::CreateTaskRequest {
        request_id: new_id(),
        task: Some(task::Task {
            project_id: project.id.clone(),
            title: "buy milk".to_owned(),
            ..Default::default()
        }),
    };
    let refused = reader.tasks().create_task(create.clone()).await;
    assert_eq!(refusal(refused), "PERMISSION_DENIED SCOPE_MISSING");
    let documents = proto::content::v1::ListDocumentsRequest::default();
    assert_eq!(
        refusal(reader.documents().list_documents(documents).await),
        "PERMISSION_DENIED SCOPE_MISSING"
    );
    let (writer, _) = api_client(&olga, &["tasks:write"]).await;
    writer.tasks().create_task(create).await.unwrap();
    assert_eq!(refusal(writer.tasks().list_tasks(list).await), "PERMISSION_DENIED SCOPE_MISSING");

    let (knower, _) = api_client(&olga, &["account:read"]).await;
    let who = knower.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(who.user.unwrap().id, olga.id.to_string());
    assert!(matches!(who.credential, Some(Credential::ApiToken(_))));
    assert_eq!(token.scopes, ["projects:*", "tasks:read"]);
}

#[tokio::test]
async fn an_api_token_has_no_more_rights_than_its_user() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let (program, _) = api_client(&gus, &["projects:*"]).await;
    let get = proto::project::v1::GetProjectRequest { project_id: project.id };
    assert_eq!(refusal(program.projects().get_project(get).await), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn an_api_token_needs_the_password_unless_the_sign_in_is_recent() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let create = async |password: &str| {
        let password = password.to_owned();
        let request = pb::CreateApiTokenRequest { password, ..create_api_token_request(&["tasks:read"]) };
        olga.account().create_api_token(request).await
    };
    create("").await.unwrap();
    let age = "UPDATE identity.user_sessions SET created_at = created_at - interval '11 minutes'";
    execute(&suite, age).await;
    let refused = create("").await.unwrap_err();
    assert_eq!(summary(&refused), "PERMISSION_DENIED PASSWORD_REQUIRED");
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["max_age_seconds"], "600");
    assert_eq!(refusal(create("not the password").await), "PERMISSION_DENIED PASSWORD_WRONG");
    create(&olga.password).await.unwrap();
}

#[tokio::test]
async fn an_api_token_cannot_manage_tokens_or_sessions() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (program, token) = api_client(&olga, &["account:*"]).await;

    let refusals = [
        refusal(program.account().create_api_token(create_api_token_request(&["tasks:read"])).await),
        refusal(revoke(&program, &token.id).await),
        refusal(program.account().list_sessions(pb::ListSessionsRequest::default()).await),
        refusal(program.account().revoke_all_sessions(pb::RevokeAllSessionsRequest {}).await),
        refusal(program.auth().logout(pb::LogoutRequest {}).await),
        refusal(program.account().list_security_events(pb::ListSecurityEventsRequest::default()).await),
        refusal(program.account().update_user(pb::UpdateUserRequest::default()).await),
    ];

    assert!(refusals.iter().all(|text| text == "PERMISSION_DENIED SESSION_ONLY"), "{refusals:?}");
    call_every_service(&olga).await.unwrap();
}

#[tokio::test]
async fn a_revoked_token_is_refused_by_every_service_at_once() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let (program, token) = api_client(&olga, &["account:read", "projects:read"]).await;
    call_every_service(&program).await.unwrap();

    let ended = revoke(&olga, &token.id).await.unwrap().into_inner();

    assert!(ended.revoked_at.is_some());
    assert_eq!(
        refusal(program.auth().who_am_i(pb::WhoAmIRequest {}).await),
        "UNAUTHENTICATED SESSION_INVALID"
    );
    assert_eq!(refused_elsewhere(&program).await, "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(revoke(&olga, &token.id).await.unwrap().into_inner(), ended);
    assert_eq!(refusal(revoke(&gus, &token.id).await), "NOT_FOUND RESOURCE_NOT_FOUND");
    let strangers = pb::GetApiTokenRequest { api_token_id: token.id.clone() };
    assert_eq!(refusal(gus.account().get_api_token(strangers.clone()).await), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(olga.account().get_api_token(strangers).await.unwrap().into_inner(), ended);
}

#[tokio::test]
async fn a_token_ends_when_it_expires_or_its_user_is_suspended() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let (of_olga, _) = api_client(&olga, &["account:read", "projects:read"]).await;
    let (of_gus, _) = api_client(&gus, &["account:read"]).await;
    call_every_service(&of_olga).await.unwrap();

    execute(&suite, "UPDATE identity.users SET status = 'suspended' WHERE username = 'gus'").await;
    let who = of_gus.auth().who_am_i(pb::WhoAmIRequest {}).await;
    assert_eq!(refusal(who), "UNAUTHENTICATED SESSION_INVALID");

    suite.options.clock.advance(TimeDelta::days(31));
    let who = of_olga.auth().who_am_i(pb::WhoAmIRequest {}).await;
    assert_eq!(refusal(who), "UNAUTHENTICATED SESSION_INVALID");
    // Another process has a clock of its own; it asks identity once its copies of the session are gone.
    suite.forget_session(of_olga.session_token.as_ref().unwrap()).await;
    assert_eq!(refused_elsewhere_within(&of_olga, TIMEOUT).await, "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn a_retry_returns_the_same_token_and_another_request_with_its_id_fails() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let request = create_api_token_request(&["tasks:read"]);
    let first = olga.account().create_api_token(request.clone()).await.unwrap().into_inner();
    let again = olga.account().create_api_token(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    let mut other = request;
    other.api_token.as_mut().unwrap().name = "another".to_owned();
    let refused = olga.account().create_api_token(other).await;
    assert_eq!(refusal(refused), "FAILED_PRECONDITION REQUEST_ID_REUSED");

    let list = olga.account().list_api_tokens(pb::ListApiTokensRequest::default()).await.unwrap();
    assert_eq!(list.into_inner().api_tokens.len(), 1);
    let request = pb::ListSecurityEventsRequest::default();
    let events = olga.account().list_security_events(request).await.unwrap().into_inner().events;
    assert_eq!(events[0].kind(), pb::SecurityEventKind::ApiTokenCreated);
    assert_eq!(events[0].details["scopes"], "tasks:read");
    assert_eq!(suite.mail_to("olga@example.org", 1).await.subject, "You have a new API token");
    assert_eq!(suite.mails_to("olga@example.org").len(), 1, "a retry sends no email");
}

fn in_token(field: &str) -> String {
    if field == "request_id" { field.to_owned() } else { format!("api_token.{field}") }
}

#[tokio::test]
async fn create_api_token_names_every_violation() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let api_token = pb::ApiToken {
        name: " ".to_owned(),
        scopes: vec!["tasks:delete".to_owned(), "task:TaskService.CreateTask".to_owned()],
        expires_at: Some(timestamp(Utc::now() + TimeDelta::days(367))),
        ..Default::default()
    };
    let wrong = pb::CreateApiTokenRequest {
        request_id: "x".to_owned(),
        api_token: Some(api_token),
        ..Default::default()
    };
    let refused = olga.account().create_api_token(wrong).await.unwrap_err();
    let fields = ["request_id", "name", "scopes[0]", "scopes[1]", "expires_at"].map(in_token);
    assert_eq!(violations(&refused), fields);
    for expires_at in [None, Some(timestamp(Utc::now() - TimeDelta::seconds(1)))] {
        let mut wrong = create_api_token_request(&["tasks:read"]);
        wrong.api_token.as_mut().unwrap().expires_at = expires_at;
        let refused = olga.account().create_api_token(wrong).await.unwrap_err();
        assert_eq!(violations(&refused), ["api_token.expires_at"]);
    }
    let none = create_api_token_request(&[]);
    assert_eq!(violations(&olga.account().create_api_token(none).await.unwrap_err()), ["api_token.scopes"]);
    let nothing = pb::CreateApiTokenRequest::default();
    let refused = violations(&olga.account().create_api_token(nothing).await.unwrap_err());
    assert_eq!(refused[0], "api_token");
    assert_eq!(refused[1..], ["name", "name", "scopes", "expires_at"].map(in_token));
}

#[tokio::test]
async fn concurrent_calls_create_no_more_tokens_than_allowed() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let statement = format!(
        "INSERT INTO identity.api_tokens (id, user_id, name, token_hash, scopes, created_at, expires_at) \
         SELECT gen_random_uuid(), '{}', 'planted', 'planted ' || n, '{{tasks:read}}', now(), \
         now() + interval '1 day' FROM generate_series(1, 48) n",
        olga.id
    );
    execute(&suite, &statement).await;

    let makes = (0..5).map(|_| {
        let mut tokens = olga.account();
        async move { tokens.create_api_token(create_api_token_request(&["tasks:read"])).await }
    });
    let made = futures::future::join_all(makes).await;

    let refused: Vec<_> = made.iter().filter_map(|answer| answer.as_ref().err()).map(summary).collect();
    assert_eq!(refused, ["FAILED_PRECONDITION TOO_MANY_API_TOKENS"; 3]);
    let (mut seen, mut page_token) = (std::collections::HashSet::new(), String::new());
    loop {
        let request = pb::ListApiTokensRequest { page_size: 20, page_token };
        let page = olga.account().list_api_tokens(request).await.unwrap().into_inner();
        seen.extend(page.api_tokens.into_iter().map(|token| token.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 50);
    assert_eq!(refusal(revoke(&olga, &Uuid::now_v7().to_string()).await), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn get_api_token_returns_the_last_use() {
    let mut suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (program, token) = api_client(&olga, &["account:read"]).await;
    assert_eq!(token.last_used_at, None);
    program.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap();

    // At the latest as it stops, the service writes down what it has seen.
    suite.stop().await;
    suite.restart().await;

    let request = pb::GetApiTokenRequest { api_token_id: token.id };
    let token = olga.after_restart(&suite).account().get_api_token(request).await.unwrap().into_inner();
    let [used, made] = [token.last_used_at, token.created_at].map(|at| at.unwrap().seconds);
    assert!((made..=Utc::now().timestamp()).contains(&used), "{token:?}");
}

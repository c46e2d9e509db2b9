//! What operators do with accounts.

mod list_users;

use crate::fixtures::*;
use crate::harness::{harness, harness_of_all_services};
use futures::TryStreamExt as _;
use proto::common::TimeRange;
use proto::content::v1::GetDocumentRequest;
use proto::identity::admin::v1 as admin;
use proto::identity::v1 as pb;
use proto::identity::v1::SecurityEventKind as Kind;
use proto::identity::v1::user_record::Data;
use proto::project::v1::ListProjectsRequest;
use proto::task::v1::GetTaskRequest;
use testkit::*;

fn matching(filter: admin::UserFilter) -> admin::ListUsersRequest {
    admin::ListUsersRequest { filter: Some(filter), ..Default::default() }
}

async fn names(operator: &mut UserAdmin, request: admin::ListUsersRequest) -> Vec<String> {
    let answer = operator.list_users(request).await.unwrap().into_inner();
    answer.users.into_iter().map(|user| user.username).collect()
}

#[tokio::test]
async fn a_suspended_account_is_refused_by_every_service_until_it_is_reactivated() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    call_every_service(&olga).await.unwrap();
    let user_id = olga.id.to_string();
    let mut operator = operator(&suite);

    let suspended = operator.suspend_user(admin::SuspendUserRequest { user_id: user_id.clone() }).await;

    assert_eq!(suspended.unwrap().into_inner().status(), pb::UserStatus::Suspended);
    assert_eq!(refused_elsewhere(&olga).await, "UNAUTHENTICATED SESSION_INVALID");
    let mut auth = suite.anonymous().auth();
    assert_eq!(
        refusal(auth.login(login("olga", &olga.password)).await),
        "UNAUTHENTICATED INVALID_CREDENTIALS"
    );
    operator.suspend_user(admin::SuspendUserRequest { user_id: user_id.clone() }).await.unwrap();
    let again = operator.reactivate_user(admin::ReactivateUserRequest { user_id }).await.unwrap();
    assert_eq!(again.into_inner().status(), pb::UserStatus::Active);
    assert_eq!(refusal(olga.auth().who_am_i(pb::WhoAmIRequest {}).await), "UNAUTHENTICATED SESSION_INVALID");
    let granted = auth.login(login("olga", &olga.password)).await.unwrap().grant();
    let olga = with_tokens(&olga, &granted);
    let events = events_of(&olga, &[Kind::AccountSuspended, Kind::AccountReactivated]).await;
    let kinds: Vec<_> = events.iter().map(pb::SecurityEvent::kind).collect();
    assert_eq!(kinds, [Kind::AccountReactivated, Kind::AccountSuspended, Kind::AccountSuspended]);
    assert!(events.iter().all(|event| event.actor_principal == "operator-eva"), "{events:?}");
}

#[tokio::test]
async fn a_deleted_account_can_be_reactivated_and_an_erased_one_cannot() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let user_id = olga.id.to_string();
    let mut operator = operator(&suite);
    operator.delete_user(admin::DeleteUserRequest { user_id: user_id.clone() }).await.unwrap();
    let suspend = operator.suspend_user(admin::SuspendUserRequest { user_id: user_id.clone() }).await;
    assert_eq!(refusal(suspend), "FAILED_PRECONDITION INVALID_STATUS_TRANSITION");
    operator.reactivate_user(admin::ReactivateUserRequest { user_id: user_id.clone() }).await.unwrap();
    suite.anonymous().auth().login(login("olga", &olga.password)).await.unwrap();
    operator.erase_user(admin::EraseUserRequest { user_id: user_id.clone() }).await.unwrap();
    let back = operator.reactivate_user(admin::ReactivateUserRequest { user_id }).await;
    assert_eq!(refusal(back), "FAILED_PRECONDITION INVALID_STATUS_TRANSITION");
}

#[tokio::test]
async fn erase_user_leaves_no_personal_data_but_the_id() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let id = olga.id.to_string();
    let profile =
        pb::UserProfile { user_id: id.clone(), bio: Some("I fly".to_owned()), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["bio".to_owned()] });
    let update = pb::UpdateUserProfileRequest { profile: Some(profile), update_mask, ..Default::default() };
    olga.account().update_user_profile(update).await.unwrap();
    execute(&suite, "REVOKE UPDATE ON identity.mail_outbox FROM identity_worker").await;
    olga.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();

    let erased = operator(&suite).erase_user(admin::EraseUserRequest { user_id: id.clone() }).await;

    let erased = erased.unwrap().into_inner();
    let read = operator(&suite).get_user(admin::GetUserRequest { user_id: id.clone() }).await.unwrap();
    assert_eq!(read.into_inner(), erased);
    assert_eq!((erased.id, erased.status), (id.clone(), pb::UserStatus::Deleted.into()));
    assert_eq!(erased.username, format!("erased-{}", olga.id.simple()));
    assert_eq!(refused_elsewhere(&olga).await, "UNAUTHENTICATED SESSION_INVALID");
    suite
        .execute(
            "INSERT INTO identity.mail_outbox (id, kind, recipient, entity_id, expires_at, next_attempt_at) \
        VALUES (gen_random_uuid(), 'x', 'x', gen_random_uuid(), now(), now())",
        )
        .await;
    suite
        .execute(
            "INSERT INTO identity.account_codes (id, purpose, code_hash, email, created_at, expires_at) \
        VALUES (gen_random_uuid(), 'verify_email', 'x', 'x', now(), now())",
        )
        .await;
    for table in ["users", "user_profiles", "change_log", "mail_outbox", "account_codes"] {
        let mut rows = rows(&suite, table).await;
        // It says where the operator was.
        rows.retain(|row| !row.contains("account_erased"));
        for personal in ["olga", "I fly", "127.0.0.1", "tonic/"] {
            assert!(rows.iter().all(|row| !row.contains(personal)), "{personal} in {table}: {rows:#?}");
        }
    }
    suite.user("olga").await;
}

#[tokio::test]
async fn export_user_contains_everything_but_secrets() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    api_client(&olga, &["tasks:read"]).await;
    crate::authenticator::enable(&suite, &olga).await;
    let request = admin::ExportUserRequest { user_id: olga.id.to_string() };

    let stream = operator(&suite).export_user(request).await.unwrap().into_inner();

    let records: Vec<_> = stream.try_collect().await.unwrap();
    let text = format!("{records:?}");
    assert!(
        !text.contains("argon2")
            && !text.contains("dfs_")
            && !text.contains("dfa_")
            && !text.contains("token\""),
        "{text}"
    );
    let count = |wanted: fn(&Data) -> bool| {
        records.iter().filter(|record| record.data.as_ref().is_some_and(wanted)).count()
    };
    assert_eq!(count(|data| matches!(data, Data::User(user) if user.email == "olga@example.org")), 1);
    assert_eq!(count(|data| matches!(data, Data::Profile(_))), 1);
    assert_eq!(count(|data| matches!(data, Data::Session(session) if session.ip_address == "127.0.0.1")), 1);
    assert_eq!(count(|data| matches!(data, Data::ApiToken(token) if token.name == "the build")), 1);
    assert_eq!(count(|data| matches!(data, Data::SecondFactor(factor) if factor.enabled)), 1);
    assert!(count(|data| matches!(data, Data::Change(_))) >= 3);
    let own = olga.account().export_account(pb::ExportAccountRequest {}).await.unwrap().into_inner();
    let own: Vec<_> = own.try_collect().await.unwrap();
    assert_eq!(own[..5], records[..5]);
}

#[tokio::test]
async fn list_users_filters_and_pages() {
    let suite = harness().start().await;
    let [_olga, _gus, eva] = suite.guests(["olga", "gus", "eva_x"]).await;
    execute(&suite, "UPDATE identity.users SET email_verified = TRUE WHERE username = 'gus'").await;
    let mut operator = operator(&suite);
    operator.suspend_user(admin::SuspendUserRequest { user_id: eva.id.to_string() }).await.unwrap();
    let all = admin::ListUsersRequest::default;

    let suspended = matching(admin::UserFilter {
        statuses: vec![pb::UserStatus::Suspended.into()],
        ..Default::default()
    });
    assert_eq!(names(&mut operator, suspended).await, ["eva_x"]);
    let verified = matching(admin::UserFilter { email_verified: Some(true), ..Default::default() });
    assert_eq!(names(&mut operator, verified).await, ["gus"]);
    let by_email = matching(admin::UserFilter { email_prefix: "OLGA@".to_owned(), ..Default::default() });
    assert_eq!(names(&mut operator, by_email).await, ["olga"]);
    let by_name = matching(admin::UserFilter { username_prefix: "eva_".to_owned(), ..Default::default() });
    assert_eq!(names(&mut operator, by_name).await, ["eva_x"]);
    let literal = matching(admin::UserFilter { username_prefix: "ol_a".to_owned(), ..Default::default() });
    assert_eq!(names(&mut operator, literal).await, [""; 0]);

    let mut found = Vec::new();
    let mut page = admin::ListUsersRequest { page_size: 1, ..all() };
    loop {
        let answer = operator.list_users(page.clone()).await.unwrap().into_inner();
        found.extend(answer.users.into_iter().map(|user| user.username));
        page.page_token = answer.next_page_token;
        if page.page_token.is_empty() {
            break;
        }
    }
    found.sort();
    assert_eq!(found, ["eva_x", "gus", "olga"]);
}

#[tokio::test]
async fn only_operators_administer_users() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let mut service = user_admin_as(&suite, "task");
    let user_id = olga.id.to_string();
    let refused = "PERMISSION_DENIED AUDIENCE_REFUSED";
    assert_eq!(refusal(service.list_users(admin::ListUsersRequest::default()).await), refused);
    assert_eq!(refusal(service.get_user(admin::GetUserRequest { user_id: user_id.clone() }).await), refused);
    assert_eq!(
        refusal(service.erase_user(admin::EraseUserRequest { user_id: user_id.clone() }).await),
        refused
    );
    let export = service.export_user(admin::ExportUserRequest { user_id }).await;
    assert_eq!(summary(&export.err().unwrap()), refused);
}

#[tokio::test]
async fn unknown_and_malformed_user_ids_are_reported() {
    let suite = harness().start().await;
    let mut operator = operator(&suite);
    let nobody = operator.suspend_user(admin::SuspendUserRequest { user_id: new_id() }).await;
    assert_eq!(refusal(nobody), "NOT_FOUND RESOURCE_NOT_FOUND");
    let export = operator.export_user(admin::ExportUserRequest { user_id: new_id() }).await;
    assert_eq!(summary(&export.err().unwrap()), "NOT_FOUND RESOURCE_NOT_FOUND");
    let get = operator.get_user(admin::GetUserRequest { user_id: new_id() }).await;
    assert_eq!(refusal(get), "NOT_FOUND RESOURCE_NOT_FOUND");
    let filter = admin::UserFilter {
        statuses: vec![77],
        email_prefix: "x".repeat(256),
        username_prefix: " ".to_owned(),
        created_at: Some(TimeRange::default()),
        ..Default::default()
    };
    let refused = operator.list_users(matching(filter)).await.unwrap_err();
    let mut fields = violations(&refused);
    fields.sort();
    let expected = ["created_at", "email_prefix", "statuses[0]", "username_prefix"];
    assert_eq!(fields, expected.map(|field| format!("filter.{field}")));
}

#[tokio::test]
async fn deleted_users_keep_their_ids_in_other_services() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    execute(&suite, "UPDATE identity.users SET avatar_url = 'http://example.org/' || username").await;
    operator(&suite).delete_user(admin::DeleteUserRequest { user_id: gus.id.to_string() }).await.unwrap();
    let unknown = new_id();
    let user_ids = [&gus.id.to_string(), &unknown, &olga.id.to_string(), &gus.id.to_string()];
    let user_ids = user_ids.map(ToOwned::to_owned).to_vec();

    let answer = olga.users().batch_get_users(pb::BatchGetUsersRequest { user_ids }).await.unwrap();

    let pb::BatchGetUsersResponse { users, missing_user_ids } = answer.into_inner();
    assert_eq!(missing_user_ids, [unknown]);
    let told: Vec<_> = users.iter().map(|user| (user.username.as_str(), user.avatar_url.is_some())).collect();
    assert_eq!(told, [("gus", false), ("olga", true)]);
    let request = pb::BatchGetUsersRequest { user_ids: vec!["x".to_owned(), String::new()] };
    let refused = olga.users().batch_get_users(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["user_ids[0]", "user_ids[1]"]);
    let refused = olga.users().batch_get_users(pb::BatchGetUsersRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refused), ["user_ids"]);
}

/// Why each service refuses the actor; empty where it does not.
async fn refusals(actor: &Actor) -> [String; 4] {
    let task = GetTaskRequest { task_id: new_id() };
    let document = GetDocumentRequest { document_id: new_id() };
    let projects = ListProjectsRequest::default();
    let why = |refused: Option<tonic::Status>| refused.map(|status| reason_of(&status)).unwrap_or_default();
    [
        why(actor.auth().who_am_i(pb::WhoAmIRequest {}).await.err()),
        why(actor.projects().list_projects(projects).await.err()),
        why(actor.tasks().get_task(task).await.err()),
        why(actor.documents().get_document(document).await.err()),
    ]
}

#[tokio::test]
async fn suspension_ends_api_tokens_at_every_service() {
    let suite = harness_of_all_services().start().await;
    let users = suite.users(["olga", "gus", "ina"]).await;
    let scopes = ["account:read", "projects:read", "tasks:read", "documents:read"];
    let mut programs = Vec::new();
    for user in &users {
        let (program, _) = api_client(user, &scopes).await;
        let unknown = "RESOURCE_NOT_FOUND";
        assert_eq!(refusals(&program).await, ["", "", unknown, unknown]);
        programs.push(program);
    }
    let [suspended, deleted, erased] = users.each_ref().map(|user| user.id.to_string());
    let mut operator = operator(&suite);

    operator.suspend_user(admin::SuspendUserRequest { user_id: suspended.clone() }).await.unwrap();
    operator.delete_user(admin::DeleteUserRequest { user_id: deleted }).await.unwrap();
    operator.erase_user(admin::EraseUserRequest { user_id: erased }).await.unwrap();

    for program in &programs {
        // Messages through Redis take a moment.
        until("programs are refused", TIMEOUT, async || refusals(program).await == ["SESSION_INVALID"; 4])
            .await;
    }
    operator.reactivate_user(admin::ReactivateUserRequest { user_id: suspended }).await.unwrap();
    assert_eq!(refusals(&programs[0]).await, ["SESSION_INVALID"; 4], "tokens do not come back");
}

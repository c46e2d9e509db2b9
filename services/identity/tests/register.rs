//! Making an account.

use crate::fixtures::*;
use crate::harness::harness;
use proto::identity::v1 as pb;
use testkit::*;

fn olga() -> pb::RegisterRequest {
    pb::RegisterRequest {
        request_id: new_id(),
        email: " Olga@Example.org ".to_owned(),
        username: "olga".to_owned(),
        password: "correct horse".to_owned(),
        first_name: Some("Olga".to_owned()),
        last_name: None,
    }
}

#[tokio::test]
async fn register_creates_an_account_and_a_session() {
    let suite = harness().start().await;

    let granted = suite.anonymous().auth().register(olga()).await.unwrap().grant();

    let (user, session) = (granted.user.clone().unwrap(), granted.session.clone().unwrap());
    assert_eq!((user.email.as_str(), user.username.as_str()), ("olga@example.org", "olga"));
    assert_eq!((user.first_name.as_deref(), user.last_name.as_deref()), (Some("Olga"), None));
    assert_eq!(user.status(), pb::UserStatus::Active);
    assert_eq!(user.last_login_at, user.created_at);
    assert_eq!((session.user_id, session.ip_address.as_str()), (user.id.clone(), "127.0.0.1"));
    assert!(session.user_agent.starts_with("tonic/") && session.current && session.active);
    let actor = with_tokens(&suite.anonymous(), &granted);
    call_every_service(&actor).await.unwrap();
    let profile = pb::GetUserProfileRequest { user_id: user.id.clone() };
    actor.account().get_user_profile(profile).await.unwrap();
    let read = actor.account().get_user(pb::GetUserRequest { user_id: user.id.clone() }).await.unwrap();
    assert_eq!(read.into_inner(), user);
}

#[tokio::test]
async fn register_names_the_taken_field() {
    let suite = harness().start().await;
    let mut auth = suite.anonymous().auth();
    auth.register(olga()).await.unwrap();

    let same_email = pb::RegisterRequest { username: "other".to_owned(), ..olga() };
    let same_name = pb::RegisterRequest { email: "other@example.org".to_owned(), ..olga() };
    for (request, field) in [(same_email, "email"), (same_name, "username")] {
        let refused = auth.register(request).await.unwrap_err();
        assert_eq!(summary(&refused), "ALREADY_EXISTS ALREADY_EXISTS");
        assert_eq!(refused.message(), format!("{field} is already taken"));
    }
}

#[tokio::test]
async fn a_retried_registration_returns_the_same_account() {
    let suite = harness().start().await;
    let mut auth = suite.anonymous().auth();
    let request = olga();

    let first = auth.register(request.clone()).await.unwrap().grant();
    let second = auth.register(request).await.unwrap().grant();

    assert_eq!(first.user.as_ref().unwrap().id, second.user.as_ref().unwrap().id);
    assert_ne!(first.session.as_ref().unwrap().id, second.session.as_ref().unwrap().id);
    for granted in [first, second] {
        call_every_service(&with_tokens(&suite.anonymous(), &granted)).await.unwrap();
    }
}

#[tokio::test]
async fn concurrent_retries_create_one_account() {
    let suite = harness().start().await;
    let request = olga();
    let (mut one, mut two) = (suite.anonymous().auth(), suite.anonymous().auth());
    let (first, second) = tokio::join!(one.register(request.clone()), two.register(request.clone()));
    let id = |answer: Result<tonic::Response<pb::LoginResponse>, _>| answer.unwrap().grant().user.unwrap().id;
    assert_eq!(id(first), id(second));
}

#[tokio::test]
async fn a_request_id_does_not_work_with_another_password_or_request() {
    let suite = harness().start().await;
    let mut auth = suite.anonymous().auth();
    let request = olga();
    auth.register(request.clone()).await.unwrap();

    let guess = pb::RegisterRequest { password: "another password".to_owned(), ..request.clone() };
    let other = pb::RegisterRequest { username: "gus".to_owned(), ..request };

    for request in [guess, other] {
        assert_eq!(refusal(auth.register(request).await), "FAILED_PRECONDITION REQUEST_ID_REUSED");
    }
}

#[tokio::test]
async fn every_malformed_field_is_named() {
    let suite = harness().start().await;
    let request = pb::RegisterRequest {
        request_id: "x".to_owned(),
        email: "olga".to_owned(),
        username: "o l g a".to_owned(),
        password: "short".to_owned(),
        first_name: Some("\0".to_owned()),
        last_name: Some("x".repeat(101)),
    };

    let refused = suite.anonymous().auth().register(request).await.unwrap_err();

    assert_eq!(summary(&refused), "INVALID_ARGUMENT INVALID_FIELDS");
    let mut fields = violations(&refused);
    fields.dedup();
    assert_eq!(fields, ["request_id", "email", "username", "first_name", "last_name", "password"]);
}

//! Signing up in two steps, which tell nobody whose address has an account.

use crate::fixtures::*;
use crate::harness::harness;
use chrono::TimeDelta;
use identity::IdentityOptions;
use identity::RegistrationMode;
use proto::common::CodeDelivery;
use proto::identity::backend::v1::CreateSignUpCodeRequest;
use proto::identity::v1 as pb;
use testkit::*;

const CODE_INVALID: &str = "FAILED_PRECONDITION CODE_INVALID";

/// The code from the newest mail of so many to this address, which asked for it.
async fn code_for(suite: &Suite, email: &str, mails: usize) -> String {
    begin_sign_up(suite, email).await;
    suite.mail_to(email, mails).await.code()
}

async fn complete(
    suite: &Suite,
    request: pb::CompleteSignUpRequest,
) -> Result<tonic::Response<pb::LoginResponse>, tonic::Status> {
    suite.anonymous().auth().complete_sign_up(request).await
}

fn user_of(granted: &pb::SessionGrant) -> pb::User {
    granted.user.clone().unwrap()
}

#[tokio::test]
async fn complete_sign_up_takes_the_code_from_the_email() {
    let suite = harness()
        .start_with(|options| options.own_mut::<IdentityOptions>().registration = RegistrationMode::Confirmed)
        .await;
    let begun = begin_sign_up(&suite, " Olga@Example.org ").await;
    let mail = suite.mail_to("olga@example.org", 1).await;
    assert_eq!(mail.subject, "Finish signing up");
    assert!(begun.expires_at.is_some());

    let granted = complete(&suite, complete_sign_up_request(&mail.code())).await.unwrap().grant();

    let user = user_of(&granted);
    assert_eq!((user.email.as_str(), user.username.as_str()), ("olga@example.org", "olga"));
    assert_eq!((user.first_name.as_deref(), user.email_verified), (Some("Olga"), true));
    assert_eq!(user.last_login_at, user.created_at);
    let olga = with_tokens(&suite.anonymous(), &granted);
    call_every_service(&olga).await.unwrap();
    olga.account().get_user_profile(pb::GetUserProfileRequest { user_id: user.id }).await.unwrap();
    assert_eq!(refusal(complete(&suite, complete_sign_up_request(&mail.code())).await), CODE_INVALID);
}

#[tokio::test]
async fn a_taken_address_gets_the_same_response_and_its_owner_an_email() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    suite
        .execute(
            "INSERT INTO identity.users (email, username, password_hash, status) \
        VALUES ('sue@example.org', 'sue', '!', 'suspended')",
        )
        .await;

    for email in ["OLGA@example.org", "sue@example.org", "nobody@example.org"] {
        assert!(begin_sign_up(&suite, email).await.expires_at.is_some());
    }

    for owner in ["olga@example.org", "sue@example.org"] {
        let mail = suite.mail_to(owner, 1).await;
        assert_eq!(mail.subject, "You already have an account");
        assert!(!mail.text.contains("dfc_"), "{mail:?}");
    }
    suite.mail_to("nobody@example.org", 1).await.code();
    // The work is the same as well: each left a code, of which one works.
    assert_eq!(rows(&suite, "account_codes").await.len(), 3);
    let working = "SELECT email AS line FROM identity.account_codes WHERE used_by_request_id IS NULL";
    assert_eq!(lines(&suite, working).await, ["nobody@example.org"]);
    let request = pb::ListSecurityEventsRequest::default();
    let events = olga.account().list_security_events(request).await.unwrap().into_inner();
    assert_eq!(events.events[0].kind(), pb::SecurityEventKind::SignUpRequested);
}

#[tokio::test]
async fn register_is_refused_where_sign_ups_are_confirmed() {
    let suite = harness()
        .start_with(|options| options.own_mut::<IdentityOptions>().registration = RegistrationMode::Confirmed)
        .await;
    let code = code_for(&suite, "olga@example.org", 1).await;
    complete(&suite, complete_sign_up_request(&code)).await.unwrap();
    for email in ["olga@example.org", "gus@example.org", "nonsense"] {
        let request = pb::RegisterRequest {
            email: email.to_owned(),
            username: "gus".to_owned(),
            password: "correct horse battery".to_owned(),
            ..Default::default()
        };
        let answer = suite.anonymous().auth().register(request).await;
        assert_eq!(refusal(answer), "FAILED_PRECONDITION SIGN_UP_REQUIRED");
    }
}

#[tokio::test]
async fn a_rejected_sign_up_does_not_use_the_code_up() {
    let suite = harness().start().await;
    let _gus = suite.user("gus").await;
    let code = code_for(&suite, "olga@example.org", 1).await;
    for weak in ["short", "password123", "olga@example.org", "Olga1Olga2"] {
        let request =
            pb::CompleteSignUpRequest { password: weak.to_owned(), ..complete_sign_up_request(&code) };
        let refused = complete(&suite, request).await.unwrap_err();
        assert_eq!(violations(&refused), ["password"], "{weak}");
    }
    let taken = pb::CompleteSignUpRequest { username: "gus".to_owned(), ..complete_sign_up_request(&code) };
    let refused = complete(&suite, taken).await.unwrap_err();
    assert_eq!(refused.message(), "username is already taken");
    complete(&suite, complete_sign_up_request(&code)).await.unwrap();
}

#[tokio::test]
async fn concurrent_retries_of_a_sign_up_return_the_same_account() {
    let suite = harness().start().await;
    let request = complete_sign_up_request(&code_for(&suite, "olga@example.org", 1).await);

    let (first, second) = tokio::join!(complete(&suite, request.clone()), complete(&suite, request.clone()));
    let third = complete(&suite, request.clone()).await;

    let answers = [first, second, third].map(|answer| answer.unwrap().grant());
    let [one, two, three] = answers.each_ref().map(|answer| user_of(answer).id);
    assert!(one == two && two == three);
    for granted in &answers {
        call_every_service(&with_tokens(&suite.anonymous(), granted)).await.unwrap();
    }
    let guess = pb::CompleteSignUpRequest { password: "another password".to_owned(), ..request.clone() };
    assert_eq!(refusal(complete(&suite, guess).await), "FAILED_PRECONDITION REQUEST_ID_REUSED");
    let other = pb::CompleteSignUpRequest { request_id: new_id(), ..request };
    assert_eq!(refusal(complete(&suite, other).await), CODE_INVALID);
}

#[tokio::test]
async fn two_codes_for_one_address_create_one_account() {
    let suite = harness().start().await;
    let codes =
        [code_for(&suite, "olga@example.org", 1).await, code_for(&suite, "olga@example.org", 2).await];
    let [first, second] = codes.map(|code| complete_sign_up_request(&code));
    let second = pb::CompleteSignUpRequest { username: "olga2".to_owned(), ..second };
    let (first, second) = tokio::join!(complete(&suite, first), complete(&suite, second));
    let refused: Vec<_> = [first, second].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.iter().map(|status| status.message()).collect::<Vec<_>>(), ["email is already taken"]);
}

#[tokio::test]
async fn a_sign_up_code_works_for_a_day_and_for_nothing_else() {
    let suite = harness().start().await;
    let code = code_for(&suite, "olga@example.org", 1).await;
    let verify = pb::VerifyEmailRequest { request_id: String::new(), code: code.clone() };
    assert_eq!(refusal(suite.anonymous().account().verify_email(verify).await), CODE_INVALID);
    let gus = suite.user("gus").await;
    gus.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();
    let other = suite.mail_to("gus@example.org", 1).await.code();
    let invented = format!("dfc_{}", "A".repeat(43));
    for wrong in [other.as_str(), "nonsense", &invented] {
        assert_eq!(refusal(complete(&suite, complete_sign_up_request(wrong)).await), CODE_INVALID);
    }
    suite.options.clock.advance(TimeDelta::hours(24));
    assert_eq!(refusal(complete(&suite, complete_sign_up_request(&code)).await), CODE_INVALID);
}

#[tokio::test]
async fn an_address_gets_five_emails_in_an_hour() {
    let suite = harness().start().await;
    for _ in 0..5 {
        begin_sign_up(&suite, "olga@example.org").await;
    }
    let request = pb::BeginSignUpRequest { email: "Olga@example.org".to_owned() };
    let answer = suite.anonymous().auth().begin_sign_up(request).await;
    assert_eq!(refusal(answer), "RESOURCE_EXHAUSTED RATE_LIMITED");
}

#[tokio::test]
async fn a_backend_gets_a_returned_sign_up_code_and_learns_of_a_taken_address() {
    let suite = harness().start().await;
    let returned = CodeDelivery::Response;
    let made = backend(&suite).create_sign_up_code(sign_up_code_request("Olga@example.org", returned)).await;
    let made = made.unwrap().into_inner();
    let granted = complete(&suite, complete_sign_up_request(&made.code.unwrap())).await.unwrap().grant();
    assert_eq!(user_of(&granted).id, made.user_id);

    let again = backend(&suite).create_sign_up_code(sign_up_code_request("olga@example.org", returned)).await;
    assert_eq!(refusal(again), "ALREADY_EXISTS ALREADY_EXISTS");
    assert_eq!(suite.mails_to("olga@example.org").len(), 0);
    let sent = CodeDelivery::Email;
    let again = backend(&suite).create_sign_up_code(sign_up_code_request("olga@example.org", sent)).await;
    assert_eq!(refusal(again), "ALREADY_EXISTS ALREADY_EXISTS");
    assert_eq!(suite.mail_to("olga@example.org", 1).await.subject, "You already have an account");

    let made =
        backend(&suite).create_sign_up_code(sign_up_code_request("gus@example.org", sent)).await.unwrap();
    assert!(made.get_ref().code.is_none());
    suite.mail_to("gus@example.org", 1).await.code();
}

#[tokio::test]
async fn malformed_requests_name_every_field() {
    let suite = harness().start().await;
    let refused = suite.anonymous().auth().begin_sign_up(pb::BeginSignUpRequest::default()).await;
    assert_eq!(violations(&refused.unwrap_err()), ["email"]);
    let request = pb::CompleteSignUpRequest {
        request_id: "x".to_owned(),
        code: String::new(),
        username: "o l g a".to_owned(),
        password: "short".to_owned(),
        first_name: Some("x".repeat(101)),
        last_name: Some("x".repeat(101)),
    };
    let refused = complete(&suite, request).await.unwrap_err();
    let fields = ["request_id", "code", "username", "first_name", "last_name", "password"];
    assert_eq!(violations(&refused), fields);
    let refused = backend(&suite).create_sign_up_code(CreateSignUpCodeRequest::default()).await;
    assert_eq!(violations(&refused.unwrap_err()), ["email", "delivery"]);
}

#[tokio::test]
async fn an_address_that_no_mail_reaches_is_refused() {
    let suite = harness().start().await;
    for address in ["a..b@example.org", ".a@example.org", "a@-x..org", "a@localhost", "a@[127.0.0.1]", "a@b"]
    {
        let request = pb::BeginSignUpRequest { email: address.to_owned() };
        let refused = suite.anonymous().auth().begin_sign_up(request).await.unwrap_err();
        assert_eq!(violations(&refused), ["email"], "{address}");
    }
    begin_sign_up(&suite, "o'neil@example.org").await;
    suite.mail_to("o'neil@example.org", 1).await;
}

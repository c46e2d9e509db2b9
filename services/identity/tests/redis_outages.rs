//! What becomes of sessions and of every flow while Redis is away, and after.

use crate::fixtures::*;
use crate::harness::harness;
use futures::TryStreamExt as _;
use prost_types::FieldMask;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1 as pb;
use proto::project::v1::ListProjectsRequest;
use shared::siblings::Sibling;
use testkit::*;

use crate::authenticator::{App, begin, by_code, by_recovery, challenge, complete, confirm, enable, state};

const OVER: &str = "UNAUTHENTICATED SESSION_INVALID";

/// Whether a session that ended while Redis is away is refused: here at once, elsewhere within the life of the caches.
async fn is_over(actor: &Actor) {
    assert_eq!(refusal(actor.auth().who_am_i(pb::WhoAmIRequest {}).await), OVER);
    assert_eq!(refused_elsewhere_within(actor, TIMEOUT).await, OVER);
}

#[tokio::test]
async fn login_refresh_and_sessions_work_without_redis() {
    let suite = harness().start_alone().await;
    let olga = suite.user("olga").await;
    call_every_service(&olga).await.unwrap();
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();
    call_every_service(&olga).await.unwrap();
    let other = log_in_again(&olga).await;
    call_every_service(&other).await.unwrap();
    let request = pb::RefreshSessionRequest { refresh_token: other.refresh_token.clone() };
    let refreshed = suite.anonymous().auth().refresh_session(request).await.unwrap().into_inner();
    let other = with_tokens(&other, &refreshed);
    call_every_service(&other).await.unwrap();

    servers.start_redis().await.unwrap();
    for actor in [&olga, &other] {
        call_every_service(actor).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_revoked_without_redis_ends_at_once_here_and_soon_elsewhere() {
    let suite = harness().start_alone().await;
    let olga = suite.user("olga").await;
    call_every_service(&olga).await.unwrap();
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();
    olga.auth().logout(pb::LogoutRequest {}).await.unwrap();

    is_over(&olga).await;
}

/// A replica answers with what its primary last sent: it is not trusted.
#[tokio::test]
async fn what_is_revoked_while_redis_is_read_only_ends_at_once_here_and_soon_elsewhere() {
    let suite = harness().start_alone().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let phone = log_in_again(&olga).await;
    let (program, token) = api_client(&olga, &["account:read", "projects:read"]).await;
    for actor in [&olga, &gus, &phone, &program] {
        call_every_service(actor).await.unwrap();
    }

    suite.demote_redis().await;
    let request = pb::RevokeSessionRequest { session_id: session_of(&phone).await.id };
    olga.account().revoke_session(request).await.unwrap();
    is_over(&phone).await;
    let request = pb::RevokeApiTokenRequest { api_token_id: token.id };
    olga.account().revoke_api_token(request).await.unwrap();
    is_over(&program).await;
    let suspend = admin::SuspendUserRequest { user_id: gus.id.to_string() };
    operator(&suite).suspend_user(suspend).await.unwrap();
    is_over(&gus).await;
    // For longer than any cache holds a session or a revocation.
    let start = std::time::Instant::now();
    while start.elapsed() < 3 * shared::authentication::CACHE_TTL {
        for actor in [&phone, &program, &gus] {
            assert_eq!(summary(&call_every_service(actor).await.unwrap_err()), OVER);
        }
        call_every_service(&olga).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }

    suite.promote_redis().await;
    for actor in [&phone, &program, &gus] {
        assert_eq!(summary(&call_every_service(actor).await.unwrap_err()), OVER);
    }
    call_every_service(&olga).await.unwrap();
}

/// The sessions that Redis holds, under their keys.
async fn copies(suite: &Suite) -> Vec<(String, String)> {
    let redis = suite.redis();
    let keys: Vec<String> = redis.query(&redis::Cmd::keys(redis.key("{session:*}"))).await.unwrap();
    let values: Vec<Option<String>> = redis.query(&redis::Cmd::mget(&keys)).await.unwrap();
    keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Redis lost its last writes, with the process that made them.
#[tokio::test]
async fn what_is_revoked_stays_so_after_a_restart_when_redis_has_lost_the_revocations() {
    let mut suite = harness().start().await;
    let olga = suite.user("olga").await;
    let phone = log_in_again(&olga).await;
    let (program, token) = api_client(&olga, &["account:read", "projects:read"]).await;
    for actor in [&olga, &phone, &program] {
        call_every_service(actor).await.unwrap();
    }
    until("Redis has three copies", TIMEOUT, async || copies(&suite).await.len() == 3).await;
    let before = copies(&suite).await;
    let request = pb::RevokeSessionRequest { session_id: session_of(&phone).await.id };
    olga.account().revoke_session(request).await.unwrap();
    let request = pb::RevokeApiTokenRequest { api_token_id: token.id };
    olga.account().revoke_api_token(request).await.unwrap();
    suite.stop().await;
    for (key, copy) in before {
        suite.redis().query::<()>(&redis::Cmd::set_ex(key, copy, 300)).await.unwrap();
    }

    suite.restart().await;

    for actor in [&phone, &program].map(|actor| actor.after_restart(&suite)) {
        let projects = actor.projects().list_projects(ListProjectsRequest::default()).await;
        assert_eq!(refusal(projects), OVER);
        assert_eq!(refusal(actor.auth().who_am_i(pb::WhoAmIRequest {}).await), OVER);
    }
    call_every_service(&olga.after_restart(&suite)).await.unwrap();
}

#[tokio::test]
async fn attempts_are_limited_without_redis() {
    let suite = harness().start_alone().await;
    suite.servers.as_ref().unwrap().stop_redis().await.unwrap();
    let mut auth = suite.anonymous().auth();
    for _ in 0..10 {
        let answer = auth.login(login("olga", "a wrong password")).await;
        assert_eq!(refusal(answer), "UNAUTHENTICATED INVALID_CREDENTIALS");
    }
    let answer = auth.login(login("olga", "a wrong password")).await;
    assert_eq!(refusal(answer), "RESOURCE_EXHAUSTED RATE_LIMITED");
}

/// Everything is begun with Redis, done without it, and looked at when it is back and empty.
#[tokio::test]
async fn every_flow_survives_the_loss_of_redis() {
    let suite = harness().start_alone().await;
    let olga = suite.user("olga").await;
    let mut account = suite.anonymous().account();
    begin_sign_up(&suite, "ina@example.org").await;
    let to_sign_up = suite.mail_to("ina@example.org", 1).await.code();
    olga.account().request_email_verification(pb::RequestEmailVerificationRequest {}).await.unwrap();
    let to_verify = suite.mail_to("olga@example.org", 1).await.code();
    let app = App::new(&suite, &begin(&olga).await.secret);
    let scopes = ["account:read", "projects:read"];
    let (kept, _) = api_client(&olga, &scopes).await;
    let (lost, lost_token) = api_client(&olga, &scopes).await;
    for program in [&kept, &lost] {
        call_every_service(program).await.unwrap();
    }
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();

    let completion = complete_sign_up_request(&to_sign_up);
    let completion = pb::CompleteSignUpRequest { username: "ina".to_owned(), ..completion };
    let ina = suite.anonymous().auth().complete_sign_up(completion).await.unwrap().grant();
    let ina = with_tokens(&suite.anonymous(), &ina);
    call_every_service(&ina).await.unwrap();
    begin_sign_up(&suite, "tom@example.org").await;
    let verify = pb::VerifyEmailRequest { request_id: new_id(), code: to_verify };
    account.verify_email(verify).await.unwrap();
    let new_email = "new@example.org".to_owned();
    let request = pb::RequestEmailChangeRequest { password: olga.password.clone(), new_email };
    olga.account().request_email_change(request).await.unwrap();

    let codes = confirm(&olga, app.code_in(0)).await.unwrap().into_inner().codes;
    let by_app = complete(&suite, &challenge(&olga).await, by_code(&app.next_code())).await.unwrap();
    call_every_service(&with_tokens(&olga, &by_app.into_inner())).await.unwrap();
    let recovered = complete(&suite, &challenge(&olga).await, by_recovery(&codes[0])).await.unwrap();
    let recovered = with_tokens(&olga, &recovered.into_inner());
    call_every_service(&recovered).await.unwrap();
    let open = challenge(&olga).await;

    let (late, _) = api_client(&olga, &scopes).await;
    let listed = olga.account().list_api_tokens(pb::ListApiTokensRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().api_tokens.len(), 3);
    let revoke = pb::RevokeApiTokenRequest { api_token_id: lost_token.id };
    olga.account().revoke_api_token(revoke).await.unwrap();
    for program in [&kept, &late] {
        call_every_service(program).await.unwrap();
    }
    is_over(&lost).await;

    servers.start_redis().await.unwrap();

    for actor in [&olga, &ina, &recovered, &kept, &late] {
        call_every_service(actor).await.unwrap();
    }
    assert_eq!(summary(&call_every_service(&lost).await.unwrap_err()), OVER);
    complete(&suite, &open, by_code(&app.next_code())).await.unwrap();
    let code = suite.mail_to("new@example.org", 1).await.code();
    let request = pb::ConfirmEmailChangeRequest { request_id: new_id(), code };
    account.confirm_email_change(request).await.unwrap();
    let completion = complete_sign_up_request(&suite.mail_to("tom@example.org", 1).await.code());
    let completion = pb::CompleteSignUpRequest { username: "tom".to_owned(), ..completion };
    suite.anonymous().auth().complete_sign_up(completion).await.unwrap();
    let proof = by_recovery(&codes[1]);
    let request = pb::RemoveSecondFactorRequest { request_id: new_id(), proof };
    olga.account().remove_second_factor(request).await.unwrap();
    log_in_again(&olga).await;
}

/// What is begun with Redis and is ended without it: a change of address, new recovery codes, and all that a second
/// factor takes.
#[tokio::test]
async fn addresses_and_second_factors_change_while_redis_is_down() {
    let suite = harness().start_alone().await;
    let olga = suite.user("olga").await;
    let (app, codes) = enable(&suite, &olga).await;
    let new_email = "new@example.org".to_owned();
    let request = pb::RequestEmailChangeRequest { password: olga.password.clone(), new_email };
    olga.account().request_email_change(request).await.unwrap();
    let code = suite.mail_to("new@example.org", 1).await.code();
    let open = challenge(&olga).await;
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();

    let request = pb::ConfirmEmailChangeRequest { request_id: new_id(), code };
    suite.anonymous().account().confirm_email_change(request.clone()).await.unwrap();
    let again = suite.anonymous().account().confirm_email_change(request).await.unwrap().into_inner();
    assert_eq!(again.email, "new@example.org");
    assert_eq!(suite.mail_to("new@example.org", 2).await.subject, "Your email address has changed");
    let renewal = pb::CreateRecoveryCodesRequest { request_id: new_id(), proof: by_recovery(&codes[0]) };
    let renewed = olga.account().create_recovery_codes(renewal.clone()).await.unwrap().into_inner();
    let again = olga.account().create_recovery_codes(renewal).await.unwrap().into_inner();
    assert_eq!(renewed, again);
    let former = complete(&suite, &open, by_recovery(&codes[1])).await;
    assert_eq!(refusal(former), "UNAUTHENTICATED SECOND_FACTOR_INVALID");
    complete(&suite, &open, by_recovery(&renewed.codes[0])).await.unwrap();
    assert_eq!(state(&olga).await, (true, 9));
    let proof = by_code(&app.next_code());
    let request = pb::RemoveSecondFactorRequest { request_id: new_id(), proof };
    olga.account().remove_second_factor(request).await.unwrap();
    let app = App::new(&suite, &begin(&olga).await.secret);
    confirm(&olga, app.code_in(0)).await.unwrap();

    servers.start_redis().await.unwrap();

    let granted = complete(&suite, &challenge(&olga).await, by_code(&app.next_code())).await.unwrap();
    let user = granted.into_inner().user.unwrap();
    assert_eq!((user.email.as_str(), user.email_verified), ("new@example.org", true));
}

#[tokio::test]
async fn sessions_end_and_passwords_change_while_redis_is_down() {
    let suite = harness().start_alone().await;
    let olga = suite.user("olga").await;
    let [phone, tablet, laptop] = [(); 3].map(|()| log_in_again(&olga));
    let [phone, tablet, laptop] = [phone.await, tablet.await, laptop.await];
    for device in [&phone, &tablet, &laptop] {
        call_every_service(device).await.unwrap();
    }
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();

    let id_of_phone = session_of(&phone).await.id;
    let request = pb::RevokeSessionRequest { session_id: id_of_phone };
    olga.account().revoke_session(request).await.unwrap();
    is_over(&phone).await;
    olga.account().revoke_other_sessions(pb::RevokeOtherSessionsRequest {}).await.unwrap();
    is_over(&tablet).await;
    is_over(&laptop).await;
    let tv = log_in_again(&olga).await;
    let new_password = "battery staple horse".to_owned();
    let request =
        pb::ChangePasswordRequest { old_password: olga.password.clone(), new_password, ..Default::default() };
    assert_eq!(olga.account().change_password(request).await.unwrap().into_inner().revoked_session_count, 1);
    is_over(&tv).await;
    call_every_service(&olga).await.unwrap();
    assert_eq!(list_sessions(&olga).await.len(), 1);
    let code = backend(&suite)
        .create_password_reset_code(returned_reset("olga@example.org"))
        .await
        .unwrap()
        .into_inner()
        .code
        .unwrap();
    let request =
        pb::ResetPasswordRequest { request_id: new_id(), code, new_password: olga.password.clone() };
    suite.anonymous().auth().reset_password(request).await.unwrap();
    is_over(&olga).await;
    let olga = log_in_again(&olga).await;
    olga.account().revoke_all_sessions(pb::RevokeAllSessionsRequest {}).await.unwrap();
    is_over(&olga).await;

    servers.start_redis().await.unwrap();

    for device in [&olga, &phone, &tablet, &laptop, &tv] {
        assert_eq!(summary(&call_every_service(device).await.unwrap_err()), OVER);
    }
    call_every_service(&log_in_again(&olga).await).await.unwrap();
}

#[tokio::test]
async fn accounts_are_created_changed_and_deleted_while_redis_is_down() {
    let suite = harness().start_alone().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let (_, _) = enable(&suite, &gus).await;
    call_every_service(&gus).await.unwrap();
    let servers = suite.servers.as_ref().unwrap();

    servers.stop_redis().await.unwrap();

    call_every_service(&suite.user("tom").await).await.unwrap();
    let mask = |path: &str| Some(FieldMask { paths: vec![path.to_owned()] });
    let user_id = || olga.id.to_string();
    let user = pb::User { id: user_id(), first_name: Some("Olga".to_owned()), ..Default::default() };
    let request =
        pb::UpdateUserRequest { user: Some(user), update_mask: mask("first_name"), ..Default::default() };
    olga.account().update_user(request).await.unwrap();
    let profile = pb::UserProfile { user_id: user_id(), bio: Some("x".to_owned()), ..Default::default() };
    let request = pb::UpdateUserProfileRequest {
        profile: Some(profile),
        update_mask: mask("bio"),
        ..Default::default()
    };
    olga.account().update_user_profile(request).await.unwrap();
    let events = olga.account().list_security_events(pb::ListSecurityEventsRequest::default()).await;
    assert!(!events.unwrap().into_inner().events.is_empty());
    let export = olga.account().export_account(pb::ExportAccountRequest {}).await.unwrap().into_inner();
    assert!(export.try_collect::<Vec<_>>().await.unwrap().len() >= 3);

    let id_of_gus = || gus.id.to_string();
    let mut operator = operator(&suite);
    let channel = suite.as_service("operator").channel(Sibling::Identity);
    let request = admin::RemoveUserSecondFactorRequest { user_id: id_of_gus() };
    UserAdminServiceClient::new(channel).remove_user_second_factor(request).await.unwrap();
    operator.suspend_user(admin::SuspendUserRequest { user_id: id_of_gus() }).await.unwrap();
    is_over(&gus).await;
    operator.reactivate_user(admin::ReactivateUserRequest { user_id: id_of_gus() }).await.unwrap();
    let again = log_in_again(&gus).await;
    call_every_service(&again).await.unwrap();
    operator.delete_user(admin::DeleteUserRequest { user_id: id_of_gus() }).await.unwrap();
    is_over(&again).await;
    operator.erase_user(admin::EraseUserRequest { user_id: id_of_gus() }).await.unwrap();
    let request = pb::DeleteAccountRequest { password: olga.password.clone() };
    olga.account().delete_account(request).await.unwrap();
    is_over(&olga).await;

    servers.start_redis().await.unwrap();

    for gone in [&olga, &gus, &again] {
        assert_eq!(summary(&call_every_service(gone).await.unwrap_err()), OVER);
        let answer = suite.anonymous().auth().login(login(&gone.name, &gone.password)).await;
        assert_eq!(refusal(answer), "UNAUTHENTICATED INVALID_CREDENTIALS");
    }
}

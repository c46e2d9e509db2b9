//! Who waits holds nothing that the other may still want: first the account, then what belongs to it.

use crate::fixtures::*;
use crate::harness::harness;
use diesel_async::SimpleAsyncConnection;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1 as pb;
use shared::siblings::Sibling;
use testkit::*;

use crate::password_races::meanwhile;

/// What everybody does first who changes an account.
const HOLD_ACCOUNTS: &str = "SELECT FROM identity.users FOR NO KEY UPDATE";
const END_CODES: &str =
    "UPDATE identity.account_codes SET used_by_request_id = '00000000-0000-0000-0000-000000000000'";
const END_SESSIONS: &str = "UPDATE identity.user_sessions SET is_active = FALSE";

#[tokio::test]
async fn a_password_reset_waits_for_a_password_change_without_deadlock() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let made = backend(&suite).create_password_reset_code(returned_reset("olga@example.org")).await;
    let request = pb::ResetPasswordRequest {
        request_id: new_id(),
        code: made.unwrap().into_inner().code.unwrap(),
        new_password: "battery staple horse".to_owned(),
    };
    let mut account = olga.auth();

    let answer = meanwhile(&suite, [HOLD_ACCOUNTS, END_CODES], account.reset_password(request)).await;

    assert_eq!(refusal(answer), "FAILED_PRECONDITION CODE_INVALID");
}

#[tokio::test]
async fn revoking_sessions_waits_for_a_login_that_ends_the_oldest() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let mut sessions = olga.account();
    let others = sessions.revoke_other_sessions(pb::RevokeOtherSessionsRequest {});
    meanwhile(&suite, [HOLD_ACCOUNTS, END_SESSIONS], others).await.unwrap();

    let gus = suite.guest("gus").await;
    let mut sessions = gus.account();
    let all = sessions.revoke_all_sessions(pb::RevokeAllSessionsRequest {});
    meanwhile(&suite, [HOLD_ACCOUNTS, END_SESSIONS], all).await.unwrap();
}

#[tokio::test]
async fn remove_user_second_factor_waits_for_the_lock_of_the_account() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let identity = suite.as_service("operator-eva").channel(Sibling::Identity);
    let mut factors = UserAdminServiceClient::new(identity);
    let request = admin::RemoveUserSecondFactorRequest { user_id: olga.id.to_string() };
    let begin = "INSERT INTO identity.user_second_factors (user_id, totp_secret, created_at, confirmed_at) \
        SELECT id, 'x', now(), now() FROM identity.users";

    let removing = factors.remove_user_second_factor(request);
    let removed = meanwhile(&suite, [HOLD_ACCOUNTS, begin], removing).await.unwrap();

    assert!(removed.into_inner().was_enabled);
}

#[tokio::test]
async fn erase_user_waits_for_a_trim_of_the_log() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let identity = suite.as_service("operator-eva").channel(Sibling::Identity);
    let mut operator = UserAdminServiceClient::new(identity);
    let hold = "SELECT FROM identity.change_log_horizon FOR UPDATE";
    let trim = "SELECT identity.trim_change_log('0 seconds', 1000)";

    let erasing = operator.erase_user(admin::EraseUserRequest { user_id: olga.id.to_string() });
    let erased = meanwhile(&suite, [hold, trim], erasing).await.unwrap();

    assert_eq!(erased.into_inner().status(), pb::UserStatus::Deleted);
}

#[tokio::test]
async fn a_taken_name_is_rejected_without_waiting_for_its_owner() {
    let suite = harness().start().await;
    let [olga, _gus] = suite.guests(["olga", "gus"]).await;
    let mut giving_up = suite.admin().await;
    let rename = "BEGIN; UPDATE identity.users SET username = 'tom', email = 'tom@example.org' \
        WHERE username = 'gus'";
    giving_up.batch_execute(rename).await.unwrap();

    let user = pb::User { id: olga.id.to_string(), username: "gus".to_owned(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["username".to_owned()] });
    let request = pb::UpdateUserRequest { user: Some(user), update_mask };
    assert_eq!(refusal(olga.account().update_user(request).await), "ALREADY_EXISTS ALREADY_EXISTS");
    let request = pb::RegisterRequest {
        email: "gus@example.org".to_owned(),
        username: "ina".to_owned(),
        password: "correct horse battery".to_owned(),
        ..Default::default()
    };
    assert_eq!(refusal(olga.auth().register(request).await), "ALREADY_EXISTS ALREADY_EXISTS");

    giving_up.batch_execute("ROLLBACK").await.unwrap();
}

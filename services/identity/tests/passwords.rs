//! Hashes: what they cost, and where they come from.

use crate::fixtures::*;
use crate::harness::harness;
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use identity::IdentityOptions;
use proto::common::ImportOutcome;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1 as pb;
use shared::siblings::Sibling;
use testkit::*;

const PASSWORD: &str = "correct horse";
/// Of [`PASSWORD`], made by Python's bcrypt, hashlib (as Django writes it) and argon2-cffi.
const HASHES: [&str; 3] = [
    "$2b$05$ae.WnEOQDF1Sr9IG/ASda.hv.2a2Pgv2.bij8JWSSC/rtdzRScRE6",
    "pbkdf2_sha256$1000$seasalt$mQnueSakb748zqBAC1tmWVZsZbi2zPGZarEzTGdfmso=",
    "$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$TSWXQupParD7p4pi1ivxCVZCrQyRPRrHhlEd8pbeRw8",
];

#[derive(QueryableByName)]
struct Hash {
    #[diesel(sql_type = Text)]
    password_hash: String,
}

async fn hash_of(suite: &Suite, username: &str) -> String {
    let query =
        sql_query("SELECT password_hash FROM identity.users WHERE username = $1").bind::<Text, _>(username);
    query.get_result::<Hash>(&mut suite.admin().await).await.unwrap().password_hash
}

async fn import(suite: &Suite, hashes: &[&str]) -> Vec<proto::common::ImportResult> {
    let user = |(number, hash): (usize, &&str)| admin::ImportedUser {
        line: number as u64,
        id: new_id(),
        email: format!("user{number}@example.org"),
        username: format!("user{number}"),
        password_hash: Some((*hash).to_owned()),
        ..Default::default()
    };
    let request = admin::ImportUsersRequest { users: hashes.iter().enumerate().map(user).collect() };
    let mut client = UserAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Identity));
    let mut answers = client.import_users(futures::stream::iter([request])).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap().results
}

#[tokio::test]
async fn an_imported_hash_works_and_is_replaced_at_the_first_login() {
    let suite = harness().start().await;
    let results = import(&suite, &HASHES).await;
    assert!(results.iter().all(|result| result.outcome() == ImportOutcome::Created), "{results:?}");
    let mut auth = suite.anonymous().auth();
    for (number, hash) in HASHES.into_iter().enumerate() {
        let name = format!("user{number}");
        let wrong = auth.login(login(&name, "Correct horse")).await;
        assert_eq!(refusal(wrong), "UNAUTHENTICATED INVALID_CREDENTIALS");
        assert_eq!(hash_of(&suite, &name).await, hash);

        auth.login(login(&name, PASSWORD)).await.unwrap();

        assert!(hash_of(&suite, &name).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        auth.login(login(&name, PASSWORD)).await.unwrap();
    }
}

#[tokio::test]
async fn malformed_and_too_expensive_hashes_are_rejected_and_not_quoted() {
    let suite = harness().start().await;
    let hashes = ["hunter2", "$2b$16$AAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
    let results = import(&suite, &hashes).await;
    for (result, hash) in results.iter().zip(hashes) {
        assert_eq!(result.outcome(), ImportOutcome::Refused);
        assert!(
            result.reason.contains("password_hash") && !result.reason.contains(hash),
            "{}",
            result.reason
        );
    }
}

#[tokio::test]
async fn a_login_replaces_a_hash_with_other_parameters() {
    let one = harness().start().await;
    let olga = one.user("olga").await;
    let other = harness()
        .start_with(|options| {
            options.database = one.options.database.clone();
            options.own_mut::<IdentityOptions>().passwords.password_passes = 3;
        })
        .await;
    other.anonymous().auth().login(login("olga", &olga.password)).await.unwrap();
    assert!(hash_of(&one, "olga").await.starts_with("$argon2id$v=19$m=19456,t=3,p=1$"));
    other.anonymous().auth().login(login("olga", &olga.password)).await.unwrap();
}

#[tokio::test]
async fn a_password_is_the_same_on_keyboards_that_write_it_differently() {
    let suite = harness().start().await;
    let register = pb::RegisterRequest {
        email: "olga@example.org".to_owned(),
        username: "olga".to_owned(),
        password: "p\u{e4}ssw\u{f6}rter sind lang".to_owned(),
        ..Default::default()
    };
    suite.anonymous().auth().register(register).await.unwrap();
    let decomposed = login("olga", "pa\u{308}sswo\u{308}rter sind lang");
    suite.anonymous().auth().login(decomposed).await.unwrap();
}

//! A copy of the database in a thief's hands: nothing in it tells a secret, and nothing in it signs anybody in.

use crate::fixtures::*;
use crate::harness::harness;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use prost_types::FieldMask;
use proto::identity::v1 as pb;
use proto::identity::v1::second_factor_proof::Proof;
use testkit::*;
use tonic::Code;

use crate::authenticator::{App, begin, challenge, complete, confirm};

/// What tokens and codes begin with.
const PREFIXES: [&str; 5] = ["dfs_", "dfr_", "dfl_", "dfc_", "dfa_"];
/// Shorter values are words and numbers.
const SHORTEST_SECRET: usize = 16;

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    value: String,
}

/// Everything that the schema holds: each value of each row of each table, as text.
async fn dump(suite: &Suite) -> BTreeSet<String> {
    let mut conn = suite.admin().await;
    let tables =
        "SELECT table_name::text AS value FROM information_schema.tables WHERE table_schema = 'identity'";
    let tables: Vec<Value> = sql_query(tables).load(&mut conn).await.unwrap();
    assert!(tables.len() >= 10, "{} tables", tables.len());
    let mut values = BTreeSet::new();
    for Value { value: table } in tables {
        let statement =
            format!("SELECT value FROM identity.{table} t, jsonb_each_text(to_jsonb(t)) WHERE value <> ''");
        let rows: Vec<Value> = sql_query(statement).load(&mut conn).await.unwrap();
        values.extend(rows.into_iter().map(|row| row.value));
    }
    values
}

/// What somebody was shown once or typed, and must be nowhere.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
    }

    fn add_tokens(&mut self, granted: &pb::LoginResponse) {
        let tokens = granted.tokens.as_ref().unwrap();
        for token in [&tokens.session_token, &tokens.refresh_token] {
            self.add(token);
            let bytes = URL_SAFE_NO_PAD.decode(token.split_once('_').unwrap().1).unwrap();
            self.0.push(hex::encode(bytes));
        }
    }
}

/// Lives through everything that leaves traces, and answers with all secrets on the way.
async fn live(suite: &Suite) -> Secrets {
    let mut secrets = Secrets::default();
    for text in ["Ольга", "Żółkiewska", "Gdańsk Główny"] {
        secrets.add(text);
    }
    let password = "correct horse battery";
    secrets.add(password);
    let request = pb::RegisterRequest {
        request_id: new_id(),
        email: "olga@example.org".to_owned(),
        username: "olga".to_owned(),
        password: password.to_owned(),
        first_name: Some("Ольга".to_owned()),
        last_name: Some("Żółkiewska".to_owned()),
    };
    let registered = suite.anonymous().auth().register(request).await.unwrap().into_inner();
    secrets.add_tokens(&registered);
    let mut olga = with_tokens(&suite.anonymous(), &registered);
    olga.id = registered.user.unwrap().id.parse().unwrap();
    (olga.name, olga.password) = ("olga".to_owned(), password.to_owned());
    describe(&olga).await;

    let refresh = pb::RefreshSessionRequest { refresh_token: olga.refresh_token.clone() };
    let refreshed = without_session(&olga).auth().refresh_session(refresh).await.unwrap().into_inner();
    secrets.add_tokens(&refreshed);
    let olga = with_tokens(&olga, &refreshed);
    sign_in_with_second_factor(suite, &olga, &mut secrets).await;
    let (program, _) = api_client(&olga, &["task:*", "identity:read"]).await;
    secrets.add(program.session_token.as_ref().unwrap());
    let reset = pb::RequestPasswordResetRequest { email: "olga@example.org".to_owned() };
    suite.anonymous().auth().request_password_reset(reset).await.unwrap();
    // After the letter that the second factor is on.
    secrets.add(&suite.mail_to("olga@example.org", 2).await.code());
    begin_sign_up(suite, "ina@example.org").await;
    secrets.add(&suite.mail_to("ina@example.org", 1).await.code());
    secrets
}

async fn describe(olga: &Actor) {
    let profile = pb::UserProfile {
        user_id: olga.id.to_string(),
        location: Some("Gdańsk Główny".to_owned()),
        ..Default::default()
    };
    let update_mask = Some(FieldMask { paths: vec!["location".to_owned()] });
    let request = pb::UpdateUserProfileRequest { profile: Some(profile), update_mask };
    olga.account().update_user_profile(request).await.unwrap();
}

/// And leaves a challenge open.
async fn sign_in_with_second_factor(suite: &Suite, olga: &Actor, secrets: &mut Secrets) {
    let secret = begin(olga).await.secret;
    let app = App::new(suite, &secret);
    secrets.add(&secret);
    secrets.add(&hex::encode(totp_rs::Secret::try_from_base32(&secret).unwrap().as_bytes()));
    let codes = confirm(olga, app.code_in(0)).await.unwrap().into_inner().codes;
    for code in &codes {
        secrets.add(code);
        secrets.add(&code.replace('-', ""));
    }
    let proof = Some(pb::SecondFactorProof { proof: Some(Proof::RecoveryCode(codes[0].clone())) });
    let token = challenge(olga).await;
    secrets.add(&token);
    let granted = complete(suite, &token, proof).await.unwrap().into_inner();
    secrets.add_tokens(&granted);
    secrets.add(&challenge(olga).await);
}

/// What a thief makes of a value: itself, and what it would be as a token.
fn attempts(value: &str) -> Vec<String> {
    let mut attempts = vec![value.to_owned()];
    attempts.extend(PREFIXES.map(|prefix| format!("{prefix}{value}")));
    if let Ok(bytes) = hex::decode(value.trim_start_matches("\\x")) {
        attempts.extend(PREFIXES.map(|prefix| format!("{prefix}{}", URL_SAFE_NO_PAD.encode(&bytes))));
    }
    attempts
}

#[tokio::test]
async fn a_copy_of_the_database_contains_no_secret() {
    let suite = harness().start().await;
    let secrets = live(&suite).await;

    let values = dump(&suite).await;

    assert!(values.len() > 50, "{} values", values.len());
    for value in &values {
        let told = secrets.0.iter().find(|secret| value.contains(secret.as_str()));
        assert!(told.is_none(), "{told:?} is in {value}");
    }
    let is_encrypted = |value: &&String| value.starts_with("encrypted:");
    assert_eq!(values.iter().filter(is_encrypted).count(), 4, "two names, a location and a factor's secret");
}

#[tokio::test]
async fn no_value_of_the_database_authenticates() {
    let suite = harness().start().await;
    live(&suite).await;
    let values = dump(&suite).await;

    let long = values.iter().filter(|value| (SHORTEST_SECRET..=300).contains(&value.len()));
    let typed = long.filter(|value| value.bytes().all(|byte| byte.is_ascii_graphic()));
    for attempt in typed.flat_map(|value| attempts(value)) {
        let mut thief = suite.anonymous();
        thief.session_token = Some(attempt.clone());
        assert!(thief.auth().who_am_i(pb::WhoAmIRequest {}).await.is_err(), "{attempt} is a session");
        let mut anonymous = suite.anonymous().auth();
        // Anything else is no refresh token before it is looked up, and would use up the address's attempts.
        if attempt.starts_with("dfr_") && attempt.len() == 47 {
            let request = pb::RefreshSessionRequest { refresh_token: attempt.clone() };
            let refused = anonymous.refresh_session(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{attempt}");
        }
        // Likewise: a code that is none is told by its form.
        if attempt.starts_with("dfc_") && attempt.len() == 47 {
            let new_password = "a password of the thief".to_owned();
            let request =
                pb::ResetPasswordRequest { request_id: new_id(), code: attempt.clone(), new_password };
            let refused = suite.anonymous().auth().reset_password(request).await.unwrap_err();
            assert_eq!(reason_of(&refused), "CODE_INVALID", "{attempt}");
            let completion = complete_sign_up_request(&attempt);
            let completion = pb::CompleteSignUpRequest { username: "thief".to_owned(), ..completion };
            let refused = suite.anonymous().auth().complete_sign_up(completion).await.unwrap_err();
            assert_eq!(reason_of(&refused), "CODE_INVALID", "{attempt}");
        }
        let proof = Some(pb::SecondFactorProof { proof: Some(Proof::Code("000000".to_owned())) });
        let refused = complete(&suite, &attempt, proof).await.unwrap_err();
        assert!(matches!(refused.code(), Code::Unauthenticated | Code::InvalidArgument), "{attempt}");
        assert_ne!(reason_of(&refused), "SECOND_FACTOR_INVALID", "{attempt} is a challenge");
    }
    for hash in values.iter().filter(|value| value.starts_with("$argon2id$")) {
        let answer = suite.anonymous().auth().login(login("olga", hash)).await;
        assert_eq!(refusal(answer), "UNAUTHENTICATED INVALID_CREDENTIALS");
    }
}

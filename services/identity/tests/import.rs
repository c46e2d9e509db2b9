//! Taking over users from elsewhere.

use crate::fixtures::*;
use crate::harness::harness;
use prost_types::Timestamp;
use proto::common::ImportOutcome;
use proto::identity::admin::v1 as pb;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1::{GetUserProfileRequest, GetUserRequest};
use shared::siblings::Sibling;
use testkit::*;
use tonic::Status;

fn user(line: u64, name: &str) -> pb::ImportedUser {
    pb::ImportedUser {
        line,
        id: new_id(),
        email: format!("{name}@example.org"),
        username: name.to_owned(),
        ..Default::default()
    }
}

/// Line, outcome and reason of each item, batch after batch.
async fn import(
    suite: &Suite,
    batches: Vec<Vec<pb::ImportedUser>>,
) -> Result<Vec<Vec<(u64, ImportOutcome, String)>>, Status> {
    let channel = suite.as_service("operator").channel(Sibling::Identity);
    let requests = batches.into_iter().map(|users| pb::ImportUsersRequest { users });
    let mut client = UserAdminServiceClient::new(channel);
    let mut answers = client.import_users(futures::stream::iter(requests)).await?.into_inner();
    let mut outcomes = Vec::new();
    while let Some(answer) = answers.message().await? {
        let results = answer.results.into_iter();
        outcomes.push(results.map(|result| (result.line, result.outcome(), result.reason)).collect());
    }
    Ok(outcomes)
}

use ImportOutcome::{Created, Refused, Unchanged};

#[tokio::test]
async fn import_users_stores_profiles_and_dates_once() {
    let suite = harness().start().await;
    let made = Timestamp { seconds: 1_500_000_000, nanos: 0 };
    let olga =
        pb::ImportedUser { created_at: Some(made), email: "OLGA@example.org".to_owned(), ..user(1, "olga") };
    let gus = user(2, "gus");

    let batch = vec![olga.clone(), gus.clone()];
    let outcomes = import(&suite, vec![batch.clone(), batch]).await.unwrap();

    let none = String::new;
    assert_eq!(outcomes[0], [(1, Created, none()), (2, Created, none())]);
    assert_eq!(outcomes[1], [(1, Unchanged, none()), (2, Unchanged, none())]);
    let mut actor = suite.guest("witness").await;
    execute(&suite, &format!("UPDATE identity.user_sessions SET user_id = '{}'", olga.id)).await;
    let token = actor.session_token.take().unwrap();
    suite.forget_session(&token).await;
    actor.session_token = Some(token);
    let read =
        actor.account().get_user(GetUserRequest { user_id: olga.id.clone() }).await.unwrap().into_inner();
    assert_eq!((read.email.as_str(), read.created_at), ("olga@example.org", Some(made)));
    let profile = GetUserProfileRequest { user_id: olga.id };
    assert_eq!(actor.account().get_user_profile(profile).await.unwrap().into_inner().created_at, Some(made));
}

#[tokio::test]
async fn import_users_refuses_single_items() {
    let suite = harness().start().await;
    let _olga = suite.guest("olga").await;
    let eva = user(3, "eva");
    let batch = vec![
        pb::ImportedUser { email: "other@example.org".to_owned(), ..user(1, "olga") },
        pb::ImportedUser { email: "olga@example.org".to_owned(), ..user(2, "gus") },
        eva.clone(),
        pb::ImportedUser { line: 4, ..eva.clone() },
        pb::ImportedUser { username: "eva2".to_owned(), ..user(5, "eva") },
        pb::ImportedUser {
            line: 6,
            id: "x".to_owned(),
            email: "\0".to_owned(),
            username: String::new(),
            first_name: Some("\0".to_owned()),
            last_name: Some("x".repeat(101)),
            created_at: Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
            avatar_url: Some("ftp://example.org".to_owned()),
            status: 77,
            profile: Some(pb::ImportedUserProfile {
                bio: Some("x".repeat(10_001)),
                website_url: Some("example.org".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        },
    ];

    let outcomes = import(&suite, vec![batch]).await.unwrap().remove(0);

    let kinds: Vec<_> = outcomes.iter().map(|(line, outcome, _)| (*line, *outcome)).collect();
    assert_eq!(kinds, [(1, Refused), (2, Refused), (3, Created), (4, Unchanged), (5, Refused), (6, Refused)]);
    assert_eq!(outcomes[0].2, "username: belongs to another user");
    assert_eq!(outcomes[1].2, "email: belongs to another user");
    assert_eq!(outcomes[4].2, "email: belongs to another user");
    let account =
        ["id", "email", "username", "first_name", "last_name", "created_at", "avatar_url", "status"];
    for field in account.into_iter().chain(["profile.bio", "profile.website_url"]) {
        assert!(outcomes[5].2.contains(&format!("{field}: ")), "{field} is not in {}", outcomes[5].2);
    }
}

#[tokio::test]
async fn import_users_limits_a_batch() {
    let suite = harness().start().await;
    let full = (0..1000).map(|line| user(line, &format!("user{line}"))).collect();
    let too_full = (0..1001).map(|line| user(line, &format!("more{line}"))).collect();
    assert_eq!(import(&suite, vec![full]).await.unwrap()[0].len(), 1000);
    assert_eq!(violations(&import(&suite, vec![too_full]).await.unwrap_err()), ["users"]);
    assert_eq!(import(&suite, vec![vec![]]).await.unwrap(), [[]]);
}

#[tokio::test]
async fn an_imported_user_without_a_hash_has_no_password() {
    let suite = harness().start().await;
    import(&suite, vec![vec![user(1, "olga")]]).await.unwrap();
    for password in ["!", "anything else"] {
        let answer = suite.anonymous().auth().login(login("olga", password)).await;
        assert_eq!(refusal(answer), "UNAUTHENTICATED INVALID_CREDENTIALS");
    }
}

#[tokio::test]
async fn users_may_not_import() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let mut client = UserAdminServiceClient::with_interceptor(
        suite.channel(Service::Identity),
        Bearer(olga.session_token),
    );
    let answer = client.import_users(futures::stream::iter([])).await;
    assert_eq!(summary(&answer.err().unwrap()), "PERMISSION_DENIED AUDIENCE_REFUSED");
}

//! The process is killed under a write load, as `kill -9` does: no acknowledged write is lost, none is doubled.

use std::time::{Duration, SystemTime};

use shared::proto::identity::v1 as pb;
use suite::testing::*;

#[tokio::test]
async fn a_killed_identity_loses_and_doubles_nothing() {
    let suite = Suite::start().await;
    let mut replica = Replica::start(&suite, env!("CARGO_BIN_EXE_identity"), "identity").await;
    // Each writer is somebody: the number of one's API tokens is limited.
    let people = suite.guests::<WRITERS>(["olga", "gus", "mia", "tim"]).await;
    let people = people.map(|who| who.calling(Service::Identity, &replica.url));
    let expires_at = SystemTime::now() + Duration::from_secs(86_400);
    let write = async |writer: usize, request_id| {
        let wish = pb::CreateApiTokenRequest {
            request_id,
            name: "robot".to_owned(),
            scopes: vec!["task:read".to_owned()],
            expires_at: Some(expires_at.into()),
        };
        let made = people[writer].api_tokens().create_api_token(wish).await?.into_inner();
        Ok(made.api_token.unwrap().id)
    };
    survives(&suite, "identity", "identity.api_tokens", write, async || replica.kill_and_start(&suite).await)
        .await;
}

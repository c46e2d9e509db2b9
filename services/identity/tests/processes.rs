//! Processes of the service come and go under a write load.

use crate::harness::harness;
use std::time::{Duration, SystemTime};

use proto::identity::v1 as pb;
use testkit::*;
use tonic::Status;

const PROGRAM: &str = env!("CARGO_BIN_EXE_identity");

/// Makes an API token and revokes it, since one has a limited number of them.
async fn make_token(who: &Actor, expires_at: SystemTime, request_id: String) -> Result<String, Status> {
    let api_token = pb::ApiToken {
        name: "robot".to_owned(),
        scopes: vec!["tasks:read".to_owned()],
        expires_at: Some(expires_at.into()),
        ..Default::default()
    };
    let request = pb::CreateApiTokenRequest { request_id, api_token: Some(api_token), ..Default::default() };
    let made = who.account().create_api_token(request).await?.into_inner().api_token.unwrap();
    who.account().revoke_api_token(pb::RevokeApiTokenRequest { api_token_id: made.id.clone() }).await?;
    Ok(made.id)
}

fn tomorrow() -> SystemTime {
    SystemTime::now() + Duration::from_secs(86_400)
}

#[tokio::test]
async fn a_killed_process_loses_and_duplicates_nothing() {
    let suite = harness().start().await;
    let mut replica = ServiceProcess::start(&suite, PROGRAM, "identity").await;
    let olga = suite.guest("olga").await.calling(Service::Identity, &replica.url);
    let end = tomorrow();
    let write = async |_, request_id| make_token(&olga, end, request_id).await;
    kill_under_load(&suite, "identity", "identity.api_tokens", write, async || {
        replica.kill_and_restart(&suite).await
    })
    .await;
}

#[tokio::test]
async fn no_call_fails_while_every_process_is_replaced() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let end = tomorrow();
    let write = async |who: Actor, request_id| make_token(&who, end, request_id).await;
    replace_under_load(&suite, (Service::Identity, PROGRAM), &olga, "identity.api_tokens", write).await;
}

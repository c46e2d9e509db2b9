//! Processes are killed and replaced under a write load.

use crate::harness::harness;
use proto::project::v1 as pb;
use testkit::*;
use tonic::Status;

const PROGRAM: &str = env!("CARGO_BIN_EXE_project");

async fn make_project(who: &Actor, request_id: String) -> Result<String, Status> {
    let input = pb::CreateProjectRequest { request_id, name: "apollo".to_owned(), ..Default::default() };
    Ok(who.projects().create_project(input).await?.into_inner().id)
}

#[tokio::test]
async fn a_killed_process_neither_loses_nor_repeats_writes() {
    let suite = harness().start().await;
    let mut replica = ServiceProcess::start(&suite, PROGRAM, "project").await;
    let olga = suite.guest("olga").await.calling(Service::Project, &replica.url);
    let write = async |_, request_id| make_project(&olga, request_id).await;
    kill_under_load(&suite, "project", "project.projects", write, async || {
        replica.kill_and_restart(&suite).await
    })
    .await;
}

#[tokio::test]
async fn no_call_fails_while_every_process_is_replaced() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let write = async |who: Actor, request_id| make_project(&who, request_id).await;
    replace_under_load(&suite, (Service::Project, PROGRAM), &olga, "project.projects", write).await;
}

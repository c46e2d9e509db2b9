//! The process is killed under a write load, as `kill -9` does: no acknowledged write is lost, none is doubled.

use shared::proto::project::v1 as pb;
use suite::testing::*;

#[tokio::test]
async fn a_killed_project_service_loses_and_doubles_nothing() {
    let suite = Suite::start().await;
    let mut replica = Replica::start(&suite, env!("CARGO_BIN_EXE_project"), "project").await;
    let olga = suite.guest("olga").await.calling(Service::Project, &replica.url);
    let write = async |_, request_id| {
        let wish = pb::CreateProjectRequest { request_id, name: "apollo".to_owned(), ..Default::default() };
        Ok(olga.projects().create_project(wish).await?.into_inner().id)
    };
    survives(&suite, "project", "project.projects", write, async || replica.kill_and_start(&suite).await)
        .await;
}

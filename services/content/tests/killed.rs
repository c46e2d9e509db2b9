//! The process is killed under a write load, as `kill -9` does: no acknowledged write is lost, none is doubled.
//! (At every step of an upload: `faults`.)

use shared::proto::content::v1 as pb;
use suite::testing::*;

#[tokio::test]
async fn a_killed_content_service_loses_and_doubles_nothing() {
    let suite = Suite::start().await;
    let mut replica = Replica::start(&suite, env!("CARGO_BIN_EXE_content"), "content").await;
    let olga = suite.guest("olga").await.calling(Service::Content, &replica.url);
    let project = olga.project("apollo").await;
    let write = async |_, request_id| {
        let wish = pb::CreateDocumentRequest {
            request_id,
            project_id: project.id.clone(),
            title: "flight plan".to_owned(),
            content: "Up.".to_owned(),
            ..Default::default()
        };
        Ok(olga.documents().create_document(wish).await?.into_inner().id)
    };
    survives(&suite, "content", "content.documents", write, async || replica.kill_and_start(&suite).await)
        .await;
}

//! Processes of the service come and go under a write load. Kills at each step of an upload are in `kills`.

use crate::harness::harness;
use proto::content::v1 as pb;
use proto::project::v1::Project;
use testkit::*;
use tonic::Status;

const PROGRAM: &str = env!("CARGO_BIN_EXE_content");

async fn make_document(who: &Actor, project: &Project, request_id: String) -> Result<String, Status> {
    let request = pb::CreateDocumentRequest {
        request_id,
        document: Some(pb::Document {
            project_id: project.id.clone(),
            title: "flight plan".to_owned(),
            content: Some("Up.".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    Ok(who.documents().create_document(request).await?.into_inner().id)
}

#[tokio::test]
async fn a_killed_service_loses_and_repeats_no_write() {
    let suite = harness().start().await;
    let mut replica = ServiceProcess::start(&suite, PROGRAM, "content").await;
    let olga = suite.guest("olga").await.calling(Service::Content, &replica.url);
    let project = olga.project("apollo").await;
    let write = async |_, request_id| make_document(&olga, &project, request_id).await;
    kill_under_load(&suite, "content", "content.documents", write, async || {
        replica.kill_and_restart(&suite).await
    })
    .await;
}

#[tokio::test]
async fn no_call_fails_while_every_process_is_replaced() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let write = async |who: Actor, request_id| make_document(&who, &project, request_id).await;
    replace_under_load(&suite, (Service::Content, PROGRAM), &olga, "content.documents", write).await;
}

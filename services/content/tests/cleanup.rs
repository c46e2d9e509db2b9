use std::fs::File;
use std::time::{Duration, SystemTime};

use shared::proto::content::v1 as pb;
use shared::proto::project::v1::DeleteProjectRequest;
use shared::proto::task::v1::DeleteTaskRequest;

use suite::testing::*;

use crate::scene::{header, scene, stored_files, until, upload};

#[tokio::test]
async fn a_file_goes_after_its_attachment() {
    let s = scene().await;
    let made = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let kept = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    assert_eq!(stored_files(&s.suite).len(), 2);
    let wish = pb::DeleteAttachmentRequest { attachment_id: made.id };
    s.olga.attachments().delete_attachment(wish).await.unwrap();
    until("one file left", async || stored_files(&s.suite) == [kept.id.clone()]).await;
}

#[tokio::test]
async fn a_file_goes_after_its_document() {
    let s = scene().await;
    let document = s.mia.document(&s.project, "plan", "").await;
    let of_document = pb::UploadHeader {
        entity_type: pb::EntityType::Document.into(),
        entity_id: document.id.clone(),
        ..header(&s.project)
    };
    upload(&s.mia, of_document, b"abc", 3).await.unwrap();
    let wish = pb::DeleteDocumentRequest { document_id: document.id, ..Default::default() };
    s.olga.documents().delete_document(wish).await.unwrap();
    until("no files left", async || stored_files(&s.suite).is_empty()).await;
}

#[tokio::test]
async fn a_file_goes_after_its_task() {
    let s = scene().await;
    let task = s.mia.task(&s.project, "read").await;
    let of_task = pb::UploadHeader {
        entity_type: pb::EntityType::Task.into(),
        entity_id: task.id.clone(),
        ..header(&s.project)
    };
    upload(&s.mia, of_task, b"abc", 3).await.unwrap();
    let wish = DeleteTaskRequest { task_id: task.id, ..Default::default() };
    s.olga.tasks().delete_task(wish).await.unwrap();
    until("no files left", async || stored_files(&s.suite).is_empty()).await;
}

#[tokio::test]
async fn files_go_after_their_project() {
    let s = scene().await;
    upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let wish = DeleteProjectRequest { project_id: s.project.id.clone(), ..Default::default() };
    s.olga.projects().delete_project(wish).await.unwrap();
    until("no files left", async || stored_files(&s.suite).is_empty()).await;
}

#[tokio::test]
async fn what_a_crash_left_goes_at_the_next_start() {
    let (old, fresh) = (new_id(), new_id());
    let suite = Suite::start_with(|options| {
        let folder = options.storage.storage_folder.join("attachments");
        std::fs::create_dir_all(&folder).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(3 * 60 * 60);
        for name in [old.clone(), format!("{old}#1")] {
            File::create(folder.join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        File::create(folder.join(&fresh)).unwrap();
    })
    .await;
    until("only the fresh one left", async || stored_files(&suite) == [fresh.clone()]).await;
}

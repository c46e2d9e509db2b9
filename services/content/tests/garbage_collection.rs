use crate::harness::harness;
use content::storage::StorageOptions;
use std::fs::File;
use std::time::{Duration, SystemTime};

use proto::content::v1 as pb;
use proto::project::v1::DeleteProjectRequest;
use proto::task::v1::DeleteTaskRequest;

use testkit::*;

use crate::fixtures::{
    Team, count, download, header, pass_grace_period, stored_files, team, team_on, to_document, to_project,
    to_task, until, until_nothing_is_kept, upload, wait_for_recorded_deletions,
};
use crate::interrupted_uploads::assert_store_matches_table;

/// Waits until the collector has taken over that an attachment went.
async fn released(s: &Team) {
    until("released", async || count(&s.suite, "blobs WHERE released_at IS NOT NULL").await > 0).await;
}

/// Lets the collector look once at what was just uploaded, which it does anyway after the grace period.
async fn settled(s: &Team) {
    pass_grace_period(&s.suite);
    until("settled", async || count(&s.suite, "blobs WHERE released_at IS NOT NULL").await == 0).await;
}

#[tokio::test]
async fn a_file_is_deleted_after_the_grace_period_of_its_last_attachment() {
    let s = team().await;
    let one = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let two = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    until("stored once", async || stored_files(&s.suite).len() == 1).await;
    let kept = stored_files(&s.suite);
    settled(&s).await;

    let delete = async |id: String| {
        let request = pb::DeleteAttachmentRequest { attachment_id: id, ..Default::default() };
        s.olga.attachments().delete_attachment(request).await.unwrap();
    };
    delete(one.id).await;
    released(&s).await;
    settled(&s).await;
    assert_eq!(stored_files(&s.suite), kept, "another attachment has the same bytes");
    assert_eq!(download(&s.gus, &two.id, 0, 0).await.unwrap().1, b"abc");

    delete(two.id).await;
    released(&s).await;
    assert_eq!(stored_files(&s.suite), kept, "the grace period is not over");
    pass_grace_period(&s.suite);
    until_nothing_is_kept(&s.suite).await;
}

/// The attachment goes at once, and the file after the grace period.
async fn gone_with_its_file(s: &Team) {
    until("no attachment left", async || count(&s.suite, "file_attachments").await == 0).await;
    assert_eq!(stored_files(&s.suite).len(), 1, "the grace period is not over");
    wait_for_recorded_deletions(&s.suite).await;
    pass_grace_period(&s.suite);
    until_nothing_is_kept(&s.suite).await;
}

#[tokio::test]
async fn a_file_is_deleted_after_its_document() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "").await;
    let of_document = pb::UploadHeader { target: to_document(&document.id), ..header(&s.project) };
    upload(&s.mia, of_document, b"abc", 3).await.unwrap();
    let request = pb::DeleteDocumentRequest { document_id: document.id, ..Default::default() };
    s.olga.documents().delete_document(request).await.unwrap();
    gone_with_its_file(&s).await;
}

#[tokio::test]
async fn a_file_is_deleted_after_its_task() {
    let s = team().await;
    let task = s.mia.task(&s.project, "read").await;
    let of_task = pb::UploadHeader { target: to_task(&task.id), ..header(&s.project) };
    upload(&s.mia, of_task, b"abc", 3).await.unwrap();
    let request = DeleteTaskRequest { task_id: task.id, ..Default::default() };
    s.olga.tasks().delete_task(request).await.unwrap();
    gone_with_its_file(&s).await;
}

#[tokio::test]
async fn files_are_deleted_after_their_project() {
    let s = team().await;
    upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let request = DeleteProjectRequest { project_id: s.project.id.clone(), ..Default::default() };
    s.olga.projects().delete_project(request).await.unwrap();
    gone_with_its_file(&s).await;
}

/// Without the foreign keys that only one database has, the feeds alone carry what is deleted.
#[tokio::test]
async fn files_are_deleted_when_each_service_has_its_own_database() {
    let s = team_on(harness().start_in(Topology::FOUR).await).await;
    let document = s.mia.document(&s.project, "plan", "").await;
    let task = s.mia.task(&s.project, "read").await;
    for target in [to_project(&s.project.id), to_document(&document.id), to_task(&task.id)] {
        let header = pb::UploadHeader { target, ..header(&s.project) };
        upload(&s.mia, header, b"abc", 3).await.unwrap();
    }
    let request = DeleteTaskRequest { task_id: task.id, ..Default::default() };
    s.olga.tasks().delete_task(request).await.unwrap();
    until("that of the task gone", async || count(&s.suite, "file_attachments").await == 2).await;
    let request = DeleteProjectRequest { project_id: s.project.id.clone(), ..Default::default() };
    s.olga.projects().delete_project(request).await.unwrap();
    until("all gone", async || count(&s.suite, "file_attachments").await == 0).await;
    assert_store_matches_table(&s).await;
    until("no files left", async || stored_files(&s.suite).is_empty()).await;
}

#[tokio::test]
async fn objects_without_a_row_are_deleted_at_the_next_start() {
    let (old, fresh) = (new_id(), new_id());
    let suite = harness()
        .start_with(|options| {
            let long_ago = SystemTime::now() - Duration::from_secs(3 * 60 * 60);
            let parts = options.own::<StorageOptions>().storage_directory.join("parts");
            std::fs::create_dir_all(&parts).unwrap();
            for name in [old.clone(), format!("{old}#1")] {
                File::create(parts.join(name)).unwrap().set_modified(long_ago).unwrap();
            }
            File::create(parts.join(&fresh)).unwrap();
        })
        .await;
    until("only the fresh one left", async || stored_files(&suite) == [format!("parts/{fresh}")]).await;
}

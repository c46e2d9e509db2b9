//! A member who may write and not read gets nothing to read.

use proto::common::Permission;
use proto::content::v1 as pb;
use proto::content::v1::content_edit::Edit;
use testkit::*;
use tonic::Status;

use crate::edit_content::{edit, replacement, send, unified_diff};
use crate::fixtures::{Team, deny, header, read, team, until, update, upload, write};
use crate::resumable_uploads::{complete, create, send as send_chunks, upload_request};

const DENIED: &str = "PERMISSION_DENIED PERMISSION_MISSING";

/// Waits until reading is denied.
async fn without_document_read(s: &Team, id: &str) {
    deny(s, &s.mia, Permission::DocumentRead).await;
    until("denied", async || read(&s.mia, id).await.is_err()).await;
}

#[tokio::test]
async fn changes_of_a_document_require_the_permission_to_read_it() {
    let s = team().await;
    let request = pb::CreateDocumentRequest {
        request_id: new_id(),
        document: Some(pb::Document {
            project_id: s.project.id.clone(),
            title: "plan".to_owned(),
            content: Some("one\n".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = s.mia.documents().create_document(request.clone()).await.unwrap().into_inner();
    let id = made.id.as_str();
    write(&s.olga, id, "secret\n", "").await.unwrap();
    without_document_read(&s, id).await;

    let mut documents = s.mia.documents();
    let id_only = pb::Document { id: id.to_owned(), ..Default::default() };
    let submit = pb::SubmitDocumentRequest { document_id: id.to_owned(), ..Default::default() };
    let revise = pb::ReviseDocumentRequest { document_id: id.to_owned(), ..Default::default() };
    let restore = pb::RestoreDocumentVersionRequest {
        document_id: id.to_owned(),
        version_number: 1,
        ..Default::default()
    };
    let refusals: Vec<Status> = vec![
        update(&s.mia, id_only, &[]).await.unwrap_err(),
        write(&s.mia, id, "three\n", "").await.unwrap_err(),
        documents.submit_document(submit).await.unwrap_err(),
        documents.revise_document(revise).await.unwrap_err(),
        documents.restore_document_version(restore).await.unwrap_err(),
        documents.create_document(request).await.unwrap_err(),
        send(&s.mia, edit(id, 0, Edit::Append("b".to_owned()))).await.unwrap_err(),
        send(&s.mia, edit(id, 1, replacement("conflict\n"))).await.unwrap_err(),
        send(&s.mia, edit(id, 2, unified_diff("@@ -1 +1 @@\n-x\n+y\n"))).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(summary(&refusal), DENIED);
        assert!(!refusal.message().contains("secret"));
    }
    let unchanged = read(&s.olga, id).await.unwrap();
    assert_eq!((unchanged.version, unchanged.content.as_deref()), (2, Some("secret\n")));
    // They may still create documents.
    s.mia.document(&s.project, "another", "").await;
}

#[tokio::test]
async fn a_retry_of_an_upload_requires_the_permission_to_read_the_attachment() {
    let s = team().await;
    let header = pb::UploadHeader { request_id: new_id(), ..header(&s.project) };
    let made = upload(&s.mia, header.clone(), b"abc", 3).await.unwrap();
    let resumable = create(&s.mia, upload_request(&s, 3)).await.unwrap();
    send_chunks(&s.mia, &resumable.id, 0, b"abc").await.unwrap();
    complete(&s.mia, &resumable.id, "").await.unwrap();
    deny(&s, &s.mia, Permission::AttachmentRead).await;
    let get = || pb::GetAttachmentRequest { attachment_id: made.id.clone() };
    until("denied", async || s.mia.attachments().get_attachment(get()).await.is_err()).await;

    let renamed = pb::Attachment { id: made.id.clone(), filename: "x".to_owned(), ..Default::default() };
    let rename = pb::UpdateAttachmentRequest { attachment: Some(renamed), ..Default::default() };
    for refusal in [
        upload(&s.mia, header, b"abc", 3).await,
        complete(&s.mia, &resumable.id, "").await,
        s.mia.attachments().update_attachment(rename).await.map(tonic::Response::into_inner),
    ] {
        assert_eq!(summary(&refusal.unwrap_err()), DENIED);
    }
}

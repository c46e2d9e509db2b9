use expect_test::expect;
use prost::Message;
use proto::common::{StructPatch, StructPath};
use proto::content::v1 as pb;
use proto::project::v1::ArchiveProjectRequest;
use serde_json::json;
use shared::json::to_struct;
use shared::server::MAX_MESSAGE_BYTES;
use testkit::*;
use tonic::Status;

use crate::fixtures::{ToTarget, header, team, to_document, to_project, to_task, until, upload};

async fn get(who: &Actor, id: &str) -> Result<pb::Attachment, Status> {
    let request = pb::GetAttachmentRequest { attachment_id: id.to_owned() };
    Ok(who.attachments().get_attachment(request).await?.into_inner())
}

async fn update(who: &Actor, request: pb::UpdateAttachmentRequest) -> Result<pb::Attachment, Status> {
    Ok(who.attachments().update_attachment(request).await?.into_inner())
}

async fn list(
    who: &Actor,
    request: pb::ListAttachmentsRequest,
) -> Result<pb::ListAttachmentsResponse, Status> {
    Ok(who.attachments().list_attachments(request).await?.into_inner())
}

#[tokio::test]
async fn members_read_an_attachment_and_strangers_do_not() {
    let s = team().await;
    let metadata = Some(to_struct(&json!({"a": [1, "x"]})));
    let made = upload(&s.mia, pb::UploadHeader { metadata, ..header(&s.project) }, b"abc", 3).await.unwrap();
    assert_eq!(get(&s.gus, &made.id).await.unwrap(), made);
    let by_stranger = get(&s.sam, &made.id).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    assert_eq!(violations(&get(&s.gus, "x").await.unwrap_err()), ["attachment_id"]);
}

#[tokio::test]
async fn pages_are_ordered_from_newest_to_oldest() {
    let s = team().await;
    let task = s.mia.task(&s.project, "read").await;
    let header = pb::UploadHeader { target: to_task(&task.id), ..header(&s.project) };
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(upload(&s.mia, header.clone(), b"abc", 3).await.unwrap());
    }
    made.reverse();
    let mut request =
        pb::ListAttachmentsRequest { target: to_task(&task.id), page_size: 2, ..Default::default() };
    let first = list(&s.gus, request.clone()).await.unwrap();
    request.page_token = first.next_page_token;
    let second = list(&s.gus, request.clone()).await.unwrap();
    assert_eq!((first.attachments.len(), second.next_page_token.as_str()), (2, ""));
    assert_eq!([first.attachments, second.attachments].concat(), made);

    request.page_token.clear();
    let by_stranger = list(&s.sam, request).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let garbage = pb::ListAttachmentsRequest { page_size: -1, ..Default::default() };
    let fields = violations(&list(&s.mia, garbage).await.unwrap_err());
    assert_eq!(fields, ["target", "page_size"]);
}

#[tokio::test]
async fn an_admin_deletes_an_attachment_and_a_member_does_not() {
    let s = team().await;
    let made = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let request = pb::DeleteAttachmentRequest { attachment_id: made.id.clone(), ..Default::default() };
    let by_member = s.mia.attachments().delete_attachment(request.clone()).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_member));
    let by_stranger = s.sam.attachments().delete_attachment(request.clone()).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let stale = pb::DeleteAttachmentRequest { etag: "x".to_owned(), ..request.clone() };
    let stale = s.olga.attachments().delete_attachment(stale).await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&stale));
    s.olga.attachments().delete_attachment(request.clone()).await.unwrap();
    let again = s.olga.attachments().delete_attachment(request).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&again));
    let gone = get(&s.mia, &made.id).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&gone));
}

#[tokio::test]
async fn attachments_of_an_unknown_or_unreadable_target_are_not_found() {
    let s = team().await;
    let task = s.mia.task(&s.project, "read").await;
    let document = s.mia.document(&s.project, "plan", "").await;
    for (of_project, to_target) in [
        (s.project.id.as_str(), to_project as ToTarget),
        (document.id.as_str(), to_document),
        (task.id.as_str(), to_task),
    ] {
        let request = |id: &str| pb::ListAttachmentsRequest { target: to_target(id), ..Default::default() };
        let empty = list(&s.gus, request(of_project)).await.unwrap();
        assert!(empty.attachments.is_empty());
        for refusal in [list(&s.sam, request(of_project)).await, list(&s.gus, request(&new_id())).await] {
            expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&refusal.unwrap_err()));
        }
    }
}

#[tokio::test]
async fn a_member_renames_an_attachment_and_changes_its_metadata() {
    let s = team().await;
    let made = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let attachment = pb::Attachment {
        id: made.id.clone(),
        filename: "../new\u{202e} name.txt".to_owned(),
        metadata: Some(to_struct(&json!({"a": {"b": 1, "c": 2}}))),
        etag: made.etag.clone(),
        ..Default::default()
    };
    let request = pb::UpdateAttachmentRequest { attachment: Some(attachment), ..Default::default() };
    let renamed = update(&s.mia, request.clone()).await.unwrap();
    assert_eq!((renamed.filename.as_str(), renamed.original_filename.as_str()), ("new name.txt", "plan.txt"));
    assert_ne!((&renamed.etag, renamed.updated_at), (&made.etag, made.updated_at));
    assert_eq!(get(&s.gus, &made.id).await.unwrap(), renamed);
    let stale = update(&s.mia, request).await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&stale));

    let id_only = || Some(pb::Attachment { id: made.id.clone(), ..Default::default() });
    let patch = StructPatch {
        set: Some(to_struct(&json!({"a": {"b": 3}}))),
        unset: vec![StructPath { keys: vec!["a".to_owned(), "c".to_owned()] }],
    };
    let patched = pb::UpdateAttachmentRequest {
        attachment: id_only(),
        metadata_patch: Some(patch),
        ..Default::default()
    };
    let patched = update(&s.mia, patched).await.unwrap();
    assert_eq!(patched.metadata, Some(to_struct(&json!({"a": {"b": 3}}))));
    let nothing = pb::UpdateAttachmentRequest { attachment: id_only(), ..Default::default() };
    assert_eq!(update(&s.mia, nothing).await.unwrap(), patched);
}

#[tokio::test]
async fn update_attachment_requires_the_permission_and_valid_fields() {
    let s = team().await;
    let made = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let request = |id: &str| {
        let filename = "new.txt".to_owned();
        let attachment = pb::Attachment { id: id.to_owned(), filename, ..Default::default() };
        pb::UpdateAttachmentRequest { attachment: Some(attachment), ..Default::default() }
    };
    let by_viewer = update(&s.gus, request(&made.id)).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
    for refusal in [update(&s.sam, request(&made.id)).await, update(&s.mia, request(&new_id())).await] {
        expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&refusal.unwrap_err()));
    }
    let malformed = pb::UpdateAttachmentRequest {
        attachment: Some(pb::Attachment { id: "x".to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["filename".to_owned(), "original_filename".to_owned()],
        }),
        ..Default::default()
    };
    let fields = violations(&update(&s.mia, malformed).await.unwrap_err());
    assert_eq!(fields, ["update_mask", "attachment.id", "attachment.filename"]);
    let archive = ArchiveProjectRequest { project_id: s.project.id.clone(), ..Default::default() };
    s.olga.projects().archive_project(archive).await.unwrap();
    until("archived", async || update(&s.mia, request(&made.id)).await.is_err()).await;
    let archived = update(&s.mia, request(&made.id)).await.unwrap_err();
    expect!["FAILED_PRECONDITION PROJECT_READ_ONLY"].assert_eq(&summary(&archived));
}

#[tokio::test]
async fn a_page_of_attachments_with_large_metadata_ends_early() {
    let s = team().await;
    let metadata = Some(to_struct(&json!({"m": "x".repeat(64_000)})));
    let header = pb::UploadHeader { metadata, ..header(&s.project) };
    for _ in 0..70 {
        upload(&s.mia, header.clone(), b"abc", 3).await.unwrap();
    }
    let mut request = pb::ListAttachmentsRequest {
        target: to_project(&s.project.id),
        page_size: 1_000,
        ..Default::default()
    };
    let first = list(&s.gus, request.clone()).await.unwrap();
    assert!(first.encoded_len() <= MAX_MESSAGE_BYTES && first.attachments.len() > 60);
    request.page_token = first.next_page_token;
    let second = list(&s.gus, request).await.unwrap();
    assert_eq!(first.attachments.len() + second.attachments.len(), 70);
    assert_eq!(second.next_page_token, "");
}

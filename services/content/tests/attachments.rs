use expect_test::expect;
use proto::content::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::{header, team, upload};

async fn get(who: &Actor, id: &str) -> Result<pb::Attachment, Status> {
    let request = pb::GetAttachmentRequest { attachment_id: id.to_owned() };
    Ok(who.attachments().get_attachment(request).await?.into_inner())
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
    let metadata = Some(shared::json::to_struct(&serde_json::json!({"a": [1, "x"]})));
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
    let header = pb::UploadHeader {
        entity_type: pb::EntityType::Task.into(),
        entity_id: task.id.clone(),
        ..header(&s.project)
    };
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(upload(&s.mia, header.clone(), b"abc", 3).await.unwrap());
    }
    made.reverse();
    let mut request = pb::ListAttachmentsRequest {
        entity_type: header.entity_type,
        entity_id: task.id,
        page_size: 2,
        ..Default::default()
    };
    let first = list(&s.gus, request.clone()).await.unwrap();
    request.page_token = first.next_page_token;
    let second = list(&s.gus, request.clone()).await.unwrap();
    assert_eq!((first.attachments.len(), second.next_page_token.as_str()), (2, ""));
    assert_eq!([first.attachments, second.attachments].concat(), made);

    request.page_token.clear();
    let by_stranger = list(&s.sam, request).await.unwrap();
    assert!(by_stranger.attachments.is_empty());
    let garbage = pb::ListAttachmentsRequest { page_size: -1, ..Default::default() };
    let fields = violations(&list(&s.mia, garbage).await.unwrap_err());
    assert_eq!(fields, ["entity_type", "entity_id", "page_size"]);
}

#[tokio::test]
async fn an_admin_deletes_an_attachment_and_a_member_does_not() {
    let s = team().await;
    let made = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let request = pb::DeleteAttachmentRequest { attachment_id: made.id.clone() };
    let by_member = s.mia.attachments().delete_attachment(request.clone()).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_member));
    let by_stranger = s.sam.attachments().delete_attachment(request.clone()).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    s.olga.attachments().delete_attachment(request.clone()).await.unwrap();
    let again = s.olga.attachments().delete_attachment(request).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&again));
    let gone = get(&s.mia, &made.id).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&gone));
}

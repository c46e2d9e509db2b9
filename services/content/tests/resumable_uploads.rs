use chrono::TimeDelta;
use content::storage::StorageOptions;
use expect_test::expect;
use futures::stream;
use proto::content::v1 as pb;
use proto::content::v1::UploadState::{Cancelled, Completed, Expired, Open};
use proto::content::v1::upload_chunks_request::Part;
use proto::project::v1::{
    ArchiveProjectRequest, Member, ProjectRole, RemoveMemberRequest, UpdateMemberRequest,
};
use sha2::{Digest, Sha256};
use testkit::*;
use tonic::Status;

use crate::fixtures::{
    Team, ToTarget, count, download, noise, stored_files, team, to_document, to_project, to_task, until,
    until_nothing_is_kept, wait_for_recorded_deletions,
};

/// An upload of so many bytes to the project.
pub fn new_upload(s: &Team, size: usize) -> pb::Upload {
    pb::Upload {
        target: to_project(&s.project.id),
        filename: "film.bin".to_owned(),
        size: size as i64,
        ..Default::default()
    }
}

pub fn request_for(upload: pb::Upload) -> pb::CreateUploadRequest {
    pb::CreateUploadRequest { request_id: new_id(), upload: Some(upload) }
}

pub fn upload_request(s: &Team, size: usize) -> pb::CreateUploadRequest {
    request_for(new_upload(s, size))
}

pub async fn create(who: &Actor, request: pb::CreateUploadRequest) -> Result<pb::Upload, Status> {
    Ok(who.attachments().create_upload(request).await?.into_inner())
}

pub fn message(part: Part) -> pb::UploadChunksRequest {
    pb::UploadChunksRequest { part: Some(part) }
}

pub fn chunks(id: &str, offset: usize, bytes: &[u8]) -> Vec<pb::UploadChunksRequest> {
    let header = pb::UploadChunksHeader { upload_id: id.to_owned(), offset: offset as i64 };
    let chunks = bytes.chunks(100_000).map(|chunk| message(Part::Chunk(chunk.to_vec().into())));
    std::iter::once(message(Part::Header(header))).chain(chunks).collect()
}

/// Sends bytes from this offset on.
pub async fn send(who: &Actor, id: &str, offset: usize, bytes: &[u8]) -> Result<pb::Upload, Status> {
    Ok(who.attachments().upload_chunks(stream::iter(chunks(id, offset, bytes))).await?.into_inner())
}

pub async fn get(who: &Actor, id: &str) -> Result<pb::Upload, Status> {
    Ok(who.attachments().get_upload(pb::GetUploadRequest { upload_id: id.to_owned() }).await?.into_inner())
}

pub async fn complete(who: &Actor, id: &str, sha256: &str) -> Result<pb::Attachment, Status> {
    let request = pb::CompleteUploadRequest { upload_id: id.to_owned(), sha256: sha256.to_owned() };
    Ok(who.attachments().complete_upload(request).await?.into_inner())
}

pub async fn cancel(who: &Actor, id: &str) -> Result<pb::Upload, Status> {
    Ok(who
        .attachments()
        .cancel_upload(pb::CancelUploadRequest { upload_id: id.to_owned() })
        .await?
        .into_inner())
}

pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[tokio::test]
async fn an_upload_in_two_streams_becomes_an_attachment() {
    let s = team().await;
    let bytes = noise(700_000);
    let made = create(&s.mia, request_for(pb::Upload { sha256: hash(&bytes), ..new_upload(&s, 700_000) }))
        .await
        .unwrap();
    assert_eq!((made.state(), made.committed_offset, made.size), (Open, 0, 700_000));

    let half = send(&s.mia, &made.id, 0, &bytes[..300_001]).await.unwrap();
    assert_eq!(half.committed_offset, 300_001);
    assert_eq!(get(&s.mia, &made.id).await.unwrap(), half);
    let early = complete(&s.mia, &made.id, "").await.unwrap_err();
    expect!["FAILED_PRECONDITION UPLOAD_INCOMPLETE"].assert_eq(&summary(&early));
    // Stored bytes may be sent again.
    let whole = send(&s.mia, &made.id, 200_000, &bytes[200_000..]).await.unwrap();
    assert_eq!(whole.committed_offset, 700_000);
    let again = send(&s.mia, &made.id, 0, &bytes).await.unwrap();
    assert_eq!(again.committed_offset, 700_000);

    let attachment = complete(&s.mia, &made.id, &hash(&bytes)).await.unwrap();
    assert_eq!((attachment.id.clone(), attachment.file_size), (made.attachment_id, 700_000));
    assert_eq!((attachment.filename.as_str(), attachment.sha256.clone()), ("film.bin", hash(&bytes)));
    assert_eq!(complete(&s.mia, &made.id, "").await.unwrap(), attachment, "a retry returns it");
    assert_eq!(get(&s.mia, &made.id).await.unwrap().state(), Completed);
    assert!(download(&s.gus, &attachment.id, 0, 0).await.unwrap().1 == bytes);
    until("one object", async || stored_files(&s.suite).len() == 1).await;
}

#[tokio::test]
async fn a_retry_of_create_upload_returns_the_first_upload() {
    let s = team().await;
    let request = upload_request(&s, 10);
    let first = create(&s.mia, request.clone()).await.unwrap();
    send(&s.mia, &first.id, 0, b"abc").await.unwrap();
    let again = create(&s.mia, request.clone()).await.unwrap();
    assert_eq!((again.id, again.committed_offset), (first.id, 3));
    let other = create(&s.mia, pb::CreateUploadRequest { upload: Some(new_upload(&s, 11)), ..request })
        .await
        .unwrap_err();
    expect!["FAILED_PRECONDITION REQUEST_ID_REUSED"].assert_eq(&summary(&other));
}

#[tokio::test]
async fn create_upload_checks_size_permission_and_fields() {
    let s = team().await;
    let too_large = create(&s.mia, upload_request(&s, MAX_ATTACHMENT_BYTES as usize + 1)).await.unwrap_err();
    expect!["INVALID_ARGUMENT TOO_LARGE"].assert_eq(&summary(&too_large));
    let garbage = pb::CreateUploadRequest {
        request_id: "x".to_owned(),
        upload: Some(pb::Upload { sha256: "X".to_owned(), ..Default::default() }),
    };
    let fields = violations(&create(&s.mia, garbage).await.unwrap_err());
    assert_eq!(fields, ["request_id", "upload.target", "upload.filename", "upload.sha256", "upload.size"]);
    let document = s.mia.document(&s.project, "plan", "").await;
    let task = s.mia.task(&s.project, "read the plan").await;
    for (to_target, id) in
        [(to_project as ToTarget, s.project.id.clone()), (to_document, document.id), (to_task, task.id)]
    {
        let request_to = |id: &str| request_for(pb::Upload { target: to_target(id), ..new_upload(&s, 10) });
        let request = || request_to(&id);
        let by_viewer = create(&s.gus, request()).await.unwrap_err();
        expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
        let by_stranger = create(&s.sam, request()).await.unwrap_err();
        expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
        let nowhere = create(&s.mia, request_to(&new_id())).await;
        expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&nowhere.unwrap_err()));
        create(&s.mia, request()).await.unwrap();
    }
}

#[tokio::test]
async fn bytes_that_do_not_fit_are_refused() {
    let s = team().await;
    let upload = create(&s.mia, upload_request(&s, 10)).await.unwrap();
    let ahead = send(&s.mia, &upload.id, 1, b"abc").await.unwrap_err();
    expect!["FAILED_PRECONDITION UPLOAD_OFFSET_MISMATCH"].assert_eq(&summary(&ahead));
    let too_long = send(&s.mia, &upload.id, 0, b"eleven byte").await.unwrap_err();
    expect!["INVALID_ARGUMENT UPLOAD_TOO_LONG"].assert_eq(&summary(&too_long));
    let negative = pb::UploadChunksHeader { upload_id: "x".to_owned(), offset: -1 };
    let negative = stream::iter([message(Part::Header(negative))]);
    let fields = violations(&s.mia.attachments().upload_chunks(negative).await.unwrap_err());
    assert_eq!(fields, ["header.upload_id", "header.offset"]);
    let headless = stream::iter([message(Part::Chunk(vec![1].into()))]);
    assert_eq!(violations(&s.mia.attachments().upload_chunks(headless).await.unwrap_err()), ["header"]);

    send(&s.mia, &upload.id, 0, b"ten bytes!").await.unwrap();
    let wrong = complete(&s.mia, &upload.id, &hash(b"others")).await.unwrap_err();
    expect!["DATA_LOSS CHECKSUM_MISMATCH"].assert_eq(&summary(&wrong));
    let malformed = complete(&s.mia, "x", "y").await.unwrap_err();
    assert_eq!(violations(&malformed), ["upload_id", "sha256"]);
    complete(&s.mia, &upload.id, "").await.unwrap();
    let closed = send(&s.mia, &upload.id, 0, b"ten bytes!").await.unwrap_err();
    expect!["FAILED_PRECONDITION UPLOAD_CLOSED"].assert_eq(&summary(&closed));

    let announced = request_for(pb::Upload { sha256: hash(b"others"), ..new_upload(&s, 3) });
    let announced = create(&s.mia, announced).await.unwrap();
    send(&s.mia, &announced.id, 0, b"abc").await.unwrap();
    let wrong = complete(&s.mia, &announced.id, "").await.unwrap_err();
    expect!["DATA_LOSS CHECKSUM_MISMATCH"].assert_eq(&summary(&wrong));
}

#[tokio::test]
async fn a_cancelled_upload_leaves_no_bytes() {
    let s = team().await;
    let upload = create(&s.mia, upload_request(&s, 10)).await.unwrap();
    send(&s.mia, &upload.id, 0, b"abc").await.unwrap();
    assert_eq!(stored_files(&s.suite).len(), 1);
    let cancelled = cancel(&s.mia, &upload.id).await.unwrap();
    assert_eq!(cancelled.state(), Cancelled);
    assert_eq!(cancel(&s.mia, &upload.id).await.unwrap(), cancelled, "a retry changes nothing");
    for refusal in [
        send(&s.mia, &upload.id, 3, b"def").await.unwrap_err(),
        complete(&s.mia, &upload.id, "").await.unwrap_err(),
    ] {
        expect!["FAILED_PRECONDITION UPLOAD_CLOSED"].assert_eq(&summary(&refusal));
    }
    until_nothing_is_kept(&s.suite).await;

    let done = create(&s.mia, upload_request(&s, 3)).await.unwrap();
    send(&s.mia, &done.id, 0, b"abc").await.unwrap();
    complete(&s.mia, &done.id, "").await.unwrap();
    let late = cancel(&s.mia, &done.id).await.unwrap_err();
    expect!["FAILED_PRECONDITION UPLOAD_CLOSED"].assert_eq(&summary(&late));
}

#[tokio::test]
async fn an_upload_without_new_bytes_expires_and_is_deleted() {
    let s = team().await;
    let upload = create(&s.mia, upload_request(&s, 10)).await.unwrap();
    send(&s.mia, &upload.id, 0, b"abc").await.unwrap();
    let lifetime = s.suite.options.own::<StorageOptions>().limits.upload_lifetime();
    s.suite.options.clock.advance(lifetime - TimeDelta::hours(1));
    send(&s.mia, &upload.id, 3, b"def").await.unwrap();
    s.suite.options.clock.advance(lifetime - TimeDelta::hours(1));
    assert_eq!(get(&s.mia, &upload.id).await.unwrap().state(), Open, "bytes keep it alive");
    s.suite.options.clock.advance(TimeDelta::hours(1));
    assert_eq!(get(&s.mia, &upload.id).await.unwrap().state(), Expired);
    for refusal in [
        send(&s.mia, &upload.id, 6, b"g").await.unwrap_err(),
        complete(&s.mia, &upload.id, "").await.unwrap_err(),
    ] {
        expect!["FAILED_PRECONDITION UPLOAD_EXPIRED"].assert_eq(&summary(&refusal));
    }
    assert_eq!(cancel(&s.mia, &upload.id).await.unwrap().state(), Expired);
    until_nothing_is_kept(&s.suite).await;
    s.suite.options.clock.advance(TimeDelta::days(8));
    until("forgotten", async || count(&s.suite, "uploads").await == 0).await;
    let forgotten = get(&s.mia, &upload.id).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&forgotten));
}

/// Every method on somebody else's upload, or on one's own when one may no longer.
async fn refusals(who: &Actor, id: &str) -> Vec<String> {
    let refusals = [
        send(who, id, 0, b"x").await.map(drop),
        get(who, id).await.map(drop),
        complete(who, id, "").await.map(drop),
        cancel(who, id).await.map(drop),
    ];
    refusals.into_iter().map(|outcome| summary(&outcome.unwrap_err())).collect()
}

#[tokio::test]
async fn an_upload_is_visible_to_its_uploader_only() {
    let s = team().await;
    let upload = create(&s.mia, upload_request(&s, 10)).await.unwrap();
    for other in [&s.olga, &s.gus, &s.sam] {
        assert_eq!(refusals(other, &upload.id).await, ["NOT_FOUND RESOURCE_NOT_FOUND"; 4], "{}", other.name);
    }
    assert_eq!(refusals(&s.mia, &new_id()).await, ["NOT_FOUND RESOURCE_NOT_FOUND"; 4]);

    let member = Member {
        project_id: s.project.id.clone(),
        user_id: s.mia.id.to_string(),
        role: ProjectRole::Viewer.into(),
        ..Default::default()
    };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["role".to_owned()] });
    let request = UpdateMemberRequest { member: Some(member), update_mask };
    s.olga.members().update_member(request).await.unwrap();
    until("demoted", async || get(&s.mia, &upload.id).await.is_err()).await;
    assert_eq!(refusals(&s.mia, &upload.id).await, ["PERMISSION_DENIED PERMISSION_MISSING"; 4]);

    let request = RemoveMemberRequest {
        project_id: s.project.id.clone(),
        user_id: s.mia.id.to_string(),
        ..Default::default()
    };
    s.olga.members().remove_member(request).await.unwrap();
    until("removed", async || {
        get(&s.mia, &upload.id).await.is_err_and(|refusal| summary(&refusal).starts_with("NOT_FOUND"))
    })
    .await;
    assert_eq!(refusals(&s.mia, &upload.id).await, ["NOT_FOUND RESOURCE_NOT_FOUND"; 4]);
}

#[tokio::test]
async fn an_archived_project_accepts_no_bytes() {
    let s = team().await;
    let upload = create(&s.mia, upload_request(&s, 3)).await.unwrap();
    let request = ArchiveProjectRequest { project_id: s.project.id.clone(), ..Default::default() };
    s.olga.projects().archive_project(request).await.unwrap();
    until("archived", async || create(&s.mia, upload_request(&s, 3)).await.is_err()).await;
    assert_eq!(refusals(&s.mia, &upload.id).await, ["FAILED_PRECONDITION PROJECT_READ_ONLY"; 4]);
}

#[tokio::test]
async fn an_upload_to_a_deleted_target_is_refused_and_leaves_no_bytes() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "").await;
    let task = s.mia.task(&s.project, "read").await;
    let begin = async |target: Option<pb::ContentTarget>| {
        let upload = create(&s.mia, request_for(pb::Upload { target, ..new_upload(&s, 3) })).await.unwrap();
        send(&s.mia, &upload.id, 0, b"abc").await.unwrap();
        upload.id
    };
    let uploads = [begin(to_document(&document.id)).await, begin(to_task(&task.id)).await];
    let request = pb::DeleteDocumentRequest { document_id: document.id, ..Default::default() };
    s.olga.documents().delete_document(request).await.unwrap();
    let request = proto::task::v1::DeleteTaskRequest { task_id: task.id, ..Default::default() };
    s.olga.tasks().delete_task(request).await.unwrap();

    for upload in uploads {
        let refusal = complete(&s.mia, &upload, "").await.unwrap_err();
        expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&refusal));
    }
    assert_eq!(count(&s.suite, "file_attachments").await, 0);
    // The task's one was created, and deleted when the task was not found any more.
    wait_for_recorded_deletions(&s.suite).await;
    s.suite.options.clock.advance(TimeDelta::days(3));
    until_nothing_is_kept(&s.suite).await;
}

#[tokio::test]
async fn the_number_of_open_uploads_is_limited() {
    let s = team().await;
    let insert = format!(
        "INSERT INTO content.uploads (id, attachment_id, entity_type, entity_id, project_id, uploader_id, filename, \
         original_filename, size, expires_at) SELECT gen_random_uuid(), gen_random_uuid(), 'project', '{0}', '{0}', \
         '{1}', 'a', 'a', 1, now() + interval '1 day' FROM generate_series(1, 100)",
        s.project.id, s.mia.id
    );
    s.suite.execute(&insert).await;
    let refusal = create(&s.mia, upload_request(&s, 3)).await.unwrap_err();
    expect!["FAILED_PRECONDITION TOO_MANY_UPLOADS"].assert_eq(&summary(&refusal));
    create(&s.olga, upload_request(&s, 3)).await.unwrap();
}

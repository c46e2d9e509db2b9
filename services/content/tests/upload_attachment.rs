use std::time::Duration;

use expect_test::expect;
use futures::stream;
use proto::content::v1 as pb;
use proto::content::v1::upload_attachment_request::Part;
use testkit::*;

use crate::fixtures::{
    ToTarget, count, download, header, message, noise, stored_files, team, to_document, to_project, to_task,
    until, upload,
};

#[tokio::test]
async fn a_download_returns_the_uploaded_bytes() {
    let s = team().await;
    let bytes = noise(3 * 1024 * 1024 + 17);
    let mut header = header(&s.project);
    header.filename = "../secret/plan\n.bin".to_owned();
    let made = upload(&s.mia, header, &bytes, 77_777).await.unwrap();
    assert_eq!(made.file_size, bytes.len() as i64);
    assert_eq!(
        (made.filename.as_str(), made.original_filename.as_str()),
        ("plan.bin", "../secret/plan\n.bin")
    );
    assert_eq!(made.mime_type, "application/octet-stream");
    assert_eq!((made.project_id, made.uploader_id), (s.project.id.clone(), s.mia.id.to_string()));

    let (attachment, downloaded, largest) = download(&s.gus, &made.id, 0, 0).await.unwrap();
    assert_eq!(attachment.sha256, made.sha256);
    assert!(downloaded == bytes && largest <= 256 * 1024, "{largest}");
}

#[tokio::test]
async fn files_are_attached_to_projects_documents_and_tasks() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "").await;
    let task = s.mia.task(&s.project, "read the plan").await;
    for target in [to_project(&s.project.id), to_document(&document.id), to_task(&task.id)] {
        let header = pb::UploadHeader { target: target.clone(), ..header(&s.project) };
        let made = upload(&s.mia, header, "grüße".as_bytes(), 1).await.unwrap();
        assert_eq!(made.target, target);
        assert_eq!((made.project_id, made.mime_type.as_str()), (s.project.id.clone(), "text/plain"));
    }
}

#[tokio::test]
async fn upload_attachment_requires_the_permission_and_an_existing_target() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "").await;
    let task = s.mia.task(&s.project, "read the plan").await;
    for (to_target, id) in
        [(to_project as ToTarget, s.project.id.clone()), (to_document, document.id), (to_task, task.id)]
    {
        let header = pb::UploadHeader { target: to_target(&id), ..header(&s.project) };
        let by_viewer = upload(&s.gus, header.clone(), b"x", 1).await.unwrap_err();
        expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
        let by_stranger = upload(&s.sam, header.clone(), b"x", 1).await.unwrap_err();
        expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
        let nowhere = pb::UploadHeader { target: to_target(&new_id()), ..header };
        let nowhere = upload(&s.mia, nowhere, b"x", 1).await.unwrap_err();
        expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&nowhere));
    }
    assert!(stored_files(&s.suite).is_empty());
}

#[tokio::test]
async fn an_upload_is_refused_before_its_bytes_are_sent() {
    let s = team().await;
    let first = stream::iter([message(Part::Header(header(&s.project)))]);
    let never_ending = futures::StreamExt::chain(first, stream::pending());
    let upload = s.gus.attachments().upload_attachment(never_ending).await;
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&upload.unwrap_err()));
}

#[tokio::test]
async fn a_failed_upload_leaves_no_bytes() {
    let s = team().await;
    let too_large = upload(&s.mia, header(&s.project), &noise(8 * 1024 * 1024 + 1), 1 << 20).await;
    expect!["INVALID_ARGUMENT TOO_LARGE"].assert_eq(&summary(&too_large.unwrap_err()));
    let wrong_sum = pb::UploadHeader { sha256: "0".repeat(64), ..header(&s.project) };
    let wrong_sum = upload(&s.mia, wrong_sum, &noise(100_000), 1000).await.unwrap_err();
    expect!["DATA_LOSS CHECKSUM_MISMATCH"].assert_eq(&summary(&wrong_sum));
    let empty = upload(&s.mia, header(&s.project), b"", 1).await.unwrap_err();
    assert_eq!(violations(&empty), ["chunk"]);
    let large_chunk = upload(&s.mia, header(&s.project), &noise(2 << 20), 2 << 20).await.unwrap_err();
    assert_eq!(violations(&large_chunk), ["chunk"]);
    until("nothing kept", async || stored_files(&s.suite).is_empty()).await;
}

#[tokio::test]
async fn an_interrupted_upload_leaves_no_bytes() {
    let s = team().await;
    let begin = [Part::Header(header(&s.project)), Part::Chunk(noise(100_000).into())].map(message);
    let never_ending = futures::StreamExt::chain(stream::iter(begin), stream::pending());
    let mut attachments = s.mia.attachments();
    let upload = attachments.upload_attachment(never_ending);
    tokio::select! {
        _ = upload => panic!("the upload has not ended"),
        () = until("begun", async || count(&s.suite, "stored_parts").await == 1) => {}
    }
    until("given up", async || count(&s.suite, "uploads WHERE state = 'cancelled'").await == 1).await;
    assert_eq!(count(&s.suite, "file_attachments").await, 0, "what was cut off is not the file");
    until("nothing kept", async || stored_files(&s.suite).is_empty()).await;
}

#[tokio::test]
async fn the_header_comes_first_and_once() {
    let s = team().await;
    let send = async |parts: Vec<Option<Part>>| {
        let messages = parts.into_iter().map(|part| pb::UploadAttachmentRequest { part });
        let messages = stream::iter(messages.collect::<Vec<_>>());
        violations(&s.mia.attachments().upload_attachment(messages).await.unwrap_err())
    };
    let header = || Some(Part::Header(header(&s.project)));
    let chunk = || Some(Part::Chunk(vec![1].into()));
    assert_eq!(send(vec![chunk()]).await, ["header"]);
    assert_eq!(send(vec![]).await, ["header"]);
    assert_eq!(send(vec![None]).await, ["part"]);
    assert_eq!(send(vec![header(), chunk(), header()]).await, ["header"]);
    assert_eq!(send(vec![header(), None]).await, ["part"]);
}

#[tokio::test]
async fn every_malformed_field_of_the_header_is_named() {
    let s = team().await;
    let garbage = pb::UploadHeader {
        request_id: "x".to_owned(),
        target: to_task("x"),
        filename: String::new(),
        sha256: "X".to_owned(),
        metadata: Some(shared::json::to_struct(&serde_json::json!({"a": "\0"}))),
    };
    let fields = violations(&upload(&s.mia, garbage, b"x", 1).await.unwrap_err());
    let expected = ["request_id", "target.task_id", "filename", "sha256", "metadata"];
    assert_eq!(fields, expected.map(|field| format!("header.{field}")));
}

#[tokio::test]
async fn a_retry_returns_the_first_attachment_without_sending_bytes() {
    let s = team().await;
    let header = pb::UploadHeader { request_id: new_id(), ..header(&s.project) };
    let first = upload(&s.mia, header.clone(), b"once", 2).await.unwrap();
    let begin = stream::iter([message(Part::Header(header.clone()))]);
    let never_ending = futures::StreamExt::chain(begin, stream::pending());
    let mut attachments = s.mia.attachments();
    let again = tokio::time::timeout(Duration::from_secs(10), attachments.upload_attachment(never_ending));
    assert_eq!(again.await.unwrap().unwrap().into_inner(), first);
    assert_eq!(stored_files(&s.suite).len(), 1);
    assert_eq!(count(&s.suite, "uploads").await, 1);

    let other = pb::UploadHeader { filename: "other".to_owned(), ..header };
    let reused = upload(&s.mia, other, b"twice", 2).await.unwrap_err();
    expect!["FAILED_PRECONDITION REQUEST_ID_REUSED"].assert_eq(&summary(&reused));
}

#[tokio::test]
async fn two_uploads_with_one_request_id_create_one_attachment() {
    let s = team().await;
    let header = pb::UploadHeader { request_id: new_id(), ..header(&s.project) };
    let bytes = noise(300_000);
    let (one, two) = futures::future::join(
        upload(&s.mia, header.clone(), &bytes, 1000),
        upload(&s.mia, header.clone(), &bytes, 1000),
    )
    .await;
    let one = one.unwrap();
    assert_eq!(one, two.unwrap());
    until("one kept", async || stored_files(&s.suite).len() == 1).await;
    assert_eq!(count(&s.suite, "file_attachments").await, 1);
}

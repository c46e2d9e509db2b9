use expect_test::expect;
use proto::content::v1 as pb;
use proto::content::v1::DocumentStatus;
use proto::project::v1::ArchiveProjectRequest;
use testkit::*;
use tonic::Status;

use crate::fixtures::{read, team};

fn new_document(project_id: &str) -> pb::Document {
    pb::Document {
        project_id: project_id.to_owned(),
        title: "plan".to_owned(),
        content: Some("# Plan".to_owned()),
        ..Default::default()
    }
}

async fn create(who: &Actor, document: pb::Document) -> Result<pb::Document, Status> {
    let request = pb::CreateDocumentRequest { document: Some(document), ..Default::default() };
    Ok(who.documents().create_document(request).await?.into_inner())
}

#[tokio::test]
async fn a_member_creates_a_draft_with_its_first_version() {
    let s = team().await;
    let tags = vec!["a".to_owned(), "b".to_owned(), "a".to_owned()];
    let request = pb::CreateDocumentRequest {
        document: Some(pb::Document { tags, version: 7, ..new_document(&s.project.id) }),
        change_summary: Some("first words".to_owned()),
        ..Default::default()
    };
    let made = s.mia.documents().create_document(request).await.unwrap().into_inner();

    assert_eq!(made.status(), DocumentStatus::Draft);
    assert_eq!((made.version, made.content_type.as_str()), (1, "markdown"));
    assert_eq!(made.tags, ["a", "b"]);
    assert_eq!(made.author_id, s.mia.id.to_string());
    assert_eq!(read(&s.gus, &made.id).await.unwrap(), made);
    let first = pb::GetDocumentVersionRequest { document_id: made.id.clone(), version_number: 1 };
    let first = s.gus.documents().get_document_version(first).await.unwrap().into_inner();
    assert_eq!(first.content.as_deref(), Some("# Plan"));
    assert_eq!(first.change_summary.as_deref(), Some("first words"));
    assert_eq!(first.author_id, s.mia.id.to_string());
    assert_eq!(first.created_at, made.created_at);
}

#[tokio::test]
async fn create_document_requires_the_permission() {
    let s = team().await;
    let by_viewer = create(&s.gus, new_document(&s.project.id)).await.unwrap_err();
    let by_stranger = create(&s.sam, new_document(&s.project.id)).await.unwrap_err();
    let by_nobody = create(&s.suite.anonymous(), new_document(&s.project.id)).await;
    let nowhere = create(&s.olga, new_document(&new_id())).await.unwrap_err();

    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    expect!["UNAUTHENTICATED SESSION_REQUIRED"].assert_eq(&summary(&by_nobody.unwrap_err()));
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&nowhere));
}

#[tokio::test]
async fn a_retry_returns_the_first_document() {
    let s = team().await;
    let document = new_document(&s.project.id);
    let mut request = pb::CreateDocumentRequest {
        request_id: new_id(),
        document: Some(document.clone()),
        ..Default::default()
    };
    let first = s.mia.documents().create_document(request.clone()).await.unwrap().into_inner();
    let again = s.mia.documents().create_document(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);

    request.document = Some(pb::Document { title: "another".to_owned(), ..document });
    let reused = s.mia.documents().create_document(request).await.unwrap_err();
    expect!["FAILED_PRECONDITION REQUEST_ID_REUSED"].assert_eq(&summary(&reused));
}

#[tokio::test]
async fn an_id_is_used_once() {
    let s = team().await;
    let document = pb::Document { id: new_id(), ..new_document(&s.project.id) };
    let made = create(&s.mia, document.clone()).await.unwrap();
    assert_eq!(made.id, document.id);
    let taken = create(&s.mia, document).await.unwrap_err();
    expect!["ALREADY_EXISTS ALREADY_EXISTS"].assert_eq(&summary(&taken));
}

#[tokio::test]
async fn an_archived_project_is_read_only() {
    let s = team().await;
    let made = s.mia.document(&s.project, "plan", "").await;
    let archive = ArchiveProjectRequest { project_id: s.project.id.clone(), ..Default::default() };
    s.olga.projects().archive_project(archive).await.unwrap();
    crate::fixtures::until("archived", async || create(&s.mia, new_document(&s.project.id)).await.is_err())
        .await;
    let refusal = create(&s.mia, new_document(&s.project.id)).await.unwrap_err();
    expect!["FAILED_PRECONDITION PROJECT_READ_ONLY"].assert_eq(&summary(&refusal));
    assert_eq!(read(&s.gus, &made.id).await.unwrap(), made);
}

#[tokio::test]
async fn every_malformed_field_is_named() {
    let s = team().await;
    let garbage = pb::CreateDocumentRequest {
        request_id: "x".to_owned(),
        document: Some(pb::Document {
            id: "x".to_owned(),
            project_id: "x".to_owned(),
            content: Some("\0".to_owned()),
            content_type: "x".repeat(51),
            tags: vec![String::new()],
            metadata: Some(shared::json::to_struct(&serde_json::json!({"a": "\0"}))),
            ..Default::default()
        }),
        change_summary: Some("x".repeat(1001)),
    };
    let refusal = s.mia.documents().create_document(garbage).await.unwrap_err();
    let mut fields = violations(&refusal);
    fields.dedup();
    assert_eq!(
        fields,
        [
            "request_id",
            "change_summary",
            "document.id",
            "document.project_id",
            "document.title",
            "document.content",
            "document.content_type",
            "document.tags[0]",
            "document.metadata",
        ]
    );
    let nil = pb::Document { id: uuid::Uuid::nil().to_string(), ..new_document(&s.project.id) };
    assert_eq!(violations(&create(&s.mia, nil).await.unwrap_err()), ["document.id"]);
}

#[tokio::test]
async fn content_has_at_most_two_mebibytes() {
    let s = team().await;
    let mut content = "ü".repeat(1024 * 1024);
    let with_content =
        |content: &str| pb::Document { content: Some(content.to_owned()), ..new_document(&s.project.id) };
    let made = create(&s.mia, with_content(&content)).await.unwrap();
    assert_eq!(made.content.map(|content| content.len()), Some(2 * 1024 * 1024));
    content.push('x');
    let refusal = create(&s.mia, with_content(&content)).await.unwrap_err();
    assert_eq!(violations(&refusal), ["document.content"]);
}

use expect_test::expect;
use futures::future::join_all;
use proto::content::v1 as pb;
use testkit::*;

use crate::fixtures::{read, team, update, write};

#[tokio::test]
async fn a_new_content_is_a_new_version() {
    let s = team().await;
    let first = s.mia.document(&s.project, "plan", "one").await;
    let second = write(&s.olga, &first.id, "two", &first.etag).await.unwrap();
    assert_eq!((second.version, second.content.as_deref()), (2, Some("two")));
    assert_ne!(second.etag, first.etag);
    assert_eq!(read(&s.gus, &first.id).await.unwrap(), second);

    let request = pb::GetDocumentVersionRequest { document_id: first.id, version_number: 2 };
    let version = s.gus.documents().get_document_version(request).await.unwrap().into_inner();
    assert_eq!(version.content.as_deref(), Some("two"));
    assert_eq!(version.author_id, s.olga.id.to_string());
    assert_eq!(version.change_summary.as_deref(), Some("as requested"));
}

#[tokio::test]
async fn only_fields_in_the_mask_change() {
    let s = team().await;
    let first = s.mia.document(&s.project, "plan", "one").await;
    let change = pb::Document {
        id: first.id.clone(),
        title: "not named".to_owned(),
        content_type: "html".to_owned(),
        tags: vec!["x".to_owned()],
        metadata: Some(shared::json::to_struct(&serde_json::json!({"a": 1}))),
        ..Default::default()
    };
    let changed = update(&s.mia, change.clone(), &["content_type", "tags", "metadata"]).await.unwrap();
    assert_eq!((changed.title.as_str(), changed.version), ("plan", 1));
    assert_eq!((changed.content_type.as_str(), changed.tags.len()), ("html", 1));

    let unchanged = update(&s.mia, change.clone(), &[]).await.unwrap();
    assert_eq!(unchanged, changed);
    let same = update(&s.mia, change, &["tags"]).await.unwrap();
    assert_eq!(same, changed);
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let s = team().await;
    let first = s.mia.document(&s.project, "plan", "one").await;
    write(&s.mia, &first.id, "two", &first.etag).await.unwrap();
    let refusal = write(&s.mia, &first.id, "three", &first.etag).await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&refusal));
}

#[tokio::test]
async fn update_document_requires_the_permission() {
    let s = team().await;
    let first = s.mia.document(&s.project, "plan", "one").await;
    let by_viewer = write(&s.gus, &first.id, "two", "").await.unwrap_err();
    let by_stranger = write(&s.sam, &first.id, "two", "").await.unwrap_err();
    let nowhere = write(&s.olga, &new_id(), "two", "").await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&nowhere));

    s.publish_project().await;
    crate::fixtures::until("public", async || read(&s.sam, &first.id).await.is_ok()).await;
    let by_visitor = write(&s.sam, &first.id, "two", "").await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_visitor));
}

#[tokio::test]
async fn every_malformed_field_is_named() {
    let s = team().await;
    let garbage = pb::Document {
        id: "x".to_owned(),
        title: "\0".to_owned(),
        content: Some("\0".to_owned()),
        content_type: String::new(),
        tags: vec!["x".repeat(101)],
        ..Default::default()
    };
    let paths = ["title", "content", "content_type", "tags", "status"];
    let mut fields = violations(&update(&s.mia, garbage, &paths).await.unwrap_err());
    fields.dedup();
    assert_eq!(
        fields,
        [
            "update_mask",
            "document.id",
            "document.title",
            "document.content",
            "document.content_type",
            "document.tags"
        ]
    );
}

#[tokio::test]
async fn sixteen_concurrent_updates_create_sixteen_versions() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "start").await;
    let written = join_all((0..16).map(|writer| {
        let (mia, id) = (s.mia.clone(), document.id.clone());
        async move { write(&mia, &id, &format!("by writer {writer}"), "").await.unwrap() }
    }))
    .await;

    let mut numbers: Vec<i32> = written.iter().map(|document| document.version).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=17).collect::<Vec<_>>());
    for document in written {
        let request =
            pb::GetDocumentVersionRequest { document_id: document.id, version_number: document.version };
        let version = s.mia.documents().get_document_version(request).await.unwrap().into_inner();
        assert_eq!(version.content, document.content);
    }
}

use expect_test::expect;
use futures::future::join_all;
use proto::common::{StructPatch, StructPath};
use proto::content::v1 as pb;
use serde_json::json;
use shared::json::to_struct;
use testkit::*;

use crate::fixtures::{read, team, until_admitted, update, write};

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
        metadata: Some(to_struct(&json!({"a": 1}))),
        ..Default::default()
    };
    let changed = update(&s.mia, change.clone(), &["content_type", "tags", "metadata"]).await.unwrap();
    assert_eq!((changed.title.as_str(), changed.version), ("plan", 1));
    assert_eq!((changed.content_type.as_str(), changed.tags.len()), ("html", 1));

    let same = update(&s.mia, change.clone(), &["tags"]).await.unwrap();
    assert_eq!(same, changed);
    let id_only = pb::Document { id: first.id.clone(), ..Default::default() };
    assert_eq!(update(&s.mia, id_only.clone(), &[]).await.unwrap(), changed);
    let stale = pb::Document { etag: first.etag, ..id_only };
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&update(&s.mia, stale, &[]).await.unwrap_err()));

    // Without a mask, all populated fields change.
    let populated = update(&s.mia, change, &[]).await.unwrap();
    assert_eq!((populated.title.as_str(), populated.version), ("not named", 2));
    assert_eq!(populated.content.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_metadata_patch_changes_single_entries() {
    let s = team().await;
    let first = s.mia.document(&s.project, "plan", "one").await;
    let metadata = Some(to_struct(&json!({"a": {"b": 1, "c": 2}, "d": 3})));
    let whole = pb::Document { id: first.id.clone(), metadata, ..Default::default() };
    update(&s.mia, whole.clone(), &[]).await.unwrap();
    let patch = StructPatch {
        set: Some(to_struct(&json!({"a": {"b": 4}}))),
        unset: vec![StructPath { keys: vec!["d".to_owned()] }],
    };
    let request = |document, patch| pb::UpdateDocumentRequest {
        document: Some(document),
        metadata_patch: Some(patch),
        ..Default::default()
    };
    let id_only = pb::Document { id: first.id, ..Default::default() };
    let mut documents = s.mia.documents();
    let patched = documents.update_document(request(id_only.clone(), patch.clone())).await.unwrap();
    assert_eq!(patched.into_inner().metadata, Some(to_struct(&json!({"a": {"b": 4, "c": 2}}))));

    let both = documents.update_document(request(whole, patch)).await.unwrap_err();
    assert_eq!(violations(&both), ["metadata_patch"]);
    let large = |key: &str| StructPatch {
        set: Some(to_struct(&json!({key: "x".repeat(40_000)}))),
        ..Default::default()
    };
    documents.update_document(request(id_only.clone(), large("x"))).await.unwrap();
    let too_large = documents.update_document(request(id_only, large("y"))).await.unwrap_err();
    assert_eq!(violations(&too_large), ["metadata_patch"]);
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
            "document.tags[0]"
        ]
    );
}

#[tokio::test]
async fn sixteen_concurrent_updates_create_sixteen_versions() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "start").await;
    let written =
        join_all((0..16).map(|writer| {
            let (mia, id) = (s.mia.clone(), document.id.clone());
            async move {
                until_admitted(async || write(&mia, &id, &format!("by writer {writer}"), "").await).await
            }
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

use expect_test::expect;
use shared::proto::content::v1 as pb;
use suite::testing::*;

use crate::scene::{read, scene, write};

#[tokio::test]
async fn versions_are_listed_from_the_newest_without_contents() {
    let s = scene().await;
    let document = s.mia.document(&s.project, "plan", "1").await;
    for content in ["2", "3", "4", "5"] {
        write(&s.mia, &document.id, content, "").await.unwrap();
    }
    let mut request =
        pb::ListDocumentVersionsRequest { document_id: document.id, page_size: 2, ..Default::default() };
    let mut numbers = Vec::new();
    loop {
        let page = s.gus.documents().list_document_versions(request.clone()).await.unwrap().into_inner();
        assert!(page.versions.iter().all(|version| version.content.is_none()));
        numbers.extend(page.versions.iter().map(|version| version.version_number));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    let by_stranger = s.sam.documents().list_document_versions(request.clone()).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let garbage = pb::ListDocumentVersionsRequest { page_size: -1, ..Default::default() };
    let refusal = s.mia.documents().list_document_versions(garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["document_id", "page_size"]);
}

#[tokio::test]
async fn one_version_is_read_by_its_number() {
    let s = scene().await;
    let document = s.mia.document(&s.project, "plan", "1").await;
    let request =
        |number| pb::GetDocumentVersionRequest { document_id: document.id.clone(), version_number: number };
    let unknown = s.mia.documents().get_document_version(request(2)).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&unknown));
    let by_stranger = s.sam.documents().get_document_version(request(1)).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let refusal = s.mia.documents().get_document_version(request(0)).await.unwrap_err();
    assert_eq!(violations(&refusal), ["version_number"]);
}

#[tokio::test]
async fn an_old_content_becomes_the_newest_version() {
    let s = scene().await;
    let first = s.mia.document(&s.project, "plan", "one").await;
    let second = write(&s.mia, &first.id, "two", "").await.unwrap();
    let wish = pb::RestoreDocumentVersionRequest {
        request_id: new_id(),
        document_id: first.id.clone(),
        version_number: 1,
        etag: second.etag,
    };
    let restored = s.mia.documents().restore_document_version(wish.clone()).await.unwrap().into_inner();
    assert_eq!((restored.version, restored.content.as_deref()), (3, Some("one")));
    let again = s.mia.documents().restore_document_version(wish.clone()).await.unwrap().into_inner();
    assert_eq!(again, restored, "a retry makes no further version");
    assert_eq!(read(&s.gus, &first.id).await.unwrap(), restored);

    let reused = pb::RestoreDocumentVersionRequest { version_number: 2, ..wish.clone() };
    let reused = s.mia.documents().restore_document_version(reused).await.unwrap_err();
    expect!["FAILED_PRECONDITION REQUEST_ID_REUSED"].assert_eq(&summary(&reused));
    let stale = pb::RestoreDocumentVersionRequest { request_id: new_id(), ..wish };
    let stale = s.mia.documents().restore_document_version(stale).await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&stale));
}

#[tokio::test]
async fn who_may_not_restore() {
    let s = scene().await;
    let document = s.mia.document(&s.project, "plan", "one").await;
    let wish = pb::RestoreDocumentVersionRequest {
        document_id: document.id.clone(),
        version_number: 1,
        ..Default::default()
    };
    let by_viewer = s.gus.documents().restore_document_version(wish.clone()).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
    let by_stranger = s.sam.documents().restore_document_version(wish.clone()).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let unknown = pb::RestoreDocumentVersionRequest { version_number: 9, ..wish };
    let unknown = s.mia.documents().restore_document_version(unknown).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&unknown));
}

use diesel_async::SimpleAsyncConnection;
use expect_test::expect;
use local_servers::suite::Role;
use prost::Message;
use proto::content::admin::v1::{ImportDocumentsRequest, ImportedDocument, ImportedDocumentVersion};
use proto::content::v1 as pb;
use shared::server::MAX_MESSAGE_BYTES;
use testkit::*;

use crate::fixtures::{read, team, update, write};
use crate::import_documents::imports;

#[tokio::test]
async fn versions_are_listed_from_the_newest_without_contents() {
    let s = team().await;
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
async fn a_page_of_versions_with_contents_ends_before_it_is_too_large() {
    let s = team().await;
    let large = "x".repeat(900 * 1024);
    let id = s.mia.document(&s.project, "plan", "1").await.id;
    for number in 2..=6 {
        write(&s.mia, &id, &format!("{number}{}", if number < 6 { &large } else { "" }), "").await.unwrap();
    }
    let mut request = pb::ListDocumentVersionsRequest {
        document_id: id,
        page_size: 4,
        include_content: true,
        ..Default::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = s.gus.documents().list_document_versions(request.clone()).await.unwrap().into_inner();
        let firsts =
            page.versions.iter().map(|version| version.content.as_ref().unwrap().chars().next().unwrap());
        pages.push(firsts.collect::<String>());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, ["654", "321"]);
}

#[tokio::test]
async fn restoring_a_version_restores_its_title() {
    let s = team().await;
    let first = s.mia.document(&s.project, "old name", "one").await;
    let renamed = pb::Document { title: "new name".to_owned(), ..first.clone() };
    let renamed = update(&s.mia, renamed, &["title"]).await.unwrap();
    assert_eq!((renamed.version, renamed.content.as_deref()), (2, Some("one")));
    let listed = pb::ListDocumentVersionsRequest { document_id: first.id.clone(), ..Default::default() };
    let listed = s.gus.documents().list_document_versions(listed).await.unwrap().into_inner().versions;
    let told: Vec<_> = listed.iter().map(|v| (v.title.as_str(), v.change_summary.as_deref())).collect();
    assert_eq!(told, [("new name", Some("as requested")), ("old name", None)]);

    let restore =
        pb::RestoreDocumentVersionRequest { document_id: first.id, version_number: 1, ..Default::default() };
    let restored = s.mia.documents().restore_document_version(restore).await.unwrap().into_inner();
    assert_eq!((restored.version, restored.title.as_str()), (3, "old name"));
}

#[tokio::test]
async fn the_database_assigns_version_numbers_and_rejects_gaps() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", "one").await.id;
    let mut conn = s.suite.connect_as(Role::requests_of("content")).await;
    conn.batch_execute(&format!("SET app.current_user_id = '{}'", s.mia.id)).await.unwrap();
    conn.batch_execute("UPDATE content.documents SET content = 'by hand'").await.unwrap();
    let counted = read(&s.mia, &id).await.unwrap();
    assert_eq!(counted.version, 2);
    let request = pb::GetDocumentVersionRequest { document_id: id, version_number: 2 };
    let version = s.mia.documents().get_document_version(request).await.unwrap().into_inner();
    assert_eq!(version.content.as_deref(), Some("by hand"));
    conn.batch_execute("UPDATE content.documents SET tags = '{a}'").await.unwrap();
    for gap in ["version = 4", "version = 1", "version = 9, content = 'x'"] {
        let refused = conn.batch_execute(&format!("UPDATE content.documents SET {gap}")).await;
        assert!(refused.unwrap_err().to_string().contains("does not follow"), "{gap}");
    }
}

#[tokio::test]
async fn a_version_is_read_by_its_number() {
    let s = team().await;
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
async fn restoring_an_old_version_creates_the_newest() {
    let s = team().await;
    let first = s.mia.document(&s.project, "plan", "one").await;
    let second = write(&s.mia, &first.id, "two", "").await.unwrap();
    let request = pb::RestoreDocumentVersionRequest {
        request_id: new_id(),
        document_id: first.id.clone(),
        version_number: 1,
        etag: second.etag,
    };
    let restored = s.mia.documents().restore_document_version(request.clone()).await.unwrap().into_inner();
    assert_eq!((restored.version, restored.content.as_deref()), (3, Some("one")));
    let again = s.mia.documents().restore_document_version(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, restored, "a retry makes no further version");
    assert_eq!(read(&s.gus, &first.id).await.unwrap(), restored);

    let reused = pb::RestoreDocumentVersionRequest { version_number: 2, ..request.clone() };
    let reused = s.mia.documents().restore_document_version(reused).await.unwrap_err();
    expect!["FAILED_PRECONDITION REQUEST_ID_REUSED"].assert_eq(&summary(&reused));
    let stale = pb::RestoreDocumentVersionRequest { request_id: new_id(), ..request };
    let stale = s.mia.documents().restore_document_version(stale).await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&stale));
}

#[tokio::test]
async fn restore_document_version_requires_the_permission_and_an_existing_version() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "one").await;
    let request = pb::RestoreDocumentVersionRequest {
        document_id: document.id.clone(),
        version_number: 1,
        ..Default::default()
    };
    let by_viewer = s.gus.documents().restore_document_version(request.clone()).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
    let by_stranger = s.sam.documents().restore_document_version(request.clone()).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let unknown = pb::RestoreDocumentVersionRequest { version_number: 9, ..request };
    let unknown = s.mia.documents().restore_document_version(unknown).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&unknown));
}

#[tokio::test]
async fn a_page_of_versions_with_long_summaries_ends_early() {
    const VERSIONS: i32 = 900;
    let s = team().await;
    let id = new_id();
    let version = |number| ImportedDocumentVersion {
        document_id: id.clone(),
        version_number: number,
        title: Some("\u{1f600}".repeat(255)),
        change_summary: Some("\u{1f600}".repeat(1_000)),
        author_id: s.mia.id.to_string(),
        ..Default::default()
    };
    let document = ImportedDocument {
        id: id.clone(),
        project_id: s.project.id.clone(),
        title: "plan".to_owned(),
        author_id: s.mia.id.to_string(),
        ..Default::default()
    };
    let batches = [
        ImportDocumentsRequest { documents: vec![document], ..Default::default() },
        ImportDocumentsRequest { versions: (1..=450).map(version).collect(), ..Default::default() },
        ImportDocumentsRequest { versions: (451..=VERSIONS).map(version).collect(), ..Default::default() },
    ];
    let batches = futures::stream::iter(batches);
    let mut answers = imports(&s).import_documents(batches).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(answer.results.iter().all(|result| result.reason.is_empty()));
    }
    let mut request =
        pb::ListDocumentVersionsRequest { document_id: id, page_size: 1_000, ..Default::default() };
    let mut numbers = Vec::new();
    loop {
        let page = s.gus.documents().list_document_versions(request.clone()).await.unwrap().into_inner();
        assert!(page.encoded_len() <= MAX_MESSAGE_BYTES);
        numbers.extend(page.versions.iter().map(|version| version.version_number));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(numbers, (1..=VERSIONS).rev().collect::<Vec<_>>());
}

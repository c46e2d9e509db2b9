use futures::stream;
use prost_types::Timestamp;
use proto::common::ImportOutcome::{Created, Refused, Unchanged};
use proto::common::{ImportOutcome, ImportResult};
use proto::content::admin::v1 as pb;
use proto::content::admin::v1::content_admin_service_client::ContentAdminServiceClient;
use proto::content::v1::{DocumentStatus, GetDocumentVersionRequest, ListDocumentVersionsRequest};
use shared::siblings::{Sibling, SiblingChannel};
use testkit::*;

use crate::fixtures::{Team, read, team, write};

pub fn imports(s: &Team) -> ContentAdminServiceClient<SiblingChannel> {
    ContentAdminServiceClient::new(s.suite.as_service("operator").channel(Sibling::Content))
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn document(s: &Team, line: u64, id: &str) -> pb::ImportedDocument {
    pb::ImportedDocument {
        line,
        id: id.to_owned(),
        project_id: s.project.id.clone(),
        title: "old plan".to_owned(),
        author_id: s.mia.id.to_string(),
        status: DocumentStatus::Published.into(),
        created_at: at(1_000),
        ..Default::default()
    }
}

fn version(s: &Team, line: u64, id: &str, number: i32) -> pb::ImportedDocumentVersion {
    pb::ImportedDocumentVersion {
        line,
        document_id: id.to_owned(),
        version_number: number,
        content: format!("text {number}"),
        author_id: s.gus.id.to_string(),
        created_at: at(1_000 + i64::from(number)),
        ..Default::default()
    }
}

async fn import(s: &Team, batches: Vec<pb::ImportDocumentsRequest>) -> Vec<ImportResult> {
    let mut answers = imports(s).import_documents(stream::iter(batches)).await.unwrap().into_inner();
    let mut results = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        results.extend(answer.results);
    }
    results
}

fn outcomes(results: &[ImportResult]) -> Vec<(u64, ImportOutcome)> {
    results.iter().map(|result| (result.line, result.outcome())).collect()
}

#[tokio::test]
async fn imported_documents_have_their_versions_and_dates() {
    let s = team().await;
    let id = new_id();
    let batch = pb::ImportDocumentsRequest {
        documents: vec![document(&s, 1, &id)],
        versions: vec![version(&s, 2, &id, 1), version(&s, 3, &id, 2)],
    };
    let later = pb::ImportDocumentsRequest { documents: vec![], versions: vec![version(&s, 4, &id, 3)] };
    let results = import(&s, vec![batch.clone(), later]).await;
    assert_eq!(outcomes(&results), [(1, Created), (2, Created), (3, Created), (4, Created)]);

    let imported = read(&s.gus, &id).await.unwrap();
    assert_eq!((imported.version, imported.content.as_deref()), (3, Some("text 3")));
    assert_eq!((imported.created_at, imported.updated_at), (at(1_000), at(1_003)));
    assert_eq!((imported.status(), imported.published_at), (DocumentStatus::Published, at(1_000)));
    let second = GetDocumentVersionRequest { document_id: id.clone(), version_number: 2 };
    let second = s.gus.documents().get_document_version(second).await.unwrap().into_inner();
    assert_eq!((second.content.as_deref(), second.created_at), (Some("text 2"), at(1_002)));

    let again = import(&s, vec![batch]).await;
    assert_eq!(outcomes(&again), [(1, Unchanged), (2, Unchanged), (3, Unchanged)]);
    assert_eq!(read(&s.gus, &id).await.unwrap(), imported);
    assert_eq!(write(&s.mia, &id, "new", "").await.unwrap().version, 4);
}

#[tokio::test]
async fn imported_versions_have_their_titles() {
    let s = team().await;
    let id = new_id();
    let named = |line, number, title: &str| pb::ImportedDocumentVersion {
        title: Some(title.to_owned()),
        ..version(&s, line, &id, number)
    };
    let versions =
        vec![named(2, 1, "first plan"), version(&s, 3, &id, 2), named(4, 3, "last plan"), named(5, 4, "")];
    let batch = pb::ImportDocumentsRequest { documents: vec![document(&s, 1, &id)], versions };
    let results = import(&s, vec![batch]).await;
    assert_eq!(outcomes(&results).last(), Some(&(5, Refused)));
    assert_eq!(read(&s.mia, &id).await.unwrap().title, "last plan");
    let listed = ListDocumentVersionsRequest { document_id: id, ..Default::default() };
    let listed = s.mia.documents().list_document_versions(listed).await.unwrap().into_inner().versions;
    let titles: Vec<&str> = listed.iter().rev().map(|version| version.title.as_str()).collect();
    assert_eq!(titles, ["first plan", "old plan", "last plan"]);
}

#[tokio::test]
async fn a_refused_item_does_not_affect_others() {
    let s = team().await;
    let (good, refused) = (new_id(), new_id());
    let documents = vec![
        document(&s, 1, &good),
        document(&s, 2, &good),
        pb::ImportedDocument { title: String::new(), ..document(&s, 3, &refused) },
        pb::ImportedDocument { author_id: new_id(), ..document(&s, 4, &refused) },
        pb::ImportedDocument { project_id: new_id(), ..document(&s, 5, &refused) },
    ];
    let versions = vec![
        version(&s, 6, &good, 1),
        version(&s, 7, &good, 3),
        version(&s, 8, &good, 1),
        version(&s, 9, &refused, 1),
        pb::ImportedDocumentVersion { author_id: new_id(), ..version(&s, 10, &good, 2) },
        version(&s, 11, &good, 0),
        version(&s, 12, &good, 2),
    ];
    let results = import(&s, vec![pb::ImportDocumentsRequest { documents, versions }]).await;
    let expected = [
        (1, Created),
        (2, Unchanged),
        (3, Refused),
        (4, Refused),
        (5, Refused),
        (6, Created),
        (7, Refused),
        (8, Unchanged),
        (9, Refused),
        (10, Refused),
        (11, Refused),
        (12, Created),
    ];
    assert_eq!(outcomes(&results), expected);
    assert_eq!(results[6].reason, "version_number: version 2 is missing");
    assert!(results[2].reason.starts_with("title: must have 1 to 255 characters"));
    assert_eq!(read(&s.mia, &good).await.unwrap().version, 2);
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused() {
    let s = team().await;
    let documents = vec![pb::ImportedDocument::default(); 1001];
    let batch = pb::ImportDocumentsRequest { documents, versions: vec![] };
    let mut answers = imports(&s).import_documents(stream::iter([batch])).await.unwrap().into_inner();
    assert_eq!(violations(&answers.message().await.unwrap_err()), ["documents"]);
}

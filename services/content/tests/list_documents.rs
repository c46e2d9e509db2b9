use diesel::sql_query;
use diesel_async::SimpleAsyncConnection as _;
use expect_test::expect;
use local_servers::suite::Role;
use prost::Message;
use proto::common::TimeRange;
use proto::content::v1 as pb;
use proto::content::v1::{DocumentOrder, DocumentStatus};
use serde_json::json;
use shared::json::to_struct;
use shared::server::MAX_MESSAGE_BYTES;
use testkit::*;
use tonic::Status;

use crate::fixtures::{
    MALFORMED_FILTER_FIELDS, Team, deny_document_read, malformed_filter, read, team, until,
};

async fn list(who: &Actor, request: &pb::ListDocumentsRequest) -> Result<pb::ListDocumentsResponse, Status> {
    Ok(who.documents().list_documents(request.clone()).await?.into_inner())
}

fn in_project(s: &Team) -> pb::DocumentFilter {
    pb::DocumentFilter { project_ids: vec![s.project.id.clone()], ..Default::default() }
}

fn matching(filter: pb::DocumentFilter) -> pb::ListDocumentsRequest {
    pb::ListDocumentsRequest { filter: Some(filter), ..Default::default() }
}

fn all(s: &Team) -> pb::ListDocumentsRequest {
    matching(in_project(s))
}

#[tokio::test]
async fn pages_are_ordered_from_newest_to_oldest() {
    let s = team().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(s.mia.document(&s.project, &format!("plan {number}"), "long text").await.id);
    }
    made.reverse();
    let mut request = pb::ListDocumentsRequest { page_size: 2, ..all(&s) };
    let mut seen = Vec::new();
    loop {
        let page = list(&s.gus, &request).await.unwrap();
        assert!(page.documents.len() <= 2 && page.documents.iter().all(|d| d.content.is_none()));
        seen.extend(page.documents.into_iter().map(|document| document.id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn filters_must_all_hold() {
    let s = team().await;
    let by_mia = s.mia.document(&s.project, "one", "").await;
    s.olga.document(&s.project, "two", "").await;
    let tagged = pb::Document {
        id: by_mia.id.clone(),
        tags: vec!["a".to_owned(), "b".to_owned()],
        ..Default::default()
    };
    crate::fixtures::update(&s.mia, tagged, &["tags"]).await.unwrap();

    let titles = async |filter| -> Vec<String> {
        let listed = list(&s.gus, &matching(filter)).await.unwrap();
        listed.documents.into_iter().map(|document| document.title).collect()
    };
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    assert_eq!(titles(in_project(&s)).await, ["two", "one"]);
    let filter = pb::DocumentFilter { author_ids: vec![s.mia.id.to_string()], ..in_project(&s) };
    assert_eq!(titles(filter).await, ["one"]);
    let authors = vec![s.mia.id.to_string(), s.olga.id.to_string()];
    let filter = pb::DocumentFilter { author_ids: authors, ..in_project(&s) };
    assert_eq!(titles(filter).await, ["two", "one"]);
    let filter = pb::DocumentFilter { all_tags: tags(&["a", "b"]), ..in_project(&s) };
    assert_eq!(titles(filter).await, ["one"]);
    let filter = pb::DocumentFilter { all_tags: tags(&["a", "c"]), ..in_project(&s) };
    assert!(titles(filter).await.is_empty());
    let filter = pb::DocumentFilter { no_tags: tags(&["b", "c"]), ..in_project(&s) };
    assert_eq!(titles(filter).await, ["two"]);
    let statuses = vec![DocumentStatus::Draft.into(), DocumentStatus::Review.into()];
    assert_eq!(titles(pb::DocumentFilter { statuses, ..in_project(&s) }).await.len(), 2);
    let statuses = vec![DocumentStatus::Published.into()];
    assert!(titles(pb::DocumentFilter { statuses, ..in_project(&s) }).await.is_empty());
}

#[tokio::test]
async fn more_filters_that_must_all_hold() {
    let s = team().await;
    let one = s.mia.document(&s.project, "one", "a fox").await;
    let two = s.mia.document(&s.project, "two", "a wolf").await;
    let told = pb::Document {
        id: one.id.clone(),
        tags: vec!["a".to_owned()],
        content_type: "html".to_owned(),
        metadata: Some(to_struct(&json!({"origin": {"page": 7, "wiki": "old"}}))),
        ..Default::default()
    };
    let one = crate::fixtures::update(&s.mia, told, &["tags", "content_type", "metadata"]).await.unwrap();
    let titles = async |filter| -> String {
        let listed = list(&s.gus, &matching(filter)).await.unwrap().documents;
        listed.into_iter().map(|document| document.title).collect::<Vec<_>>().join(" ")
    };
    let from = |start_time| Some(TimeRange { start_time, end_time: None });
    let before = |end_time| Some(TimeRange { start_time: None, end_time });
    let only_one = [
        pb::DocumentFilter { any_tags: vec!["a".to_owned(), "b".to_owned()], ..in_project(&s) },
        pb::DocumentFilter { content_types: vec!["html".to_owned()], ..in_project(&s) },
        pb::DocumentFilter { metadata: Some(to_struct(&json!({"origin": {"page": 7}}))), ..in_project(&s) },
        pb::DocumentFilter { created_at: before(two.created_at), ..in_project(&s) },
        pb::DocumentFilter { updated_at: from(one.updated_at), ..in_project(&s) },
        pb::DocumentFilter { text: "fox".to_owned(), ..in_project(&s) },
    ];
    for filter in only_one {
        assert_eq!(titles(filter.clone()).await, "one", "{filter:?}");
        let none = pb::DocumentFilter { content_types: vec!["text".to_owned()], ..filter };
        assert_eq!(titles(none).await, "");
    }
    let only_two = [
        pb::DocumentFilter { created_at: from(two.created_at), ..in_project(&s) },
        pb::DocumentFilter { updated_at: before(one.updated_at), ..in_project(&s) },
        pb::DocumentFilter { text: "-fox".to_owned(), ..in_project(&s) },
    ];
    for filter in only_two {
        assert_eq!(titles(filter.clone()).await, "two", "{filter:?}");
    }
}

#[tokio::test]
async fn documents_of_several_and_of_all_readable_projects_are_listed() {
    let s = team().await;
    let other = s.olga.project("other").await;
    let third = s.olga.project("third").await;
    s.olga.document(&third, "three", "").await;
    s.olga.document(&other, "two", "wolf").await;
    s.mia.document(&s.project, "one", "fox").await;
    let titles = async |who: &Actor, filter| -> String {
        let listed = list(who, &matching(filter)).await.unwrap().documents;
        listed.into_iter().map(|document| document.title).collect::<Vec<_>>().join(" ")
    };
    let project_ids = vec![s.project.id.clone(), other.id.clone()];
    let several = pb::DocumentFilter { project_ids, ..Default::default() };
    assert_eq!(titles(&s.olga, several.clone()).await, "one two");
    let wolves = pb::DocumentFilter { text: "wolf".to_owned(), ..several.clone() };
    assert_eq!(titles(&s.olga, wolves).await, "two");
    let refusal = list(&s.mia, &matching(several)).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&refusal));

    let everywhere = pb::DocumentFilter::default;
    until("trusted", async || list(&s.olga, &matching(everywhere())).await.is_ok()).await;
    assert_eq!(titles(&s.olga, everywhere()).await, "one two three");
    assert_eq!(titles(&s.mia, everywhere()).await, "one");
    assert_eq!(titles(&s.sam, everywhere()).await, "");
    assert_eq!(titles(&s.suite.anonymous(), everywhere()).await, "");
    let foxes = pb::DocumentFilter { text: "fox".to_owned(), ..Default::default() };
    assert_eq!(titles(&s.olga, foxes).await, "one");

    deny_document_read(&s, &s.mia).await;
    until("denied", async || titles(&s.mia, everywhere()).await.is_empty()).await;
    let denied = list(&s.mia, &all(&s)).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&denied));
}

#[tokio::test]
async fn a_page_of_documents_with_large_metadata_ends_early() {
    let s = team().await;
    let document = pb::Document {
        project_id: s.project.id.clone(),
        title: "plan".to_owned(),
        metadata: Some(to_struct(&json!({"m": "x".repeat(64_000)}))),
        ..Default::default()
    };
    for _ in 0..70 {
        let request = pb::CreateDocumentRequest { document: Some(document.clone()), ..Default::default() };
        s.mia.documents().create_document(request).await.unwrap();
    }
    let mut request = pb::ListDocumentsRequest { page_size: 1_000, ..all(&s) };
    let first = list(&s.gus, &request).await.unwrap();
    assert!(first.encoded_len() <= MAX_MESSAGE_BYTES && first.documents.len() > 60);
    request.page_token = first.next_page_token;
    let second = list(&s.gus, &request).await.unwrap();
    assert_eq!((first.documents.len() + second.documents.len(), second.next_page_token.as_str()), (70, ""));
}

#[tokio::test]
async fn each_order_returns_every_document_once() {
    let s = team().await;
    for title in ["b", "A", "d", "C", "b"] {
        s.mia.document(&s.project, title, "").await;
    }
    let first = all_of(&s).await.pop().unwrap();
    let first = pb::Document { id: first.id, tags: vec!["a".to_owned()], ..Default::default() };
    crate::fixtures::update(&s.mia, first, &["tags"]).await.unwrap();
    for (order, expected) in [
        (DocumentOrder::Unspecified, "b C d A b"),
        (DocumentOrder::CreatedDesc, "b C d A b"),
        (DocumentOrder::CreatedAsc, "b A d C b"),
        (DocumentOrder::UpdatedDesc, "b b C d A"),
        (DocumentOrder::UpdatedAsc, "A d C b b"),
        (DocumentOrder::TitleAsc, "A b b C d"),
    ] {
        let mut request = pb::ListDocumentsRequest { page_size: 2, order: order.into(), ..all(&s) };
        let mut seen = Vec::new();
        loop {
            let page = list(&s.gus, &request).await.unwrap();
            seen.extend(page.documents.into_iter().map(|document| document.title));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen.join(" "), expected, "{order:?}");
    }
}

async fn all_of(s: &Team) -> Vec<pb::Document> {
    list(&s.gus, &all(s)).await.unwrap().documents
}

#[tokio::test]
async fn a_page_token_of_another_query_is_refused() {
    let s = team().await;
    s.mia.document(&s.project, "one", "").await;
    s.mia.document(&s.project, "two", "").await;
    let first = list(&s.mia, &pb::ListDocumentsRequest { page_size: 1, ..all(&s) }).await.unwrap();
    let of_another = pb::ListDocumentsRequest { page_token: first.next_page_token, ..all(&s) };
    let in_another_order =
        pb::ListDocumentsRequest { order: DocumentOrder::TitleAsc.into(), ..of_another.clone() };
    for refusal in [list(&s.gus, &of_another).await, list(&s.mia, &in_another_order).await] {
        expect!["INVALID_ARGUMENT PAGE_TOKEN_INVALID"].assert_eq(&summary(&refusal.unwrap_err()));
    }
}

#[tokio::test]
async fn list_documents_refuses_strangers_and_malformed_fields() {
    let s = team().await;
    let document = s.mia.document(&s.project, "one", "").await;
    let by_stranger = list(&s.sam, &all(&s)).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let by_nobody = list(&s.suite.anonymous(), &all(&s)).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_nobody));
    let unseen = read(&s.sam, &document.id).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&unseen));
    assert_eq!(violations(&read(&s.mia, "x").await.unwrap_err()), ["document_id"]);

    let garbage = pb::ListDocumentsRequest {
        filter: Some(malformed_filter()),
        page_size: -1,
        order: 9,
        ..Default::default()
    };
    let mut fields = violations(&list(&s.mia, &garbage).await.unwrap_err());
    fields.dedup();
    assert_eq!(
        fields,
        [MALFORMED_FILTER_FIELDS, &["filter.text", "filter.metadata", "order", "page_size"]].concat()
    );
}

#[tokio::test]
async fn anyone_reads_a_public_project() {
    let s = team().await;
    let document = s.mia.document(&s.project, "one", "text").await;
    s.publish_project().await;
    let nobody = s.suite.anonymous();
    until("public", async || list(&nobody, &all(&s)).await.is_ok()).await;
    assert_eq!(list(&nobody, &all(&s)).await.unwrap().documents.len(), 1);
    assert_eq!(read(&nobody, &document.id).await.unwrap().content.as_deref(), Some("text"));
}

#[derive(Debug, diesel::QueryableByName)]
struct Scan {
    #[diesel(sql_type = diesel::sql_types::Text)]
    relation: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    entries: i64,
}

/// The scans of documents and their indexes that a page of 51 needs, with the entries that each reads. The server counts
/// them for a connection, so each page has its own.
async fn scans_of(suite: &Suite, who: &Actor, page: &str) -> Vec<Scan> {
    let mut conn = suite.connect_as(Role::requests_of(content::NAME)).await;
    use diesel_async::RunQueryDsl as _;
    conn.batch_execute(&format!("BEGIN; SET LOCAL app.current_user_id = '{}'", who.id)).await.unwrap();
    assert_eq!(sql_query(format!("SELECT * FROM {page}")).execute(&mut conn).await.unwrap(), 51);
    let scans = sql_query(
        "SELECT r.oid::regclass::text AS relation, pg_stat_get_xact_tuples_returned(r.oid) AS entries \
         FROM (SELECT indexrelid AS oid FROM pg_index WHERE indrelid = 'content.documents'::regclass \
             UNION ALL SELECT 'content.documents'::regclass) r \
         WHERE pg_stat_get_xact_numscans(r.oid) > 0",
    );
    scans.load(&mut conn).await.unwrap()
}

#[tokio::test]
async fn every_order_walks_its_index_in_a_project_that_has_just_been_filled() {
    let s = team().await;
    // The statistics are those of an empty table.
    s.suite
        .execute("ALTER TABLE content.documents SET (autovacuum_enabled = off); ANALYZE content.documents")
        .await;
    let fill = format!(
        "BEGIN; SET LOCAL session_replication_role = replica; \
         INSERT INTO content.documents (project_id, title, content, author_id, created_at, updated_at) \
         SELECT '{}', md5(i::text), 'text', '{}', now() - i * interval '1 minute', now() - i % 99 * interval '1 day' \
         FROM generate_series(1, 5000) i; COMMIT",
        s.project.id, s.olga.id
    );
    s.suite.execute(&fill).await;
    for (order, middle, index) in [
        ("'created', true", "now() - interval '1 day'", "content.idx_documents_project_newest"),
        ("'created', false", "now() - interval '1 day'", "content.idx_documents_project_newest"),
        ("'updated', true", "now() - interval '50 days'", "content.idx_documents_project_updated"),
        ("'updated', false", "now() - interval '50 days'", "content.idx_documents_project_updated"),
        ("'title', false", "'7f'", "content.idx_documents_project_title"),
    ] {
        for after in ["NULL, NULL".to_owned(), format!("({middle})::text, '{}'", s.project.id)] {
            let page = format!("content.list_project_documents('{}', {order}, {after}, 51)", s.project.id);
            let scans = scans_of(&s.suite, &s.olga, &page).await;
            assert!(
                matches!(&scans[..], [scan] if scan.relation == index && (51..=52).contains(&scan.entries)),
                "{order} after {after}: {scans:?}"
            );
        }
    }
}

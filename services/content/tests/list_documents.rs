use expect_test::expect;
use proto::content::v1 as pb;
use proto::content::v1::{DocumentOrder, DocumentStatus};
use serde_json::json;
use shared::json::to_struct;
use testkit::*;
use tonic::Status;

use crate::fixtures::{Team, read, team, until};

async fn list(who: &Actor, request: &pb::ListDocumentsRequest) -> Result<pb::ListDocumentsResponse, Status> {
    Ok(who.documents().list_documents(request.clone()).await?.into_inner())
}

fn all(s: &Team) -> pb::ListDocumentsRequest {
    pb::ListDocumentsRequest { project_id: s.project.id.clone(), ..Default::default() }
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

    let titles = async |request| -> Vec<String> {
        list(&s.gus, &request).await.unwrap().documents.into_iter().map(|document| document.title).collect()
    };
    assert_eq!(titles(all(&s)).await, ["two", "one"]);
    let filter = pb::ListDocumentsRequest { author_id: s.mia.id.to_string(), ..all(&s) };
    assert_eq!(titles(filter).await, ["one"]);
    let filter = pb::ListDocumentsRequest { tags: vec!["a".to_owned(), "b".to_owned()], ..all(&s) };
    assert_eq!(titles(filter).await, ["one"]);
    let filter = pb::ListDocumentsRequest { tags: vec!["a".to_owned(), "c".to_owned()], ..all(&s) };
    assert!(titles(filter).await.is_empty());
    let statuses = vec![DocumentStatus::Draft.into(), DocumentStatus::Review.into()];
    assert_eq!(titles(pb::ListDocumentsRequest { statuses, ..all(&s) }).await.len(), 2);
    let statuses = vec![DocumentStatus::Published.into()];
    assert!(titles(pb::ListDocumentsRequest { statuses, ..all(&s) }).await.is_empty());
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
    let titles = async |request| -> String {
        let listed = list(&s.gus, &request).await.unwrap().documents;
        listed.into_iter().map(|document| document.title).collect::<Vec<_>>().join(" ")
    };
    let only_one = [
        pb::ListDocumentsRequest { any_tags: vec!["a".to_owned(), "b".to_owned()], ..all(&s) },
        pb::ListDocumentsRequest { content_types: vec!["html".to_owned()], ..all(&s) },
        pb::ListDocumentsRequest { metadata: Some(to_struct(&json!({"origin": {"page": 7}}))), ..all(&s) },
        pb::ListDocumentsRequest { created_before: two.created_at, ..all(&s) },
        pb::ListDocumentsRequest { updated_from: one.updated_at, ..all(&s) },
        pb::ListDocumentsRequest { text: "fox".to_owned(), ..all(&s) },
    ];
    for filter in only_one {
        assert_eq!(titles(filter.clone()).await, "one", "{filter:?}");
        let none = pb::ListDocumentsRequest { content_types: vec!["text".to_owned()], ..filter };
        assert_eq!(titles(none).await, "");
    }
    let only_two = [
        pb::ListDocumentsRequest { created_from: two.created_at, ..all(&s) },
        pb::ListDocumentsRequest { updated_before: one.updated_at, ..all(&s) },
        pb::ListDocumentsRequest { text: "-fox".to_owned(), ..all(&s) },
    ];
    for filter in only_two {
        assert_eq!(titles(filter.clone()).await, "two", "{filter:?}");
    }
}

#[tokio::test]
async fn each_order_returns_every_document_once() {
    let s = team().await;
    for title in ["b", "A", "d", "C", "b"] {
        s.mia.document(&s.project, title, "").await;
    }
    let first = pb::Document { tags: vec!["a".to_owned()], ..all_of(&s).await.pop().unwrap() };
    crate::fixtures::update(&s.mia, first, &["tags"]).await.unwrap();
    for (order, expected) in [
        (DocumentOrder::Unspecified, "b C d A b"),
        (DocumentOrder::Newest, "b C d A b"),
        (DocumentOrder::Oldest, "b A d C b"),
        (DocumentOrder::LastUpdated, "b b C d A"),
        (DocumentOrder::FirstUpdated, "A d C b b"),
        (DocumentOrder::Title, "A b b C d"),
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
        pb::ListDocumentsRequest { order: DocumentOrder::Title.into(), ..of_another.clone() };
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
        project_id: "x".to_owned(),
        page_size: -1,
        page_token: String::new(),
        statuses: vec![77],
        author_id: "x".to_owned(),
        tags: vec![String::new()],
        any_tags: vec![String::new()],
        content_types: vec!["kind".to_owned(); 51],
        text: "\n".to_owned(),
        order: 9,
        ..Default::default()
    };
    let mut fields = violations(&list(&s.mia, &garbage).await.unwrap_err());
    fields.dedup();
    assert_eq!(
        fields,
        [
            "project_id",
            "statuses",
            "author_id",
            "tags",
            "any_tags",
            "content_types",
            "text",
            "order",
            "page_size"
        ]
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

//! Finding documents by their words.

use diesel::sql_query;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use expect_test::expect;
use local_servers::suite::Role;
use proto::content::v1 as pb;
use proto::project::v1::{ProjectRole, UpdateMemberRequest};
use testkit::*;
use tonic::Status;

use crate::fixtures::{Team, team, until, update, write};

async fn search(
    who: &Actor,
    request: pb::SearchDocumentsRequest,
) -> Result<pb::SearchDocumentsResponse, Status> {
    Ok(who.documents().search_documents(request).await?.into_inner())
}

fn everywhere(text: &str) -> pb::SearchDocumentsRequest {
    pb::SearchDocumentsRequest { text: text.to_owned(), ..Default::default() }
}

fn within(s: &Team, text: &str) -> pb::SearchDocumentsRequest {
    pb::SearchDocumentsRequest { project_id: s.project.id.clone(), ..everywhere(text) }
}

async fn titles(who: &Actor, request: pb::SearchDocumentsRequest) -> Vec<String> {
    let found = search(who, request).await.unwrap();
    found.matches.into_iter().map(|found| found.document.unwrap().title).collect()
}

fn marked(spans: &[pb::HighlightSpan]) -> String {
    spans.iter().map(|s| if s.is_match { format!("[{}]", s.text) } else { s.text.clone() }).collect()
}

#[tokio::test]
async fn words_in_title_and_content_are_found_ranked_and_highlighted() {
    let s = team().await;
    s.mia.document(&s.project, "Minutes", "We spoke of <b>rockets</b> & of a rocket's fuel.").await;
    s.mia.document(&s.project, "The rocket", "How it is built.").await;
    s.mia.document(&s.project, "Lunch", "Soup.").await;
    let found = search(&s.gus, within(&s, "Rocket")).await.unwrap().matches;
    let heads: Vec<_> = found.iter().map(|found| found.document.clone().unwrap()).collect();
    assert_eq!(heads.iter().map(|head| head.title.as_str()).collect::<Vec<_>>(), ["The rocket", "Minutes"]);
    assert!(heads.iter().all(|head| head.content.is_none() && !head.etag.is_empty()));
    assert!(found[0].rank > found[1].rank);
    assert_eq!(marked(&found[0].title), "The [rocket]");
    expect!["spoke of  [rockets]  & of a [rocket]'s fuel"].assert_eq(&marked(&found[1].excerpts[0].spans));
}

#[tokio::test]
async fn a_query_has_the_syntax_of_web_search_engines() {
    let s = team().await;
    s.mia.document(&s.project, "a", "red fox").await;
    s.mia.document(&s.project, "b", "fox red").await;
    s.mia.document(&s.project, "c", "blue fox").await;
    let sorted = async |text: &str| {
        let mut titles = titles(&s.gus, within(&s, text)).await;
        titles.sort();
        titles.concat()
    };
    assert_eq!(sorted("red fox").await, "ab");
    assert_eq!(sorted("\"red fox\"").await, "a");
    assert_eq!(sorted("red or blue").await, "abc");
    assert_eq!(sorted("fox -red").await, "c");
    assert_eq!(sorted("foxes").await, "abc");
    assert_eq!(sorted("the").await, "", "a word that says nothing finds nothing");
    assert_eq!(sorted("\u{e000}").await, "");
    assert_eq!(sorted("' \\ :* & | ( !").await, "");
}

#[tokio::test]
async fn changes_and_deletions_are_searchable_at_once() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "alpha").await;
    write(&s.mia, &document.id, "beta", "").await.unwrap();
    assert!(titles(&s.gus, within(&s, "alpha")).await.is_empty());
    assert_eq!(titles(&s.gus, within(&s, "beta")).await, ["plan"]);
    let renamed = pb::Document { id: document.id.clone(), title: "gamma".to_owned(), ..Default::default() };
    update(&s.mia, renamed, &["title"]).await.unwrap();
    assert_eq!(titles(&s.gus, within(&s, "gamma beta")).await, ["gamma"]);
    let gone = pb::DeleteDocumentRequest { document_id: document.id, ..Default::default() };
    s.olga.documents().delete_document(gone).await.unwrap();
    assert!(titles(&s.gus, within(&s, "beta")).await.is_empty());
}

#[tokio::test]
async fn pages_have_every_match_once_and_the_best_first() {
    let s = team().await;
    for number in 0..7 {
        s.mia.document(&s.project, &format!("n{number}"), &"fox ".repeat(1 + number % 3)).await;
    }
    let mut request = pb::SearchDocumentsRequest { page_size: 2, ..within(&s, "fox") };
    let mut seen: Vec<(f32, String)> = Vec::new();
    loop {
        let page = search(&s.gus, request.clone()).await.unwrap();
        seen.extend(page.matches.into_iter().map(|found| (found.rank, found.document.unwrap().title)));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a.0 >= b.0), "{seen:?}");
    let mut titles: Vec<String> = seen.into_iter().map(|(_, title)| title).collect();
    titles.sort();
    assert_eq!(titles, ["n0", "n1", "n2", "n3", "n4", "n5", "n6"]);

    let first =
        search(&s.gus, pb::SearchDocumentsRequest { page_size: 2, ..within(&s, "fox") }).await.unwrap();
    let of_another = pb::SearchDocumentsRequest { page_token: first.next_page_token, ..within(&s, "wolf") };
    let refusal = search(&s.gus, of_another).await.unwrap_err();
    expect!["INVALID_ARGUMENT PAGE_TOKEN_INVALID"].assert_eq(&summary(&refusal));
}

#[tokio::test]
async fn filters_narrow_a_search() {
    let s = team().await;
    let by_mia = s.mia.document(&s.project, "one", "fox").await;
    s.olga.document(&s.project, "two", "fox").await;
    let tagged = pb::Document { id: by_mia.id, tags: vec!["a".to_owned()], ..Default::default() };
    update(&s.mia, tagged, &["tags"]).await.unwrap();
    let of_mia = pb::SearchDocumentsRequest { author_id: s.mia.id.to_string(), ..within(&s, "fox") };
    assert_eq!(titles(&s.gus, of_mia).await, ["one"]);
    let tagged = pb::SearchDocumentsRequest { any_tags: vec!["a".into(), "b".into()], ..everywhere("fox") };
    until("trusted", async || search(&s.gus, everywhere("fox")).await.is_ok()).await;
    assert_eq!(titles(&s.gus, tagged).await, ["one"]);
}

#[tokio::test]
async fn a_search_in_all_projects_finds_only_what_the_caller_may_read() {
    let s = team().await;
    let secret = s.olga.project("secret").await;
    s.olga.document(&secret, "hidden", "fox").await;
    s.mia.document(&s.project, "shared", "fox").await;
    until("trusted", async || search(&s.olga, everywhere("fox")).await.is_ok()).await;
    let mut of_olga = titles(&s.olga, everywhere("fox")).await;
    of_olga.sort();
    assert_eq!(of_olga, ["hidden", "shared"]);
    assert_eq!(titles(&s.gus, everywhere("fox")).await, ["shared"]);
    assert!(titles(&s.sam, everywhere("fox")).await.is_empty());
    assert!(titles(&s.suite.anonymous(), everywhere("fox")).await.is_empty());
    let by_stranger = search(&s.sam, within(&s, "fox")).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));

    s.publish_project().await;
    until("public", async || !titles(&s.sam, everywhere("fox")).await.is_empty()).await;
    assert_eq!(titles(&s.suite.anonymous(), everywhere("fox")).await, ["shared"]);
}

#[tokio::test]
async fn a_member_who_may_not_read_documents_finds_none() {
    let s = team().await;
    s.mia.document(&s.project, "plan", "fox").await;
    let request = UpdateMemberRequest {
        member: Some(proto::project::v1::Member {
            project_id: s.project.id.clone(),
            user_id: s.gus.id.to_string(),
            role: ProjectRole::Viewer.into(),
            permissions: Some(shared::json::to_struct(&serde_json::json!({"document_read": false}))),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["permissions".to_owned()] }),
    };
    s.olga.members().update_member(request).await.unwrap();
    until("withdrawn", async || search(&s.gus, within(&s, "fox")).await.is_err()).await;
    let refusal = search(&s.gus, within(&s, "fox")).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&refusal));
    assert!(titles(&s.gus, everywhere("fox")).await.is_empty());
    assert_eq!(titles(&s.mia, everywhere("fox")).await, ["plan"]);
}

#[tokio::test]
async fn every_malformed_field_is_named() {
    let s = team().await;
    let far = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    let garbage = pb::SearchDocumentsRequest {
        text: "x".repeat(501),
        project_id: "x".to_owned(),
        page_size: -1,
        page_token: String::new(),
        statuses: vec![77],
        author_id: "x".to_owned(),
        tags: vec![String::new()],
        any_tags: vec!["x".repeat(101)],
        content_types: vec!["\n".to_owned()],
        metadata: Some(shared::json::to_struct(&serde_json::json!({"a": "\0"}))),
        created_from: far,
        created_before: far,
        updated_from: far,
        updated_before: far,
    };
    let mut fields = violations(&search(&s.mia, garbage).await.unwrap_err());
    fields.dedup();
    assert_eq!(
        fields,
        [
            "text",
            "project_id",
            "statuses",
            "author_id",
            "tags",
            "any_tags",
            "content_types",
            "metadata",
            "created_from",
            "created_before",
            "updated_from",
            "updated_before",
            "page_size"
        ]
    );
    assert_eq!(violations(&search(&s.mia, everywhere(" ")).await.unwrap_err()), ["text"]);
}

#[tokio::test]
async fn a_content_with_too_many_words_for_an_index_is_found_by_its_beginning() {
    let s = team().await;
    let words: String = (0..250_000).map(|number| format!("{number:x} ")).collect();
    assert!(words.len() < 2 * 1024 * 1024);
    s.mia.document(&s.project, "large", &format!("fox {words}")).await;
    assert_eq!(titles(&s.gus, within(&s, "fox")).await, ["large"]);
}

/// Whatever the code above it does: under the role of requests, neither the words nor the function that finds by them
/// tell of what the user may not read.
#[tokio::test]
async fn row_security_hides_search_vectors_from_strangers() {
    let s = team().await;
    s.mia.document(&s.project, "plan", "fox").await;
    let mut conn = s.suite.connect_as(Role::requests_of("content")).await;
    for (user, expected) in
        [(Some(s.gus.id), 1), (Some(s.sam.id), 0), (Some(uuid::Uuid::nil()), 0), (None, 0)]
    {
        let user = user.map(|id| id.to_string()).unwrap_or_default();
        conn.batch_execute(&format!("SET app.current_user_id = '{user}'")).await.unwrap();
        for rows in ["content.document_search", "content.search_documents('fox'::tsquery, NULL)"] {
            let found = sql_query(format!("SELECT FROM {rows}")).execute(&mut conn).await.unwrap();
            assert_eq!(found, expected, "{user} in {rows}");
        }
    }
    for change in
        ["DELETE FROM content.document_search", "UPDATE content.document_search SET search_vector = ''"]
    {
        assert!(sql_query(change).execute(&mut conn).await.is_err(), "{change}");
    }
}

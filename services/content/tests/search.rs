//! Finding documents by their words.

use diesel::sql_query;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use expect_test::expect;
use local_servers::suite::Role;
use prost::Message;
use proto::common::HighlightSpan;
use proto::content::v1 as pb;
use shared::server::MAX_MESSAGE_BYTES;
use testkit::*;
use tonic::Status;

use crate::fixtures::{
    MALFORMED_FILTER_FIELDS, Team, deny_document_read, malformed_filter, team, until, update, write,
};

async fn search(
    who: &Actor,
    request: pb::SearchDocumentsRequest,
) -> Result<pb::SearchDocumentsResponse, Status> {
    Ok(who.documents().search_documents(request).await?.into_inner())
}

fn everywhere(text: &str) -> pb::SearchDocumentsRequest {
    pb::SearchDocumentsRequest { query: text.to_owned(), ..Default::default() }
}

fn in_project(s: &Team) -> pb::DocumentFilter {
    pb::DocumentFilter { project_ids: vec![s.project.id.clone()], ..Default::default() }
}

fn within(s: &Team, text: &str) -> pb::SearchDocumentsRequest {
    pb::SearchDocumentsRequest { filter: Some(in_project(s)), ..everywhere(text) }
}

async fn titles(who: &Actor, request: pb::SearchDocumentsRequest) -> Vec<String> {
    let found = search(who, request).await.unwrap();
    found.matches.into_iter().map(|found| found.document.unwrap().title).collect()
}

fn marked(spans: &[HighlightSpan]) -> String {
    spans.iter().map(|s| if s.matched { format!("[{}]", s.text) } else { s.text.clone() }).collect()
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
    assert!(found[0].score > found[1].score);
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
    assert_eq!(sorted("the").await, "", "no document has it");
    for without_words in ["\u{e000}", "' \\ :* & | ( !", "\"\"", "-", "\u{200b}"] {
        let refusal = search(&s.gus, within(&s, without_words)).await.unwrap_err();
        assert_eq!(violations(&refusal), ["query"], "{without_words}");
    }
}

#[tokio::test]
async fn joined_and_frequent_words_are_found() {
    let s = team().await;
    s.mia.document(&s.project, "joined", "Fix login/logout in src/main/rs/file.rs with node.js").await;
    s.mia.document(&s.project, "IT", "").await;
    s.mia.document(&s.project, "AT&T deal", "to do").await;
    for word in ["login", "logout", "main", "file.rs", "node", "js", "node.js"] {
        assert_eq!(titles(&s.gus, within(&s, word)).await, ["joined"], "{word}");
    }
    assert_eq!(titles(&s.gus, within(&s, "it")).await, ["IT"]);
    for query in ["at&t", "to do", "\"to do\""] {
        assert_eq!(titles(&s.gus, within(&s, query)).await, ["AT&T deal"], "{query}");
    }
}

#[tokio::test]
async fn words_are_found_in_every_form_and_script() {
    let s = team().await;
    s.mia.document(&s.project, "forms", "Ein Café in der Großen Straße").await;
    s.mia.document(&s.project, "signs", "# 日本語の検索").await;
    for (word, title) in
        [("cafe\u{301}", "forms"), ("cafe strasse", "forms"), ("検索", "signs"), ("日本語", "signs")]
    {
        assert_eq!(titles(&s.gus, within(&s, word)).await, [title], "{word}");
    }
    assert!(titles(&s.gus, within(&s, "索検")).await.is_empty());
}

#[tokio::test]
async fn a_page_ends_before_marking_its_matches_takes_long() {
    let s = team().await;
    for number in 0..20 {
        let content = format!("{} fox", "word ".repeat(26_000));
        s.mia.document(&s.project, &format!("n{number:02}"), &content).await;
    }
    let first =
        search(&s.gus, pb::SearchDocumentsRequest { page_size: 200, ..within(&s, "fox") }).await.unwrap();
    assert!((10..20).contains(&first.matches.len()), "{}", first.matches.len());
    let request =
        pb::SearchDocumentsRequest { page_size: 200, page_token: first.next_page_token, ..within(&s, "fox") };
    let second = search(&s.gus, request).await.unwrap();
    assert_eq!((first.matches.len() + second.matches.len(), second.next_page_token.as_str()), (20, ""));
    let mut seen: Vec<_> = first.matches.into_iter().chain(second.matches).collect();
    assert!(seen.iter().all(|found| found.title.iter().any(|span| !span.text.is_empty())));
    seen.sort_by_key(|found| found.document.as_ref().unwrap().title.clone());
    seen.dedup_by_key(|found| found.document.as_ref().unwrap().title.clone());
    assert_eq!(seen.len(), 20);
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
        seen.extend(page.matches.into_iter().map(|found| (found.score, found.document.unwrap().title)));
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
    let of_mia = pb::DocumentFilter { author_ids: vec![s.mia.id.to_string()], ..in_project(&s) };
    let of_mia = pb::SearchDocumentsRequest { filter: Some(of_mia), ..everywhere("fox") };
    assert_eq!(titles(&s.gus, of_mia).await, ["one"]);
    let tagged = pb::DocumentFilter { any_tags: vec!["a".into(), "b".into()], ..Default::default() };
    let tagged = pb::SearchDocumentsRequest { filter: Some(tagged), ..everywhere("fox") };
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
    deny_document_read(&s, &s.gus).await;
    until("withdrawn", async || search(&s.gus, within(&s, "fox")).await.is_err()).await;
    let refusal = search(&s.gus, within(&s, "fox")).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&refusal));
    assert!(titles(&s.gus, everywhere("fox")).await.is_empty());
    assert_eq!(titles(&s.mia, everywhere("fox")).await, ["plan"]);
}

#[tokio::test]
async fn every_malformed_field_is_named() {
    let s = team().await;
    let garbage = pb::SearchDocumentsRequest {
        query: "x".repeat(501),
        filter: Some(malformed_filter()),
        page_size: -1,
        ..Default::default()
    };
    let mut fields = violations(&search(&s.mia, garbage).await.unwrap_err());
    fields.dedup();
    let others: &[&str] = &["filter.text", "filter.metadata", "filter.text", "page_size"];
    assert_eq!(fields, [&["query"], MALFORMED_FILTER_FIELDS, others].concat());
    assert_eq!(violations(&search(&s.mia, everywhere(" ")).await.unwrap_err()), ["query"]);
    let twice = pb::DocumentFilter { text: "fox".to_owned(), ..in_project(&s) };
    let twice = pb::SearchDocumentsRequest { filter: Some(twice), ..everywhere("fox") };
    assert_eq!(violations(&search(&s.mia, twice).await.unwrap_err()), ["filter.text"]);
}

#[tokio::test]
async fn a_page_of_matches_with_large_metadata_ends_early() {
    let s = team().await;
    let document = pb::Document {
        project_id: s.project.id.clone(),
        title: "fox".to_owned(),
        metadata: Some(shared::json::to_struct(&serde_json::json!({"m": "x".repeat(64_000)}))),
        ..Default::default()
    };
    for _ in 0..70 {
        let request = pb::CreateDocumentRequest { document: Some(document.clone()), ..Default::default() };
        s.mia.documents().create_document(request).await.unwrap();
    }
    let mut request = pb::SearchDocumentsRequest { page_size: 200, ..within(&s, "fox") };
    let first = search(&s.gus, request.clone()).await.unwrap();
    assert!(first.encoded_len() <= MAX_MESSAGE_BYTES && first.matches.len() > 60);
    request.page_token = first.next_page_token;
    let second = search(&s.gus, request).await.unwrap();
    assert_eq!((first.matches.len() + second.matches.len(), second.next_page_token.as_str()), (70, ""));
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

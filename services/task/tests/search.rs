//! Full-text search.

use diesel::sql_query;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use expect_test::expect;
use local_servers::suite::Role;
use proto::common;
use proto::project::v1::Project;
use proto::task::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

async fn search(who: &Actor, request: pb::SearchTasksRequest) -> Result<pb::SearchTasksResponse, Status> {
    Ok(who.tasks().search_tasks(request).await?.into_inner())
}

fn everywhere(text: &str) -> pb::SearchTasksRequest {
    pb::SearchTasksRequest { query: text.to_owned(), ..Default::default() }
}

fn within(project: &Project, text: &str) -> pb::SearchTasksRequest {
    let filter = pb::TaskFilter { project_ids: vec![project.id.clone()], ..Default::default() };
    pb::SearchTasksRequest { filter: Some(filter), ..everywhere(text) }
}

async fn titles(who: &Actor, request: pb::SearchTasksRequest) -> Vec<String> {
    let found = search(who, request).await.unwrap();
    found.matches.into_iter().map(|found| found.task.unwrap().title).collect()
}

async fn described(who: &Actor, project: &Project, title: &str, description: &str) -> pb::Task {
    let description = Some(description.to_owned());
    create(who, pb::Task { description, ..new_task(project, title) }).await.unwrap()
}

fn marked(spans: &[common::HighlightSpan]) -> String {
    spans.iter().map(|s| if s.matched { format!("[{}]", s.text) } else { s.text.clone() }).collect()
}

#[tokio::test]
async fn search_ranks_and_highlights_title_and_description() {
    let Team { olga, vic, project, .. } = &team().await;
    described(olga, project, "Minutes", "We spoke of <b>rockets</b> & of a rocket's fuel.").await;
    described(olga, project, "Build the rocket", "How it is built.").await;
    described(olga, project, "Lunch", "Soup.").await;
    let found = search(vic, within(project, "Rocket")).await.unwrap().matches;
    let tasks: Vec<_> = found.iter().map(|found| found.task.clone().unwrap()).collect();
    assert_eq!(
        tasks.iter().map(|task| task.title.as_str()).collect::<Vec<_>>(),
        ["Build the rocket", "Minutes"]
    );
    assert!(tasks.iter().all(|task| !task.etag.is_empty() && !task.key.is_empty()));
    assert!(found[0].score > found[1].score);
    assert_eq!(marked(&found[0].title), "Build the [rocket]");
    expect!["spoke of  [rockets]  & of a [rocket]'s fuel"].assert_eq(&marked(&found[1].excerpts[0].spans));
}

#[tokio::test]
async fn search_for_a_key_ranks_its_task_first() {
    let Team { olga, mia, project, .. } = &team().await;
    let meant = olga.task(project, "bake").await;
    described(olga, project, &format!("see {}", meant.key), &format!("{} {}", meant.key, meant.key)).await;
    let other = olga.task(project, "brew").await;
    assert_eq!(titles(mia, within(project, &meant.key)).await, ["bake", &format!("see {}", meant.key)]);
    assert_eq!(titles(mia, within(project, &format!(" {} ", other.key.to_lowercase()))).await, ["brew"]);

    set_project_key(olga, project, "MOON").await.unwrap();
    until("the key is known", WAIT_LIMIT, async || titles(mia, within(project, "moon-1")).await == ["bake"])
        .await;
    assert!(titles(mia, within(project, &other.key)).await.is_empty());
}

#[tokio::test]
async fn search_supports_web_syntax() {
    let Team { olga, vic, project, .. } = &team().await;
    described(olga, project, "a", "red fox").await;
    described(olga, project, "b", "fox red").await;
    described(olga, project, "c", "blue fox").await;
    let sorted = async |text: &str| {
        let mut titles = titles(vic, within(project, text)).await;
        titles.sort();
        titles.concat()
    };
    assert_eq!(sorted("red fox").await, "ab");
    assert_eq!(sorted("\"red fox\"").await, "a");
    assert_eq!(sorted("red or blue").await, "abc");
    assert_eq!(sorted("fox -red").await, "c");
    assert_eq!(sorted("foxes").await, "abc");
    assert_eq!(sorted("the").await, "", "no task has it");
    for without_words in ["\u{e000}", "' \\ :* & | ( !", "\"\"", "-", "\u{200b}"] {
        let refusal = search(vic, within(project, without_words)).await.unwrap_err();
        assert_eq!(violations(&refusal), ["query"], "{without_words}");
    }
}

#[tokio::test]
async fn words_that_punctuation_joins_are_found_by_their_parts() {
    let Team { olga, vic, project, .. } = &team().await;
    let joined = [
        ("Fix login/logout redirect", &["login", "logout", "redirect", "login/logout", "fix logout"][..]),
        ("Use node.js", &["node", "js", "node.js"]),
        ("See setup/docs.example.main", &["setup", "docs", "example", "main"]),
        ("src/main/rs/file.rs", &["file.rs", "src/main/rs/file.rs", "rs"]),
        ("Write to user@mail.org", &["user", "mail", "user@mail.org"]),
        ("client-server, read-only (tcp/http)", &["client", "server", "read", "tcp", "http"]),
    ];
    for (title, _) in joined {
        olga.task(project, title).await;
    }
    for (title, words) in joined {
        for word in words {
            let found = titles(vic, within(project, word)).await;
            assert!(found.contains(&title.to_owned()), "{word}: {found:?}");
        }
    }
    assert!(titles(vic, within(project, "redirect -login")).await.is_empty());
}

#[tokio::test]
async fn words_are_found_in_every_form_and_script() {
    let Team { olga, vic, project, .. } = &team().await;
    let texts = [
        ("Café, ﬁles", &["café", "cafe\u{301}", "cafe", "CAFÉ", "files", "ﬁles"][..]),
        ("Große Straße", &["straße", "strasse", "STRASSE", "große strasse"]),
        ("İstanbul", &["istanbul", "İSTANBUL", "ISTANBUL"]),
        ("ΣΊΣΥΦΟΣ", &["σίσυφος", "σισυφος", "Σίσυφοσ"]),
        ("日本語の検索", &["日本語", "検索", "検索 日本"]),
        ("任务管理", &["任务", "管理", "任务管理"]),
        ("ภาษาไทย", &["ไทย"]),
        ("مَرْحَبًا بالعالم", &["مرحبا"]),
        ("한국어 검색", &["한국어", "검색"]),
        ("zero\u{200b}width", &["zerowidth", "zero", "width"]),
        ("Ｆｕｌｌ ｗｉｄｔｈ", &["full", "full width"]),
    ];
    for (title, _) in texts {
        olga.task(project, title).await;
    }
    for (title, words) in texts {
        for word in words {
            let found = titles(vic, within(project, word)).await;
            assert!(found.contains(&title.to_owned()), "{word}: {found:?}");
        }
    }
    assert!(titles(vic, within(project, "語日")).await.is_empty(), "the signs of a word have a sequence");
    assert_eq!(titles(vic, within(project, "検索 or 任务")).await.len(), 2);
}

#[tokio::test]
async fn frequent_words_are_found_when_there_are_no_others() {
    let Team { olga, vic, project, .. } = &team().await;
    for title in ["IT", "to do", "who", "the", "AT&T deal"] {
        olga.task(project, title).await;
    }
    for (query, title) in [
        ("IT", "IT"),
        ("it", "IT"),
        ("to do", "to do"),
        ("\"to do\"", "to do"),
        ("who", "who"),
        ("at&t", "AT&T deal"),
    ] {
        assert_eq!(titles(vic, within(project, query)).await, [title], "{query}");
    }
    assert_eq!(titles(vic, within(project, "the deal")).await, ["AT&T deal"]);
}

#[tokio::test]
async fn characters_for_private_use_survive_highlighting() {
    let Team { olga, vic, project, .. } = &team().await;
    let title = "needle \u{e000}\u{e001}\u{e002} haystack";
    olga.task(project, title).await;
    let found = search(vic, within(project, "needle")).await.unwrap().matches;
    assert_eq!(marked(&found[0].title), "[needle] \u{e000}\u{e001}\u{e002} haystack");
}

#[tokio::test]
async fn search_follows_changes_at_once() {
    let Team { olga, project, .. } = &team().await;
    let task = described(olga, project, "plan", "alpha").await;
    let changed = pb::Task { description: Some("beta".to_owned()), ..task.clone() };
    let changed = update(olga, changed, &["description"]).await.unwrap();
    assert!(titles(olga, within(project, "alpha")).await.is_empty());
    let renamed = pb::Task { title: "gamma".to_owned(), ..changed };
    update(olga, renamed, &["title"]).await.unwrap();
    assert_eq!(titles(olga, within(project, "gamma beta")).await, ["gamma"]);
    delete(olga, &task).await.unwrap();
    assert!(titles(olga, within(project, "beta")).await.is_empty());
}

#[tokio::test]
async fn search_pages_are_complete_and_best_first() {
    let Team { olga, vic, project, .. } = &team().await;
    for number in 0..7 {
        described(olga, project, &format!("n{number}"), &"fox ".repeat(1 + number % 3)).await;
    }
    let first = pb::SearchTasksRequest { page_size: 2, ..within(project, "fox") };
    let mut request = first.clone();
    let mut seen: Vec<(f32, String)> = Vec::new();
    loop {
        let page = search(vic, request.clone()).await.unwrap();
        seen.extend(page.matches.into_iter().map(|found| (found.score, found.task.unwrap().title)));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a.0 >= b.0), "{seen:?}");
    let mut titles: Vec<String> = seen.into_iter().map(|(_, title)| title).collect();
    titles.sort();
    assert_eq!(titles, ["n0", "n1", "n2", "n3", "n4", "n5", "n6"]);

    let token = search(vic, first).await.unwrap().next_page_token;
    let of_another = pb::SearchTasksRequest { page_token: token, ..within(project, "wolf") };
    let refusal = search(vic, of_another).await.unwrap_err();
    expect!["INVALID_ARGUMENT PAGE_TOKEN_INVALID"].assert_eq(&summary(&refusal));
}

#[tokio::test]
async fn search_combines_with_filters() {
    let Team { olga, mia, project, .. } = &team().await;
    described(mia, project, "one", "fox").await;
    let two = described(olga, project, "two", "fox").await;
    complete(olga, &two).await.unwrap();
    described(olga, project, "three", "wolf").await;
    let project_ids = vec![project.id.clone()];
    let ready = pb::TaskFilter { ready: true, project_ids, ..Default::default() };
    let request = pb::SearchTasksRequest { filter: Some(ready.clone()), ..everywhere("fox") };
    assert_eq!(titles(olga, request).await, ["one"]);
    let filter = pb::TaskFilter { text: "fox".to_owned(), ..ready };
    let request = pb::ListTasksRequest { filter: Some(filter), ..Default::default() };
    let listed = olga.tasks().list_tasks(request).await.unwrap().into_inner().tasks;
    assert_eq!(listed.into_iter().map(|task| task.title).collect::<Vec<_>>(), ["one"]);
}

#[tokio::test]
async fn search_returns_only_what_the_caller_may_read() {
    let Team { suite, olga, vic, sam, project, .. } = &team().await;
    let secret = olga.project("secret").await;
    described(olga, &secret, "hidden", "fox").await;
    described(olga, project, "shared", "fox").await;
    until("trusted", WAIT_LIMIT, async || search(olga, everywhere("fox")).await.is_ok()).await;
    let mut of_olga = titles(olga, everywhere("fox")).await;
    of_olga.sort();
    assert_eq!(of_olga, ["hidden", "shared"]);
    assert_eq!(titles(vic, everywhere("fox")).await, ["shared"]);
    assert!(titles(sam, everywhere("fox")).await.is_empty());
    assert!(titles(&suite.anonymous(), everywhere("fox")).await.is_empty());
    let by_stranger = search(sam, within(project, "fox")).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
}

#[tokio::test]
async fn malformed_search_requests_name_every_field() {
    let Team { olga, .. } = &team().await;
    let filter = pb::TaskFilter { text: "fox".to_owned(), statuses: vec![77], ..Default::default() };
    let garbage =
        pb::SearchTasksRequest { page_size: -1, filter: Some(filter), ..everywhere(&"x".repeat(501)) };
    let refusal = search(olga, garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["query", "filter.statuses[0]", "filter.text", "page_size"]);
    assert_eq!(violations(&search(olga, everywhere(" ")).await.unwrap_err()), ["query"]);
}

/// Under the role of requests, neither the search vectors nor `find_tasks` show what the user may not read.
#[tokio::test]
async fn row_security_hides_search_vectors() {
    let Team { suite, olga, vic, sam, project, .. } = &team().await;
    described(olga, project, "plan", "fox").await;
    let mut conn = suite.connect_as(Role::requests_of(task::NAME)).await;
    for (user, expected) in [(Some(vic.id), 1), (Some(sam.id), 0), (Some(uuid::Uuid::nil()), 0), (None, 0)] {
        let user = user.map(|id| id.to_string()).unwrap_or_default();
        conn.batch_execute(&format!("SET app.current_user_id = '{user}'")).await.unwrap();
        let named = format!("{{\"project_ids\": [\"{}\"]}}", project.id);
        for rows in [
            "task.task_search".to_owned(),
            "task.find_tasks('{}', 'created', TRUE, NULL, NULL, 10)".to_owned(),
            "task.find_tasks('{\"asked\": \"fox\"}', NULL, TRUE, NULL, NULL, 10)".to_owned(),
            format!("task.find_tasks('{named}', 'title', FALSE, NULL, NULL, 10)"),
        ] {
            let found = sql_query(format!("SELECT FROM {rows}")).execute(&mut conn).await.unwrap();
            assert_eq!(found, expected, "{user} in {rows}");
        }
    }
    for refused in [
        "DELETE FROM task.task_search",
        "UPDATE task.task_search SET search_vector = ''",
        "SELECT task.readable_projects(NULL)",
        "SELECT FROM task.filter_tasks(NULL)",
    ] {
        assert!(sql_query(refused).execute(&mut conn).await.is_err(), "{refused}");
    }
}

//! Lists, counts and search of comments, and their round trips.

use diesel_async::SimpleAsyncConnection;
use expect_test::expect;
use proto::common::Permission;
use proto::content::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::{
    comment, delete_comment, deny, edit_comment, list_comments, react, read_comment, reply, team,
    to_document, to_project, to_task, until,
};
use crate::harness::harness;

fn of_project(id: &str, filter: pb::CommentFilter) -> pb::ListCommentsRequest {
    pb::ListCommentsRequest { target: to_project(id), filter: Some(filter), ..Default::default() }
}

fn contents(comments: &[pb::Comment]) -> Vec<&str> {
    comments.iter().map(|comment| comment.content.as_str()).collect()
}

#[tokio::test]
async fn lists_filter_by_author_mention_thread_and_state() {
    let s = team().await;
    let target = || to_project(&s.project.id);
    let a = comment(&s.mia, target(), "a").await.unwrap();
    comment(&s.olga, target(), "b @gus").await.unwrap();
    reply(&s.olga, &a, "c").await.unwrap();
    let request = pb::ResolveCommentRequest { comment_id: a.id.clone(), ..Default::default() };
    s.mia.comments().resolve_comment(request).await.unwrap();
    let found = async |filter: pb::CommentFilter| {
        let found = list_comments(&s.gus, of_project(&s.project.id, filter)).await.unwrap();
        contents(&found).join(" ")
    };
    let everything = pb::CommentFilter::default;
    assert_eq!(found(everything()).await, "a b @gus c");
    let by_olga = pb::CommentFilter { author_ids: vec![s.olga.id.to_string()], ..everything() };
    assert_eq!(found(by_olga).await, "b @gus c");
    let of_gus = pb::CommentFilter { mentioned_user_id: s.gus.id.to_string(), ..everything() };
    assert_eq!(found(of_gus).await, "b @gus");
    assert_eq!(found(pb::CommentFilter { thread_id: a.id.clone(), ..everything() }).await, "a c");
    assert_eq!(found(pb::CommentFilter { root: Some(true), ..everything() }).await, "a b @gus");
    assert_eq!(found(pb::CommentFilter { root: Some(false), ..everything() }).await, "c");
    assert_eq!(found(pb::CommentFilter { resolved: Some(true), ..everything() }).await, "a");
    assert_eq!(found(pb::CommentFilter { resolved: Some(false), ..everything() }).await, "b @gus");

    let malformed = pb::CommentFilter {
        author_ids: vec!["x".to_owned()],
        mentioned_user_id: "x".to_owned(),
        thread_id: "x".to_owned(),
        ..everything()
    };
    let malformed =
        pb::ListCommentsRequest { filter: Some(malformed), order: 9, page_size: -1, ..Default::default() };
    let fields = violations(&list_comments(&s.gus, malformed).await.unwrap_err());
    let filter = ["filter.author_ids[0]", "filter.mentioned_user_id", "filter.thread_id"];
    assert_eq!(fields, [&["target"], &filter[..], &["order", "page_size"]].concat());
}

#[tokio::test]
async fn ten_thousand_comments_are_listed_in_pages_of_few_bytes() {
    let s = team().await;
    let task = s.mia.task(&s.project, "fly").await.id;
    let many = format!(
        "INSERT INTO content.comments (id, project_id, entity_type, entity_id, author_id, content, created_at) \
         SELECT gen_random_uuid(), '{}', 'task', '{task}', '{}', n || repeat(' abcdefg', 400), \
             now() - interval '1 day' + n * interval '1 second' FROM generate_series(1, 10000) n",
        s.project.id, s.mia.id
    );
    s.suite.admin_of("content").await.batch_execute(&many).await.unwrap();
    let number = |comment: &pb::Comment| comment.content.split(' ').next().unwrap().parse::<usize>().unwrap();
    let list = |order: pb::CommentOrder| pb::ListCommentsRequest {
        target: to_task(&task),
        order: order.into(),
        page_size: 1_000,
        ..Default::default()
    };
    let oldest_first = list_comments(&s.gus, list(pb::CommentOrder::CreatedAsc)).await.unwrap();
    assert!(oldest_first.iter().map(number).eq(1..=10_000));
    let newest_first = list_comments(&s.gus, list(pb::CommentOrder::CreatedDesc)).await.unwrap();
    assert!(newest_first.iter().map(number).eq((1..=10_000).rev()));
    let page = s.gus.comments().list_comments(list(pb::CommentOrder::CreatedAsc)).await.unwrap();
    assert!(prost::Message::encoded_len(page.get_ref()) < shared::server::MAX_MESSAGE_BYTES);
    let counted = count(&s.gus, vec![to_task(&task).unwrap()]).await.unwrap();
    assert_eq!((counted[0].count, counted[0].open_count), (10_000, 10_000));
}

async fn count(who: &Actor, targets: Vec<pb::ContentTarget>) -> Result<Vec<pb::CommentCount>, Status> {
    let request = pb::BatchCountCommentsRequest { targets };
    Ok(who.comments().batch_count_comments(request).await?.into_inner().counts)
}

#[tokio::test]
async fn counts_leave_out_what_is_deleted_or_hidden() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "up").await.id;
    let root = comment(&s.mia, to_document(&document), "a").await.unwrap();
    reply(&s.mia, &root, "b").await.unwrap();
    let gone = comment(&s.mia, to_document(&document), "c").await.unwrap();
    delete_comment(&s.mia, &gone.id).await.unwrap();
    let targets = || {
        [to_task(&new_id()), to_document(&document), to_document(&document)].into_iter().flatten().collect()
    };
    let counts = async |who: &Actor| -> Vec<_> {
        count(who, targets()).await.unwrap().iter().map(|c| (c.count, c.open_count)).collect()
    };
    assert_eq!(counts(&s.gus).await, [(0, 0), (2, 1), (2, 1)]);
    assert_eq!(counts(&s.sam).await, [(0, 0); 3]);
    deny(&s, &s.gus, Permission::CommentRead).await;
    until("denied", async || counts(&s.gus).await == [(0, 0); 3]).await;

    assert_eq!(violations(&count(&s.gus, Vec::new()).await.unwrap_err()), ["targets"]);
    let bad = vec![to_task(&document).unwrap(), to_task("x").unwrap(), pb::ContentTarget::default()];
    let fields = violations(&count(&s.gus, bad).await.unwrap_err());
    assert_eq!(fields, ["targets[1].task_id", "targets[2].target"]);
}

async fn search(who: &Actor, query: &str, projects: &[&str]) -> Result<pb::SearchCommentsResponse, Status> {
    let project_ids = projects.iter().map(|id| (*id).to_owned()).collect();
    let request = pb::SearchCommentsRequest { query: query.to_owned(), project_ids, ..Default::default() };
    Ok(who.comments().search_comments(request).await?.into_inner())
}

#[tokio::test]
async fn words_are_found_in_what_comments_say_now() {
    let s = team().await;
    let target = || to_project(&s.project.id);
    let made = comment(&s.mia, target(), "The engines of a rocket").await.unwrap();
    comment(&s.mia, target(), "Engine engine engine").await.unwrap();
    let edited = comment(&s.mia, target(), "an engine").await.unwrap();
    edit_comment(&s.mia, &edited.id, "nothing", "").await.unwrap();
    let gone = comment(&s.mia, target(), "engine").await.unwrap();
    delete_comment(&s.mia, &gone.id).await.unwrap();

    for projects in [&[][..], &[s.project.id.as_str()]] {
        let found = search(&s.gus, "engine", projects).await.unwrap().matches;
        assert_eq!(found.len(), 2);
        assert!(found[0].score >= found[1].score);
        let found = search(&s.gus, "\"engines of a rocket\"", projects).await.unwrap().matches;
        assert_eq!(found[0].comment.as_ref(), Some(&made));
        let marked: String = found[0].excerpts[0]
            .spans
            .iter()
            .filter(|span| span.matched)
            .map(|span| span.text.as_str())
            .collect();
        assert_eq!(marked, "enginesrocket", "frequent words do not count");
    }
    assert!(search(&s.sam, "engine", &[]).await.unwrap().matches.is_empty());
    let by_stranger = search(&s.sam, "engine", &[&s.project.id]).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    assert_eq!(violations(&search(&s.gus, "...", &[]).await.unwrap_err()), ["query"]);
    assert_eq!(
        violations(&search(&s.gus, "", &["x"]).await.unwrap_err()),
        ["query", "query", "project_ids[0]"]
    );

    let mut request =
        pb::SearchCommentsRequest { query: "engine".to_owned(), page_size: 1, ..Default::default() };
    let first = s.gus.comments().search_comments(request.clone()).await.unwrap().into_inner();
    request.page_token = first.next_page_token;
    let second = s.gus.comments().search_comments(request).await.unwrap().into_inner();
    assert_ne!(first.matches[0].comment, second.matches[0].comment);
    assert_eq!(second.next_page_token, "");
}

#[tokio::test]
async fn a_read_of_comments_takes_one_round_trip_and_a_write_two() {
    let (suite, counted) = harness().start_counted().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let target = || to_project(&project.id);
    let made = comment(&olga, target(), "one").await.unwrap();
    let id = made.id.as_str();

    let get = counted.of(async || drop(read_comment(&olga, id).await.unwrap())).await;
    let list = counted
        .of(async || drop(list_comments(&olga, of_project(&project.id, Default::default())).await.unwrap()))
        .await;
    let counts = counted.of(async || drop(count(&olga, vec![target().unwrap()]).await.unwrap())).await;
    let found = counted.of(async || drop(search(&olga, "one", &[&project.id]).await.unwrap())).await;
    let create = counted.of(async || drop(comment(&olga, target(), "two").await.unwrap())).await;
    let answer = counted.of(async || drop(reply(&olga, &made, "two").await.unwrap())).await;
    let mut number = 0;
    let update = counted
        .of(async || {
            number += 1;
            edit_comment(&olga, id, &format!("text {number}"), "").await.unwrap();
        })
        .await;
    let reaction = counted.of(async || drop(react(&olga, id, "👍").await.unwrap())).await;
    assert_eq!([get, list, counts, found, create, answer, update, reaction], [1, 1, 1, 1, 2, 2, 2, 2]);
}

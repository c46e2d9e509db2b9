//! Threads, their state, and reactions.

use diesel_async::SimpleAsyncConnection;
use expect_test::expect;
use proto::content::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::{comment, delete_comment, react, read_comment, reply, team, to_document, to_project};

async fn resolve(who: &Actor, id: &str, etag: &str) -> Result<pb::Comment, Status> {
    let request = pb::ResolveCommentRequest { comment_id: id.to_owned(), etag: etag.to_owned() };
    Ok(who.comments().resolve_comment(request).await?.into_inner())
}

async fn reopen(who: &Actor, id: &str) -> Result<pb::Comment, Status> {
    let request = pb::ReopenCommentRequest { comment_id: id.to_owned(), ..Default::default() };
    Ok(who.comments().reopen_comment(request).await?.into_inner())
}

#[tokio::test]
async fn a_reply_has_the_target_of_its_parent_and_no_replies() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "up").await.id;
    let root = comment(&s.mia, to_document(&document), "one").await.unwrap();
    let answer = reply(&s.olga, &root, "two").await.unwrap();
    assert_eq!((&answer.target, &answer.parent_id), (&root.target, &root.id));
    assert_eq!(read_comment(&s.gus, &root.id).await.unwrap().reply_count, 1);
    let refusal = reply(&s.mia, &answer, "three").await.unwrap_err();
    assert_eq!(violations(&refusal), ["comment.parent_id"]);
    delete_comment(&s.olga, &answer.id).await.unwrap();
    assert_eq!(read_comment(&s.gus, &root.id).await.unwrap().reply_count, 0);

    let nested = format!(
        "INSERT INTO content.comments (id, project_id, entity_type, entity_id, parent_id, author_id, content) \
         VALUES (gen_random_uuid(), '{}', 'document', '{document}', '{}', '{}', 'x')",
        s.project.id, answer.id, s.mia.id
    );
    assert!(s.suite.admin_of("content").await.batch_execute(&nested).await.is_err());
}

#[tokio::test]
async fn threads_are_resolved_and_opened_again() {
    let s = team().await;
    let root = comment(&s.mia, to_project(&s.project.id), "one").await.unwrap();
    let answer = reply(&s.olga, &root, "two").await.unwrap();
    let stale = resolve(&s.olga, &root.id, "x").await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&stale));
    let resolved = resolve(&s.olga, &root.id, &root.etag).await.unwrap();
    assert_eq!(
        (resolved.resolver_id.clone(), resolved.resolved_at),
        (s.olga.id.to_string(), resolved.updated_at)
    );
    assert_eq!(resolve(&s.mia, &root.id, "").await.unwrap(), resolved, "a retry");
    let open = reopen(&s.mia, &root.id).await.unwrap();
    assert_eq!((open.resolver_id.as_str(), open.resolved_at), ("", None));
    assert_eq!(reopen(&s.mia, &root.id).await.unwrap(), open, "a retry");

    assert_eq!(violations(&resolve(&s.mia, &answer.id, "").await.unwrap_err()), ["comment_id"]);
    let by_viewer = resolve(&s.gus, &root.id, "").await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
    let by_stranger = reopen(&s.sam, &root.id).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
}

#[tokio::test]
async fn reactions_are_counted_by_emoji_in_the_order_of_their_first() {
    let s = team().await;
    let made = comment(&s.mia, to_project(&s.project.id), "one").await.unwrap();
    react(&s.olga, &made.id, "🎉").await.unwrap();
    react(&s.mia, &made.id, "👍").await.unwrap();
    react(&s.olga, &made.id, "👍").await.unwrap();
    let seen = react(&s.olga, &made.id, "👍").await.unwrap();
    assert_eq!(seen.etag, made.etag, "a reaction is no change of the comment");
    let reaction = |emoji: &str, users: &[&Actor], own| pb::CommentReaction {
        emoji: emoji.to_owned(),
        count: users.len() as i32,
        user_ids: users.iter().map(|who| who.id.to_string()).collect(),
        own,
    };
    let both = [&s.mia, &s.olga];
    assert_eq!(seen.reactions, [reaction("🎉", &[&s.olga], true), reaction("👍", &both, true)]);
    let request = pb::RemoveCommentReactionRequest { comment_id: made.id.clone(), emoji: "🎉".to_owned() };
    for _ in 0..2 {
        let left = s.olga.comments().remove_comment_reaction(request.clone()).await.unwrap().into_inner();
        assert_eq!(left.reactions, [reaction("👍", &both, true)]);
    }
    let seen = read_comment(&s.gus, &made.id).await.unwrap();
    assert_eq!(seen.reactions, [reaction("👍", &both, false)]);
    let by_viewer = react(&s.gus, &made.id, "👍").await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
}

#[tokio::test]
async fn a_comment_has_at_most_20_emoji_and_1000_reactions() {
    let s = team().await;
    let made = comment(&s.mia, to_project(&s.project.id), "one").await.unwrap();
    let emoji: Vec<&str> =
        "👍 👎 😀 🎉 😕 🚀 👀 😎 🙏 💡 🔥 💯 🐛 🍕 🌈 🍀 🎯 🎲 🎸 🏁 🏆".split(' ').collect();
    let (last, fitting) = emoji.split_last().unwrap();
    assert_eq!(fitting.len(), 20);
    for emoji in fitting {
        react(&s.mia, &made.id, emoji).await.unwrap();
    }
    let refusal = react(&s.olga, &made.id, last).await.unwrap_err();
    expect!["FAILED_PRECONDITION TOO_MANY_REACTIONS"].assert_eq(&summary(&refusal));
    react(&s.olga, &made.id, fitting[0]).await.unwrap();

    let crowd = format!(
        "INSERT INTO content.comment_reactions (comment_id, project_id, entity_type, entity_id, user_id, emoji) \
         SELECT '{0}', '{1}', 'project', '{1}', gen_random_uuid(), '👍' FROM generate_series(22, 1000)",
        made.id, s.project.id
    );
    s.suite.admin_of("content").await.batch_execute(&crowd).await.unwrap();
    let refusal = react(&s.olga, &made.id, fitting[1]).await.unwrap_err();
    expect!["FAILED_PRECONDITION TOO_MANY_REACTIONS"].assert_eq(&summary(&refusal));
    let seen = react(&s.olga, &made.id, fitting[0]).await.unwrap();
    assert_eq!((seen.reactions[0].count, seen.reactions[0].user_ids.len()), (981, 10));
}

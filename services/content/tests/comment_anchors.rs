//! Comments on a range of a document, and what becomes of the range after edits.

use expect_test::expect;
use proto::content::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::{
    create_comment, delete_comment, read_comment, team, to_document, to_project, until, write,
};

async fn comment_on(
    who: &Actor,
    target: Option<pb::ContentTarget>,
    version_number: i32,
    (start_char, end_char): (i32, i32),
) -> Result<pb::Comment, Status> {
    let anchor = Some(pb::CommentAnchor { version_number, start_char, end_char, ..Default::default() });
    create_comment(who, pb::Comment { target, anchor, content: "Why?".to_owned(), ..Default::default() })
        .await
}

fn anchor(version_number: i32, start_char: i32, quote: &str, outdated: bool) -> Option<pb::CommentAnchor> {
    let end_char = start_char + quote.chars().count() as i32;
    Some(pb::CommentAnchor { version_number, start_char, end_char, quote: quote.to_owned(), outdated })
}

async fn has_anchor(who: &Actor, id: &str, expected: Option<pb::CommentAnchor>) {
    let what = format!("{expected:?}");
    until(&what, async || read_comment(who, id).await.unwrap().anchor == expected).await;
}

#[tokio::test]
async fn an_anchor_follows_its_text_through_edits() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "Grüße\nfly to the moon\n").await;
    let made = comment_on(&s.mia, to_document(&document.id), 1, (17, 21)).await.unwrap();
    assert_eq!(made.anchor, anchor(1, 17, "moon", false));
    write(&s.mia, &document.id, "Überschrift\n\nGrüße\nfly to the moon\n", "").await.unwrap();
    has_anchor(&s.mia, &made.id, anchor(2, 30, "moon", false)).await;
    write(&s.mia, &document.id, "Grüße\nfly to the bright moon\n", "").await.unwrap();
    has_anchor(&s.mia, &made.id, anchor(3, 24, "moon", false)).await;
    assert_eq!(read_comment(&s.mia, &made.id).await.unwrap().updated_at, made.updated_at);
    write(&s.mia, &document.id, "Grüße\nfly to the sun\n", "").await.unwrap();
    has_anchor(&s.mia, &made.id, anchor(3, 24, "moon", true)).await;
    write(&s.mia, &document.id, "Grüße\nfly to the moon\n", "").await.unwrap();
    let other = comment_on(&s.mia, to_document(&document.id), 4, (0, 5)).await.unwrap();
    has_anchor(&s.mia, &other.id, anchor(5, 0, "Grüße", false)).await;
    has_anchor(&s.mia, &made.id, anchor(3, 24, "moon", true)).await;
}

#[tokio::test]
async fn an_anchor_is_a_range_of_a_version_of_a_document() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "moon").await.id;
    let refused =
        async |target, version, range| comment_on(&s.mia, target, version, range).await.unwrap_err();
    let fields = violations(&refused(to_project(&s.project.id), 0, (-1, -1)).await);
    let anchor = "comment.anchor";
    let expected = ["version_number", "start_char", "end_char"].map(|field| format!("{anchor}.{field}"));
    assert_eq!(fields, [&[anchor.to_owned()], &expected[..]].concat());
    assert_eq!(violations(&refused(to_document(&document), 1, (2, 2)).await), ["comment.anchor.end_char"]);
    assert_eq!(violations(&refused(to_document(&document), 1, (0, 5)).await), ["comment.anchor.end_char"]);
    let unknown = refused(to_document(&document), 2, (0, 1)).await;
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&unknown));
    let made = comment_on(&s.mia, to_document(&document), 1, (0, 4)).await.unwrap();
    assert_eq!(delete_comment(&s.mia, &made.id).await.unwrap().anchor, None);
}

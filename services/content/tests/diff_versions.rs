//! How one version becomes another.

use expect_test::expect;
use proto::content::v1 as pb;
use proto::content::v1::DiffPartKind::{Deleted, Inserted, Same};
use proto::content::v1::{DiffFormat, DiffUnit};
use testkit::*;
use tonic::Status;

use crate::fixtures::{noise, team, update, write};

pub async fn diff(who: &Actor, request: pb::DiffDocumentVersionsRequest) -> Result<pb::DocumentDiff, Status> {
    Ok(who.documents().diff_document_versions(request).await?.into_inner())
}

pub fn between(id: &str, from_version: i32, to_version: i32) -> pb::DiffDocumentVersionsRequest {
    pb::DiffDocumentVersionsRequest {
        document_id: id.to_owned(),
        from_version,
        to_version,
        ..Default::default()
    }
}

pub fn unified(id: &str, from_version: i32, to_version: i32) -> pb::DiffDocumentVersionsRequest {
    pb::DiffDocumentVersionsRequest {
        format: DiffFormat::Unified.into(),
        ..between(id, from_version, to_version)
    }
}

fn parts(diff: &pb::DocumentDiff) -> Vec<(pb::DiffPartKind, &str)> {
    diff.hunks.iter().flat_map(|hunk| &hunk.parts).map(|part| (part.kind(), part.text.as_str())).collect()
}

#[tokio::test]
async fn versions_are_compared_by_lines_by_words_and_as_a_unified_diff() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", "first\nthe red fox\nlast\n").await.id;
    let changed = pb::Document {
        id: id.clone(),
        title: "new plan".to_owned(),
        content: Some("first\nthe blue fox\nlast\nand more".to_owned()),
        ..Default::default()
    };
    update(&s.mia, changed, &["title", "content"]).await.unwrap();

    let lines = pb::DiffDocumentVersionsRequest { context_lines: Some(0), ..between(&id, 1, 2) };
    let lines = diff(&s.gus, lines).await.unwrap();
    let changed = [(Deleted, "the red fox\n"), (Inserted, "the blue fox\n"), (Inserted, "and more")];
    assert_eq!(parts(&lines), changed);
    assert_eq!((lines.from_title.as_str(), lines.to_title.as_str()), ("plan", "new plan"));
    assert_eq!((lines.deleted_lines, lines.inserted_lines, lines.truncated), (1, 2, false));
    let places = lines.hunks.iter().map(|h| (h.from_line, h.from_count, h.to_line, h.to_count));
    assert_eq!(places.collect::<Vec<_>>(), [(2, 1, 2, 1), (4, 0, 4, 1)]);

    let words = pb::DiffDocumentVersionsRequest { unit: DiffUnit::Words.into(), ..between(&id, 1, 0) };
    let words = diff(&s.gus, words).await.unwrap();
    assert_eq!(
        parts(&words),
        [
            (Same, "first\n"),
            (Same, "the "),
            (Deleted, "red"),
            (Inserted, "blue"),
            (Same, " fox\n"),
            (Same, "last\n"),
            (Inserted, "and more"),
        ]
    );

    expect![[r"
        @@ -1,3 +1,4 @@
         first
        -the red fox
        +the blue fox
         last
        +and more
        \ No newline at end of file
    "]]
    .assert_eq(&diff(&s.gus, unified(&id, 1, 2)).await.unwrap().unified);
    let back = diff(&s.gus, unified(&id, 2, 1)).await.unwrap();
    assert_eq!((back.deleted_lines, back.inserted_lines), (2, 1));
    let same = diff(&s.gus, between(&id, 2, 2)).await.unwrap();
    assert!(same.hunks.is_empty());
}

#[tokio::test]
async fn diff_document_versions_refuses_strangers_unknown_versions_and_malformed_fields() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", "one").await.id;
    let by_stranger = diff(&s.sam, between(&id, 1, 1)).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    for (from, to) in [(2, 1), (1, 2)] {
        let unknown = diff(&s.gus, between(&id, from, to)).await.unwrap_err();
        expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&unknown));
    }
    let garbage = pb::DiffDocumentVersionsRequest {
        document_id: "x".to_owned(),
        from_version: 0,
        to_version: -1,
        unit: 9,
        format: 9,
        context_lines: Some(1001),
    };
    let fields = violations(&diff(&s.gus, garbage).await.unwrap_err());
    assert_eq!(fields, ["document_id", "from_version", "to_version", "unit", "format", "context_lines"]);
    let both = pb::DiffDocumentVersionsRequest { unit: DiffUnit::Words.into(), ..unified(&id, 1, 1) };
    assert_eq!(violations(&diff(&s.gus, both).await.unwrap_err()), ["unit"]);
}

/// A text of so many bytes in which a comparison finds nothing to hold on to.
fn hard(bytes: usize, offset: usize) -> String {
    let letters = noise(bytes + offset).into_iter().skip(offset);
    letters.map(|byte| if byte % 2 == 0 { '\n' } else { char::from(b'a' + byte % 23) }).collect()
}

#[tokio::test]
async fn a_diff_of_large_and_very_different_versions_is_returned_in_time() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", &hard(2 * 1024 * 1024, 0)).await.id;
    write(&s.mia, &id, &hard(2 * 1024 * 1024, 77), "").await.unwrap();
    for request in [
        between(&id, 1, 2),
        unified(&id, 1, 2),
        pb::DiffDocumentVersionsRequest { unit: DiffUnit::Words.into(), ..between(&id, 1, 2) },
    ] {
        let answer = diff(&s.mia, request).await.unwrap();
        assert!(answer.deleted_lines > 0 && answer.inserted_lines > 0);
    }
}

#[tokio::test]
async fn a_diff_that_is_too_large_is_truncated() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", &"a\n".repeat(1024 * 1024)).await.id;
    write(&s.mia, &id, &"b\n".repeat(1024 * 1024), "").await.unwrap();
    let answer = diff(&s.mia, between(&id, 1, 2)).await.unwrap();
    assert_eq!((answer.truncated, answer.hunks.len()), (true, 0));
    assert_eq!((answer.deleted_lines, answer.inserted_lines), (1024 * 1024, 1024 * 1024));
}

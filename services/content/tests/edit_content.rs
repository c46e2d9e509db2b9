//! Edits that name the version they were made on.

use expect_test::expect;
use futures::future::join_all;
use proto::content::v1 as pb;
use proto::content::v1::content_edit::Edit;
use testkit::*;
use tonic::Status;

use crate::fixtures::{Team, read, team, until_admitted, write};

/// A request for an edit of this version; append and prepend have none.
pub fn edit(id: &str, base_version: i32, edit: Edit) -> pb::EditDocumentContentRequest {
    pb::EditDocumentContentRequest {
        request_id: new_id(),
        document_id: id.to_owned(),
        edit: content_edit(base_version, edit),
        change_summary: Some("as requested".to_owned()),
        ..Default::default()
    }
}

pub fn content_edit(base_version: i32, edit: Edit) -> Option<pb::ContentEdit> {
    let edit = match edit {
        Edit::Replacement(edit) => Edit::Replacement(pb::ContentReplacement { base_version, ..edit }),
        Edit::UnifiedDiff(edit) => Edit::UnifiedDiff(pb::UnifiedDiff { base_version, ..edit }),
        Edit::LineEdits(edit) => Edit::LineEdits(pb::LineEdits { base_version, ..edit }),
        Edit::Append(_) | Edit::Prepend(_) => edit,
    };
    Some(pb::ContentEdit { edit: Some(edit) })
}

pub fn replacement(content: &str) -> Edit {
    Edit::Replacement(pb::ContentReplacement { content: content.to_owned(), ..Default::default() })
}

pub fn unified_diff(text: &str) -> Edit {
    Edit::UnifiedDiff(pb::UnifiedDiff { text: text.to_owned(), ..Default::default() })
}

pub fn line(line: i32, count: i32, text: &str) -> Edit {
    let edit = pb::LineEdit { line, count, text: text.to_owned() };
    Edit::LineEdits(pb::LineEdits { edits: vec![edit], ..Default::default() })
}

pub async fn send(who: &Actor, request: pb::EditDocumentContentRequest) -> Result<pb::Document, Status> {
    Ok(who.documents().edit_document_content(request).await?.into_inner())
}

async fn version(s: &Team, id: &str, number: i32) -> pb::DocumentVersion {
    let request = pb::GetDocumentVersionRequest { document_id: id.to_owned(), version_number: number };
    s.olga.documents().get_document_version(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn each_type_of_edit_creates_a_version() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", "one\ntwo\n").await.id;
    let edits = [
        (0, Edit::Append("three\n".to_owned()), "one\ntwo\nthree\n"),
        (0, Edit::Prepend("zero\n".to_owned()), "zero\none\ntwo\nthree\n"),
        (3, replacement("one\ntwo\n"), "one\ntwo\n"),
        (4, unified_diff("@@ -1,2 +1,2 @@\n one\n-two\n+2\n"), "one\n2\n"),
        (5, line(1, 1, "1\n"), "1\n2\n"),
    ];
    for (number, (base, change, expected)) in (2..).zip(edits) {
        let edited = send(&s.mia, edit(&id, base, change)).await.unwrap();
        assert_eq!((edited.version, edited.content.as_deref()), (number, Some(expected)));
        let version = version(&s, &id, number).await;
        assert_eq!((version.content.as_deref(), version.title.as_str()), (Some(expected), "plan"));
        assert_eq!(version.author_id, s.mia.id.to_string());
        assert_eq!(version.change_summary.as_deref(), Some("as requested"));
    }
    let nothing = send(&s.mia, edit(&id, 6, replacement("1\n2\n"))).await.unwrap();
    assert_eq!(nothing.version, 6, "an edit that changes nothing makes no version");
}

#[tokio::test]
async fn an_edit_of_an_older_version_is_merged_with_later_changes() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", "one\ntwo\nthree\n").await.id;
    write(&s.olga, &id, "ONE\ntwo\nthree\n", "").await.unwrap();
    let merged = send(&s.mia, edit(&id, 1, line(3, 1, "THREE\n"))).await.unwrap();
    assert_eq!((merged.version, merged.content.as_deref()), (3, Some("ONE\ntwo\nTHREE\n")));
    let whole = replacement("one\ntwo\n2.5\nthree\n");
    let merged = send(&s.olga, edit(&id, 1, whole)).await.unwrap();
    assert_eq!(merged.content.as_deref(), Some("ONE\ntwo\n2.5\nTHREE\n"));
}

#[tokio::test]
async fn a_retry_edits_once() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", "a").await.id;
    let append = edit(&id, 0, Edit::Append("b".to_owned()));
    let first = send(&s.mia, append.clone()).await.unwrap();
    let again = send(&s.mia, append.clone()).await.unwrap();
    assert_eq!((again.content.as_deref(), &again), (Some("ab"), &first));
    let other = pb::EditDocumentContentRequest { change_summary: None, ..append };
    let reused = send(&s.mia, other).await.unwrap_err();
    expect!["FAILED_PRECONDITION REQUEST_ID_REUSED"].assert_eq(&summary(&reused));
}

#[tokio::test]
async fn edit_document_content_requires_the_permission_and_an_existing_version() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "a\n").await;
    let append = || edit(&document.id, 0, Edit::Append("b".to_owned()));
    let by_viewer = send(&s.gus, append()).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
    let by_stranger = send(&s.sam, append()).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let stale = pb::EditDocumentContentRequest { etag: "x".to_owned(), ..append() };
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&send(&s.mia, stale).await.unwrap_err()));
    let no_version = send(&s.mia, edit(&document.id, 9, line(1, 1, ""))).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&no_version));
    assert!(no_version.message().contains("document_version"));
    assert_eq!(read(&s.mia, &document.id).await.unwrap(), document);
}

#[tokio::test]
async fn an_archived_document_is_not_edited() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", "a\n").await.id;
    let mut documents = s.olga.documents();
    let etag = String::new();
    let submit = pb::SubmitDocumentRequest { document_id: id.clone(), etag: etag.clone() };
    documents.submit_document(submit).await.unwrap();
    let publish = pb::PublishDocumentRequest { document_id: id.clone(), etag: etag.clone() };
    documents.publish_document(publish).await.unwrap();
    let archive = pb::ArchiveDocumentRequest { document_id: id.clone(), etag };
    documents.archive_document(archive).await.unwrap();
    let refusal = send(&s.olga, edit(&id, 0, Edit::Append("b".to_owned()))).await.unwrap_err();
    expect!["FAILED_PRECONDITION INVALID_STATUS_TRANSITION"].assert_eq(&summary(&refusal));
}

#[tokio::test]
async fn a_patch_that_does_not_apply_is_refused_with_its_line_and_reason() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", "one\ntwo\n").await.id;
    let diff = |text: &str| edit(&id, 1, unified_diff(text));
    let other = send(&s.mia, diff("@@ -1,2 +1,1 @@\n one\n-zwei\n")).await.unwrap_err();
    expect!["INVALID_ARGUMENT PATCH_DOES_NOT_APPLY"].assert_eq(&summary(&other));
    expect![[r#"the patch does not apply to the base version: line 2 of the base is "two\n", but the patch expects "zwei\n""#]]
        .assert_eq(other.message());
    let info = tonic_types::StatusExt::get_details_error_info(&other).unwrap();
    assert_eq!(info.metadata["line"], "2");
    let garbage = send(&s.mia, diff("no diff at all")).await.unwrap_err();
    expect!["INVALID_ARGUMENT PATCH_DOES_NOT_APPLY"].assert_eq(&summary(&garbage));
    let beyond = send(&s.mia, edit(&id, 1, line(9, 1, ""))).await.unwrap_err();
    expect!["INVALID_ARGUMENT PATCH_DOES_NOT_APPLY"].assert_eq(&summary(&beyond));
}

#[tokio::test]
async fn every_malformed_field_is_named() {
    let s = team().await;
    let malformed = async |edit| -> Vec<String> {
        let request = pb::EditDocumentContentRequest {
            request_id: "x".to_owned(),
            document_id: "x".to_owned(),
            edit,
            change_summary: Some("x".repeat(1001)),
            ..Default::default()
        };
        violations(&send(&s.mia, request).await.unwrap_err()).split_off(2)
    };
    assert_eq!(malformed(None).await, ["edit", "change_summary"]);
    assert_eq!(malformed(Some(pb::ContentEdit::default())).await, ["edit.edit", "change_summary"]);
    let append = content_edit(0, Edit::Append("\0".to_owned()));
    assert_eq!(malformed(append).await, ["edit.append", "change_summary"]);
    let replacement = content_edit(0, replacement("\0"));
    let expected = ["edit.replacement.base_version", "edit.replacement.content", "change_summary"];
    assert_eq!(malformed(replacement).await, expected);
    let diff = content_edit(-1, unified_diff("\0"));
    let expected = ["edit.unified_diff.base_version", "edit.unified_diff.text", "change_summary"];
    assert_eq!(malformed(diff).await, expected);
    let good = pb::LineEdit { line: 1, ..Default::default() };
    let bad = pb::LineEdit { line: 0, count: -1, text: "\0".to_owned() };
    let lines = Edit::LineEdits(pb::LineEdits { edits: vec![good, bad], ..Default::default() });
    assert_eq!(
        malformed(content_edit(0, lines)).await,
        [
            "edit.line_edits.base_version",
            "edit.line_edits.edits[1].line",
            "edit.line_edits.edits[1].count",
            "edit.line_edits.edits[1].text",
            "change_summary"
        ]
    );
    let none = content_edit(1, Edit::LineEdits(pb::LineEdits::default()));
    assert_eq!(malformed(none).await, ["edit.line_edits.edits", "change_summary"]);
}

#[tokio::test]
async fn an_edit_does_not_grow_a_content_beyond_its_limit() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", &"x".repeat(2 * 1024 * 1024)).await.id;
    let refusal = send(&s.mia, edit(&id, 0, Edit::Append("y".to_owned()))).await.unwrap_err();
    expect!["INVALID_ARGUMENT TOO_LARGE"].assert_eq(&summary(&refusal));
}

#[tokio::test]
async fn sixteen_concurrent_edits_lose_no_text_and_skip_no_version() {
    const ROUNDS: usize = 4;
    let s = team().await;
    let lines: String = (0..16).map(|writer| format!("line {writer}\nbetween {writer}\n")).collect();
    let id = s.mia.document(&s.project, "plan", &lines).await.id;
    join_all((0..16_usize).map(|writer| {
        let (mia, id) = (s.mia.clone(), id.clone());
        async move {
            for round in 0..ROUNDS {
                let number = i32::try_from(writer * 2 + 1).unwrap();
                let change = match writer % 2 {
                    0 => Edit::Append(format!("writer {writer} in round {round}\n")),
                    // Always on the first version: what this writer wrote before is told again.
                    _ => line(number, 1, &format!("line {writer} by its writer\n")),
                };
                let base = if writer % 2 == 0 { 0 } else { 1 };
                until_admitted(async || send(&mia, edit(&id, base, change.clone())).await).await;
            }
        }
    }))
    .await;

    let document = read(&s.olga, &id).await.unwrap();
    let content = document.content.unwrap();
    for writer in 0..16 {
        if writer % 2 == 0 {
            for round in 0..ROUNDS {
                assert_eq!(
                    content.matches(&format!("writer {writer} in round {round}\n")).count(),
                    1,
                    "{content}"
                );
            }
        } else {
            assert_eq!(content.matches(&format!("line {writer} by its writer\n")).count(), 1, "{content}");
        }
        assert!(content.contains(&format!("between {writer}\n")));
    }
    // Eight writers append in each round; of the others, each changes its line once.
    let versions = 1 + 8 * i32::try_from(ROUNDS).unwrap() + 8;
    assert_eq!(document.version, versions);
    let request = pb::ListDocumentVersionsRequest { document_id: id, page_size: 1000, ..Default::default() };
    let listed = s.olga.documents().list_document_versions(request).await.unwrap().into_inner().versions;
    let numbers: Vec<i32> = listed.iter().rev().map(|version| version.version_number).collect();
    assert_eq!(numbers, (1..=versions).collect::<Vec<_>>());
}

//! Edits that overlap, and the way out of it.

use expect_test::expect;
use prost::Message;
use proto::content::v1 as pb;
use proto::content::v1::content_edit::Edit;
use testkit::*;
use tonic::Status;
use tonic_types::StatusExt;

use crate::edit_content::{content_edit, edit, line, replacement, send};
use crate::fixtures::{read, team, write};

async fn preview(
    who: &Actor,
    id: &str,
    base_version: i32,
    edit: Edit,
) -> Result<pb::PreviewDocumentEditResponse, Status> {
    let edit = content_edit(base_version, edit);
    let request = pb::PreviewDocumentEditRequest { document_id: id.to_owned(), edit };
    Ok(who.documents().preview_document_edit(request).await?.into_inner())
}

fn side(line: i32, count: i32, text: &str) -> Option<pb::ConflictSide> {
    Some(pb::ConflictSide { line, count, text: text.to_owned() })
}

#[tokio::test]
async fn a_conflict_is_refused_with_all_sides_and_changes_nothing() {
    let s = team().await;
    let id = s.mia.document(&s.project, "plan", "one\ntwo\nthree\n").await.id;
    let head = write(&s.olga, &id, "zero\none\nTWO\nthree\n", "").await.unwrap();
    let refusal = send(&s.mia, edit(&id, 1, line(2, 1, "2\n2b\n"))).await.unwrap_err();
    expect!["ABORTED EDIT_CONFLICT"].assert_eq(&summary(&refusal));

    let info = refusal.get_details_error_info().unwrap();
    let told = ["base_version", "head_version", "conflicts"].map(|key| info.metadata[key].as_str());
    assert_eq!(told, ["1", "2", "1"]);
    let details = tonic_types::pb::Status::decode(refusal.details()).unwrap().details;
    let detail =
        details.iter().find(|any| any.type_url.ends_with("/dafnck.content.v1.EditConflict")).unwrap();
    let conflict = pb::EditConflict::decode(detail.value.as_slice()).unwrap();
    let hunk = pb::EditConflictHunk {
        base_side: side(2, 1, "two\n"),
        head_side: side(3, 1, "TWO\n"),
        edit_side: side(2, 2, "2\n2b\n"),
    };
    assert_eq!(conflict.conflicts, [hunk]);
    assert_eq!((conflict.base_version, conflict.head_version, conflict.conflict_count), (1, 2, 1));
    assert_eq!(read(&s.mia, &id).await.unwrap(), head);
}

#[tokio::test]
async fn a_conflict_is_resolved_by_editing_the_head_version() {
    let s = team().await;
    let base: String = (0..400).map(|number| format!("{number}: {}\n", "word ".repeat(20))).collect();
    let id = s.mia.document(&s.project, "plan", &base).await.id;
    let theirs = base.replace("word", "theirs");
    write(&s.olga, &id, &theirs, "").await.unwrap();

    let mine = || replacement(&base.replace("word", "mine"));
    let refusal = send(&s.mia, edit(&id, 1, mine())).await.unwrap_err();
    expect!["ABORTED EDIT_CONFLICT"].assert_eq(&summary(&refusal));
    assert!(refusal.details().len() < 5_000, "{} bytes do not fit into a header", refusal.details().len());

    let shown = preview(&s.mia, &id, 1, mine()).await.unwrap();
    assert_eq!((shown.base_version, shown.head_version, shown.truncated), (1, 2, false));
    assert_eq!(shown.content, None);
    let texts = |side: fn(&pb::EditConflictHunk) -> &Option<pb::ConflictSide>| -> String {
        shown.conflicts.iter().map(|hunk| side(hunk).as_ref().unwrap().text.as_str()).collect()
    };
    assert_eq!([texts(|h| &h.base_side), texts(|h| &h.head_side)], [base.clone(), theirs.clone()]);
    assert_eq!(texts(|hunk| &hunk.edit_side), base.replace("word", "mine"));

    let both = replacement(&format!("{theirs}{}", base.replace("word", "mine")));
    let decided = send(&s.mia, edit(&id, shown.head_version, both)).await.unwrap();
    assert_eq!(decided.version, 3);
}

#[tokio::test]
async fn a_preview_returns_the_result_and_changes_nothing() {
    let s = team().await;
    let first = s.mia.document(&s.project, "plan", "one\ntwo\n").await;
    let second = write(&s.olga, &first.id, "ONE\ntwo\n", "").await.unwrap();
    let merged = preview(&s.gus, &first.id, 1, line(2, 1, "TWO\n")).await.unwrap();
    assert_eq!(merged.content.as_deref(), Some("ONE\nTWO\n"));
    let appended = preview(&s.gus, &first.id, 0, Edit::Append("end".to_owned())).await.unwrap();
    assert_eq!((appended.base_version, appended.content.as_deref()), (2, Some("ONE\ntwo\nend")));
    assert_eq!(read(&s.gus, &first.id).await.unwrap(), second);

    let by_stranger = preview(&s.sam, &first.id, 1, line(2, 1, "")).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let unknown = preview(&s.gus, &first.id, 7, line(2, 1, "")).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&unknown));
    let misfit = preview(&s.gus, &first.id, 1, line(7, 1, "")).await.unwrap_err();
    expect!["INVALID_ARGUMENT PATCH_DOES_NOT_APPLY"].assert_eq(&summary(&misfit));
    let malformed = preview(&s.gus, "x", -1, line(1, 1, "")).await.unwrap_err();
    assert_eq!(violations(&malformed), ["document_id", "edit.line_edits.base_version"]);
}

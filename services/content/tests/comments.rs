//! Writing, editing and deleting comments.

use expect_test::expect;
use proto::common::Permission;
use proto::content::v1 as pb;
use proto::project::v1::{Member, ProjectVisibility, UpdateMemberRequest};
use proto::task::v1::DeleteTaskRequest;
use testkit::*;

use crate::fixtures::{
    Team, ToTarget, comment, count, create_comment, delete_comment, deny, edit_comment, header,
    list_comments, react, read_comment, reply, team, to_document, to_project, to_task, until, upload,
};

const NOT_FOUND: &str = "NOT_FOUND RESOURCE_NOT_FOUND";
const DENIED: &str = "PERMISSION_DENIED PERMISSION_MISSING";

async fn grant(s: &Team, who: &Actor, permission: Permission) {
    let member = Member {
        project_id: s.project.id.clone(),
        user_id: who.id.to_string(),
        granted_permissions: vec![permission.into()],
        ..Default::default()
    };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["granted_permissions".to_owned()] });
    let request = UpdateMemberRequest { member: Some(member), update_mask };
    s.olga.members().update_member(request).await.unwrap();
}

fn all_of(target: Option<pb::ContentTarget>) -> pb::ListCommentsRequest {
    pb::ListCommentsRequest { target, ..Default::default() }
}

#[tokio::test]
async fn members_comment_tasks_documents_and_projects() {
    let s = team().await;
    let task = s.mia.task(&s.project, "fly").await.id;
    let document = s.mia.document(&s.project, "plan", "up").await.id;
    let targets: [(ToTarget, &str); 3] =
        [(to_task, &task), (to_document, &document), (to_project, &s.project.id)];
    for (to_target, id) in targets {
        let made = comment(&s.mia, to_target(id), "Why?\n\n**Because.**").await.unwrap();
        assert_eq!((made.author_id.clone(), made.version), (s.mia.id.to_string(), 1));
        assert_eq!((&made.target, &made.project_id), (&to_target(id), &s.project.id));
        assert_eq!(read_comment(&s.gus, &made.id).await.unwrap(), made);
        assert_eq!(list_comments(&s.gus, all_of(to_target(id))).await.unwrap(), std::slice::from_ref(&made));
        assert_eq!(summary(&read_comment(&s.sam, &made.id).await.unwrap_err()), NOT_FOUND);
        assert_eq!(summary(&list_comments(&s.sam, all_of(to_target(id))).await.unwrap_err()), NOT_FOUND);
        assert_eq!(summary(&comment(&s.sam, to_target(id), "me").await.unwrap_err()), NOT_FOUND);
        assert_eq!(summary(&reply(&s.sam, &made, "me").await.unwrap_err()), NOT_FOUND);
        assert_eq!(summary(&comment(&s.mia, to_target(&new_id()), "where").await.unwrap_err()), NOT_FOUND);
    }
    let unknown = list_comments(&s.mia, all_of(to_task(&new_id()))).await.unwrap_err();
    assert_eq!(summary(&unknown), NOT_FOUND);
}

#[tokio::test]
async fn viewers_write_comments_if_that_is_granted_to_them() {
    let s = team().await;
    let by_viewer = async || comment(&s.gus, to_project(&s.project.id), "I see").await;
    assert_eq!(summary(&by_viewer().await.unwrap_err()), DENIED);
    grant(&s, &s.gus, Permission::CommentWrite).await;
    until("granted", async || by_viewer().await.is_ok()).await;
}

#[tokio::test]
async fn a_retry_returns_the_comment_of_the_first_call() {
    let s = team().await;
    let comment =
        pb::Comment { target: to_project(&s.project.id), content: "once".to_owned(), ..Default::default() };
    let request = pb::CreateCommentRequest { request_id: new_id(), comment: Some(comment.clone()) };
    let create = async |request: &pb::CreateCommentRequest| {
        Ok::<_, tonic::Status>(s.mia.comments().create_comment(request.clone()).await?.into_inner())
    };
    let first = create(&request).await.unwrap();
    assert_eq!(create(&request).await.unwrap(), first);
    let other = pb::Comment { content: "twice".to_owned(), ..comment.clone() };
    let reused = pb::CreateCommentRequest { comment: Some(other), ..request.clone() };
    let refusal = create(&reused).await.unwrap_err();
    expect!["FAILED_PRECONDITION REQUEST_ID_REUSED"].assert_eq(&summary(&refusal));
    let taken = pb::Comment { id: first.id.clone(), ..comment };
    let refusal = create_comment(&s.mia, taken).await.unwrap_err();
    expect!["ALREADY_EXISTS ALREADY_EXISTS"].assert_eq(&summary(&refusal));

    deny(&s, &s.mia, Permission::CommentRead).await;
    until("denied", async || read_comment(&s.mia, &first.id).await.is_err()).await;
    assert_eq!(summary(&create(&request).await.unwrap_err()), DENIED);
    for refusal in [
        edit_comment(&s.mia, &first.id, "x", "").await,
        react(&s.mia, &first.id, "👍").await,
        delete_comment(&s.mia, &first.id).await,
    ] {
        assert_eq!(summary(&refusal.unwrap_err()), DENIED);
    }
}

#[tokio::test]
async fn only_the_author_edits_and_earlier_contents_stay() {
    let s = team().await;
    let made = comment(&s.mia, to_project(&s.project.id), "one").await.unwrap();
    let edited = edit_comment(&s.mia, &made.id, "two", &made.etag).await.unwrap();
    assert_eq!((edited.content.as_str(), edited.version), ("two", 2));
    assert_eq!((edited.created_at, edited.edited_at), (made.created_at, edited.updated_at));
    assert!(edited.etag != made.etag);
    assert_eq!(edit_comment(&s.mia, &made.id, "two", "").await.unwrap(), edited, "nothing changes");
    let stale = edit_comment(&s.mia, &made.id, "three", &made.etag).await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&stale));
    let by_owner = edit_comment(&s.olga, &made.id, "mine", "").await.unwrap_err();
    expect!["PERMISSION_DENIED AUTHOR_ONLY"].assert_eq(&summary(&by_owner));
    assert_eq!(summary(&edit_comment(&s.gus, &made.id, "x", "").await.unwrap_err()), DENIED);
    assert_eq!(summary(&edit_comment(&s.sam, &made.id, "x", "").await.unwrap_err()), NOT_FOUND);

    let versions = async |page_size, page_token: &str| {
        let request = pb::ListCommentVersionsRequest {
            comment_id: made.id.clone(),
            page_size,
            page_token: page_token.to_owned(),
        };
        s.gus.comments().list_comment_versions(request).await.unwrap().into_inner()
    };
    let first = versions(1, "").await;
    let second = versions(1, &first.next_page_token).await;
    let contents = [first.versions, second.versions].concat();
    let contents: Vec<_> =
        contents.iter().map(|v| (v.version_number, v.content.as_str(), v.created_at)).collect();
    assert_eq!(contents, [(2, "two", edited.edited_at), (1, "one", made.created_at)]);
    assert_eq!(second.next_page_token, "");
}

#[tokio::test]
async fn a_comment_has_at_most_100_contents() {
    let s = team().await;
    let id = comment(&s.mia, to_project(&s.project.id), "1").await.unwrap().id;
    for number in 2..=100 {
        edit_comment(&s.mia, &id, &number.to_string(), "").await.unwrap();
    }
    let refusal = edit_comment(&s.mia, &id, "101", "").await.unwrap_err();
    expect!["FAILED_PRECONDITION TOO_MANY_EDITS"].assert_eq(&summary(&refusal));
}

#[tokio::test]
async fn a_deleted_comment_leaves_a_tombstone_and_its_replies() {
    let s = team().await;
    let made = comment(&s.mia, to_project(&s.project.id), "@olga secret one").await.unwrap();
    edit_comment(&s.mia, &made.id, "@olga secret two", "").await.unwrap();
    react(&s.olga, &made.id, "👍").await.unwrap();
    let answer = reply(&s.olga, &made, "kept").await.unwrap();

    let deleted = delete_comment(&s.mia, &made.id).await.unwrap();
    assert!(deleted.deleted_at.is_some());
    assert_eq!((deleted.content.as_str(), deleted.version, deleted.reply_count), ("", 0, 1));
    assert!(deleted.reactions.is_empty() && deleted.mentioned_user_ids.is_empty());
    assert_eq!(delete_comment(&s.mia, &made.id).await.unwrap(), deleted, "a retry");
    assert_eq!(read_comment(&s.gus, &answer.id).await.unwrap(), answer);
    assert_eq!(count(&s.suite, "comment_versions").await, 0);
    let logged = "change_log WHERE old_values::text LIKE '%secret%' OR new_values::text LIKE '%secret%'";
    assert_eq!(count(&s.suite, logged).await, 0);

    let deleted = "FAILED_PRECONDITION COMMENT_DELETED";
    assert_eq!(summary(&edit_comment(&s.mia, &made.id, "back", "").await.unwrap_err()), deleted);
    assert_eq!(summary(&react(&s.mia, &made.id, "👍").await.unwrap_err()), deleted);
    assert_eq!(violations(&reply(&s.mia, &made, "late").await.unwrap_err()), ["comment.parent_id"]);
}

#[tokio::test]
async fn comments_of_others_are_deleted_by_admins() {
    let s = team().await;
    let target = || to_project(&s.project.id);
    let [of_olga, of_mia] =
        [comment(&s.olga, target(), "a").await.unwrap(), comment(&s.mia, target(), "b").await.unwrap()];
    assert_eq!(summary(&delete_comment(&s.mia, &of_olga.id).await.unwrap_err()), DENIED);
    assert_eq!(summary(&delete_comment(&s.gus, &of_olga.id).await.unwrap_err()), DENIED);
    assert_eq!(summary(&delete_comment(&s.sam, &of_olga.id).await.unwrap_err()), NOT_FOUND);
    let stale = pb::DeleteCommentRequest { comment_id: of_mia.id.clone(), etag: "x".to_owned() };
    let stale = s.olga.comments().delete_comment(stale).await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&stale));
    delete_comment(&s.olga, &of_mia.id).await.unwrap();
}

#[tokio::test]
async fn mentions_are_users_who_can_read_the_project() {
    let s = team().await;
    let text = "@mia @OLGA, ask @gus. Not @sam, @nobody or x@mia; @mia again";
    let made = comment(&s.mia, to_project(&s.project.id), text).await.unwrap();
    let ids = |people: &[&Actor]| people.iter().map(|who| who.id.to_string()).collect::<Vec<_>>();
    assert_eq!(made.mentioned_user_ids, ids(&[&s.mia, &s.olga, &s.gus]));
    assert_eq!(made.content, text);
    let edited = edit_comment(&s.mia, &made.id, "only @olga", "").await.unwrap();
    assert_eq!(edited.mentioned_user_ids, ids(&[&s.olga]));

    s.publish_project().await;
    let visibility = i32::from(ProjectVisibility::Public);
    assert_ne!(visibility, s.project.visibility);
    until("public", async || {
        let made = comment(&s.mia, to_project(&s.project.id), "@sam").await.unwrap();
        made.mentioned_user_ids == ids(&[&s.sam])
    })
    .await;
}

#[tokio::test]
async fn a_comment_names_attachments_of_its_target() {
    let s = team().await;
    let task = s.mia.task(&s.project, "fly").await.id;
    let file = async |target| {
        let header = pb::UploadHeader { target, ..header(&s.project) };
        upload(&s.mia, header, b"abc", 3).await.unwrap().id
    };
    let (one, two) = (file(to_task(&task)).await, file(to_task(&task)).await);
    let elsewhere = file(to_project(&s.project.id)).await;
    let with = |ids: &[&String]| pb::Comment {
        target: to_task(&task),
        content: "see the files".to_owned(),
        attachment_ids: ids.iter().map(|id| (*id).clone()).collect(),
        ..Default::default()
    };
    for refused in [vec![&elsewhere], vec![&one, &s.project.id], vec![&task; 21]] {
        let refusal = create_comment(&s.mia, with(&refused)).await.unwrap_err();
        assert_eq!(violations(&refusal), ["comment.attachment_ids"]);
    }
    let made = create_comment(&s.mia, with(&[&two, &one, &two])).await.unwrap();
    assert_eq!(made.attachment_ids, [two.clone(), one.clone()]);
    let answer = pb::Comment { target: None, parent_id: made.id.clone(), ..with(&[&one]) };
    assert_eq!(create_comment(&s.mia, answer).await.unwrap().attachment_ids, vec![one.clone()]);

    let change = |comment, path: &str| pb::UpdateCommentRequest {
        comment: Some(comment),
        update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
    };
    let only_one = pb::Comment { id: made.id.clone(), ..with(&[&one]) };
    let changed = change(only_one, "attachment_ids");
    let changed = s.mia.comments().update_comment(changed).await.unwrap().into_inner();
    assert_eq!((changed.attachment_ids, changed.version), (vec![one.clone()], 1));
    let edited = edit_comment(&s.mia, &made.id, "read it", "").await.unwrap();
    assert_eq!((edited.attachment_ids, edited.version), (vec![one.clone()], 2));
    deny(&s, &s.mia, Permission::AttachmentRead).await;
    until("denied", async || create_comment(&s.mia, with(&[&one])).await.is_err()).await;
    assert_eq!(summary(&create_comment(&s.mia, with(&[&one])).await.unwrap_err()), DENIED);

    let request = pb::DeleteAttachmentRequest { attachment_id: one, ..Default::default() };
    s.olga.attachments().delete_attachment(request).await.unwrap();
    assert!(read_comment(&s.gus, &made.id).await.unwrap().attachment_ids.is_empty());
}

#[tokio::test]
async fn comments_are_deleted_with_their_target() {
    let s = team().await;
    let [task, kept] = [s.mia.task(&s.project, "fly").await.id, s.mia.task(&s.project, "stay").await.id];
    let document = s.mia.document(&s.project, "plan", "up").await.id;
    for target in [to_task(&task), to_task(&kept), to_document(&document)] {
        let made = comment(&s.mia, target, "one").await.unwrap();
        reply(&s.mia, &made, "two").await.unwrap();
        react(&s.mia, &made.id, "👍").await.unwrap();
    }
    let delete = DeleteTaskRequest { task_id: task, ..Default::default() };
    s.olga.tasks().delete_task(delete).await.unwrap();
    let delete = pb::DeleteDocumentRequest { document_id: document, ..Default::default() };
    s.olga.documents().delete_document(delete).await.unwrap();
    until("deleted", async || count(&s.suite, "comments").await == 2).await;
    assert_eq!(count(&s.suite, "comment_reactions").await, 1);
    assert_eq!(list_comments(&s.mia, all_of(to_task(&kept))).await.unwrap().len(), 2);
}

#[tokio::test]
async fn malformed_comments_are_refused() {
    let s = team().await;
    let fields = async |comment: Option<pb::Comment>| {
        let request = pb::CreateCommentRequest { request_id: "x".to_owned(), comment };
        violations(&s.mia.comments().create_comment(request).await.unwrap_err())
    };
    assert_eq!(fields(None).await, ["request_id", "comment", "comment.target", "comment.content"]);
    let malformed = pb::Comment {
        id: "x".to_owned(),
        parent_id: "x".to_owned(),
        target: to_task("x"),
        content: "x".repeat(16 * 1024 + 1),
        ..Default::default()
    };
    let expected = ["request_id", "comment.id", "comment.parent_id", "comment.target.task_id"];
    let rest = ["comment.target", "comment.content"];
    assert_eq!(fields(Some(malformed)).await, [&expected[..], &rest].concat());
    let names: String = (0..51).map(|number| format!("@user{number} ")).collect();
    for content in [" \u{200b}\n", "a\0", names.as_str()] {
        let refusal = comment(&s.mia, to_project(&s.project.id), content).await.unwrap_err();
        assert_eq!(violations(&refusal), ["comment.content"], "{content:?}");
    }
    let made = comment(&s.mia, to_project(&s.project.id), "fine").await.unwrap();
    for emoji in ["", "a", "👍👍"] {
        assert_eq!(violations(&react(&s.mia, &made.id, emoji).await.unwrap_err()), ["emoji"]);
    }
    let cleared = pb::UpdateCommentRequest {
        comment: Some(pb::Comment { id: made.id, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["*".to_owned()] }),
    };
    let refusal = s.mia.comments().update_comment(cleared).await.unwrap_err();
    assert_eq!(violations(&refusal), ["comment.content"]);
}

//! What the tests of this service begin with.

use crate::harness::harness;
use content::storage::StorageOptions;
use std::time::Duration;

use chrono::TimeDelta;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use futures::stream;
use proto::common::{Permission, TimeRange};
use proto::content::v1 as pb;
use proto::content::v1::content_target::Target;
use proto::content::v1::download_attachment_response::Part as DownloadPart;
use proto::content::v1::upload_attachment_request::Part;
use proto::project::v1::{
    Member, Project, ProjectRole, ProjectVisibility, UpdateMemberRequest, UpdateProjectRequest,
};
use testkit::*;
use tonic::Status;

/// Olga owns a project in which Mia is a member and Gus a viewer; Sam is a stranger.
pub struct Team {
    pub suite: Suite,
    pub olga: Actor,
    pub mia: Actor,
    pub gus: Actor,
    pub sam: Actor,
    pub project: Project,
}

pub async fn team() -> Team {
    team_on(harness().start().await).await
}

/// As [`team`], where files may have this many bytes.
pub async fn team_with_max_bytes(bytes: usize) -> Team {
    let room = |options: &mut SuiteOptions| {
        options.own_mut::<StorageOptions>().limits.max_attachment_bytes = bytes as u64
    };
    team_on(harness().start_with(room).await).await
}

/// As [`team`], on this suite.
pub async fn team_on(suite: Suite) -> Team {
    let [olga, mia, gus, sam] = suite.guests(["olga", "mia", "gus", "sam"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &mia, ProjectRole::Member).await;
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    Team { suite, olga, mia, gus, sam, project }
}

impl Team {
    /// Lets anybody read the project.
    pub async fn publish_project(&self) {
        let project = Project {
            id: self.project.id.clone(),
            visibility: ProjectVisibility::Public.into(),
            ..Default::default()
        };
        let mask = prost_types::FieldMask { paths: vec!["visibility".to_owned()] };
        let request =
            UpdateProjectRequest { project: Some(project), update_mask: Some(mask), ..Default::default() };
        self.olga.projects().update_project(request).await.unwrap();
    }
}

/// Takes the permission to read documents from a member of the project.
pub async fn deny_document_read(s: &Team, who: &Actor) {
    deny(s, who, Permission::DocumentRead).await;
}

/// Takes a permission from a member of the project.
pub async fn deny(s: &Team, who: &Actor, permission: Permission) {
    let member = Member {
        project_id: s.project.id.clone(),
        user_id: who.id.to_string(),
        denied_permissions: vec![permission.into()],
        ..Default::default()
    };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["denied_permissions".to_owned()] });
    let request = UpdateMemberRequest { member: Some(member), update_mask };
    s.olga.members().update_member(request).await.unwrap();
}

/// A filter with a violation in each field.
pub fn malformed_filter() -> pb::DocumentFilter {
    let far = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    pb::DocumentFilter {
        project_ids: vec!["x".to_owned()],
        statuses: vec![77],
        author_ids: vec!["x".to_owned()],
        all_tags: vec![String::new()],
        any_tags: vec!["x".repeat(101)],
        no_tags: vec!["\n".to_owned()],
        content_types: vec!["kind".to_owned(); 51],
        created_at: Some(TimeRange { start_time: Some(far), end_time: Some(far) }),
        updated_at: Some(TimeRange::default()),
        text: "\n".to_owned(),
        metadata: Some(shared::json::to_struct(&serde_json::json!({"a": "\0"}))),
    }
}

/// The fields of [`malformed_filter`] but `text` and `metadata`.
pub const MALFORMED_FILTER_FIELDS: &[&str] = &[
    "filter.project_ids[0]",
    "filter.statuses[0]",
    "filter.author_ids[0]",
    "filter.all_tags[0]",
    "filter.any_tags[0]",
    "filter.no_tags[0]",
    "filter.content_types",
    "filter.created_at.start_time",
    "filter.created_at.end_time",
    "filter.updated_at",
];

pub async fn read(who: &Actor, id: &str) -> Result<pb::Document, Status> {
    let request = pb::GetDocumentRequest { document_id: id.to_owned() };
    Ok(who.documents().get_document(request).await?.into_inner())
}

/// Writes a new content into a document.
pub async fn write(who: &Actor, id: &str, content: &str, etag: &str) -> Result<pb::Document, Status> {
    let document = pb::Document {
        id: id.to_owned(),
        content: Some(content.to_owned()),
        etag: etag.to_owned(),
        ..Default::default()
    };
    update(who, document, &["content"]).await
}

pub async fn update(who: &Actor, document: pb::Document, paths: &[&str]) -> Result<pb::Document, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateDocumentRequest {
        document: Some(document),
        update_mask: Some(prost_types::FieldMask { paths }),
        change_summary: Some("as requested".to_owned()),
        ..Default::default()
    };
    Ok(who.documents().update_document(request).await?.into_inner())
}

/// Makes the target of an attachment from an id.
pub type ToTarget = fn(&str) -> Option<pb::ContentTarget>;

/// A project as the target of an attachment.
pub fn to_project(id: &str) -> Option<pb::ContentTarget> {
    Some(pb::ContentTarget { target: Some(Target::ProjectId(id.to_owned())) })
}

/// A document as the target of an attachment.
pub fn to_document(id: &str) -> Option<pb::ContentTarget> {
    Some(pb::ContentTarget { target: Some(Target::DocumentId(id.to_owned())) })
}

/// A task as the target of an attachment.
pub fn to_task(id: &str) -> Option<pb::ContentTarget> {
    Some(pb::ContentTarget { target: Some(Target::TaskId(id.to_owned())) })
}

/// Writes a comment.
pub async fn comment(
    who: &Actor,
    target: Option<pb::ContentTarget>,
    content: &str,
) -> Result<pb::Comment, Status> {
    let comment = pb::Comment { target, content: content.to_owned(), ..Default::default() };
    create_comment(who, comment).await
}

/// Writes a reply.
pub async fn reply(who: &Actor, parent: &pb::Comment, content: &str) -> Result<pb::Comment, Status> {
    let (parent_id, content) = (parent.id.clone(), content.to_owned());
    create_comment(who, pb::Comment { parent_id, content, ..Default::default() }).await
}

pub async fn create_comment(who: &Actor, comment: pb::Comment) -> Result<pb::Comment, Status> {
    let request = pb::CreateCommentRequest { comment: Some(comment), ..Default::default() };
    Ok(who.comments().create_comment(request).await?.into_inner())
}

pub async fn read_comment(who: &Actor, id: &str) -> Result<pb::Comment, Status> {
    let request = pb::GetCommentRequest { comment_id: id.to_owned() };
    Ok(who.comments().get_comment(request).await?.into_inner())
}

pub async fn edit_comment(who: &Actor, id: &str, content: &str, etag: &str) -> Result<pb::Comment, Status> {
    let comment = pb::Comment {
        id: id.to_owned(),
        content: content.to_owned(),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let request = pb::UpdateCommentRequest { comment: Some(comment), ..Default::default() };
    Ok(who.comments().update_comment(request).await?.into_inner())
}

pub async fn delete_comment(who: &Actor, id: &str) -> Result<pb::Comment, Status> {
    let request = pb::DeleteCommentRequest { comment_id: id.to_owned(), ..Default::default() };
    Ok(who.comments().delete_comment(request).await?.into_inner())
}

pub async fn react(who: &Actor, id: &str, emoji: &str) -> Result<pb::Comment, Status> {
    let request = pb::AddCommentReactionRequest { comment_id: id.to_owned(), emoji: emoji.to_owned() };
    Ok(who.comments().add_comment_reaction(request).await?.into_inner())
}

/// All comments on a target, page by page.
pub async fn list_comments(
    who: &Actor,
    request: pb::ListCommentsRequest,
) -> Result<Vec<pb::Comment>, Status> {
    let (mut request, mut found) = (request, Vec::new());
    loop {
        let page = who.comments().list_comments(request.clone()).await?.into_inner();
        found.extend(page.comments);
        if page.next_page_token.is_empty() {
            return Ok(found);
        }
        request.page_token = page.next_page_token;
    }
}

/// A header for a file of the project.
pub fn header(project: &Project) -> pb::UploadHeader {
    pb::UploadHeader {
        target: to_project(&project.id),
        filename: "plan.txt".to_owned(),
        ..Default::default()
    }
}

pub fn message(part: Part) -> pb::UploadAttachmentRequest {
    pb::UploadAttachmentRequest { part: Some(part) }
}

/// Uploads bytes in chunks of this size.
pub async fn upload(
    who: &Actor,
    header: pb::UploadHeader,
    bytes: &[u8],
    chunk_size: usize,
) -> Result<pb::Attachment, Status> {
    let chunks = bytes.chunks(chunk_size).map(|chunk| message(Part::Chunk(chunk.to_vec().into())));
    let messages: Vec<_> = std::iter::once(message(Part::Header(header))).chain(chunks).collect();
    Ok(who.attachments().upload_attachment(stream::iter(messages)).await?.into_inner())
}

/// Downloads a part of a file: its attachment, its bytes and its largest chunk.
pub async fn download(
    who: &Actor,
    id: &str,
    offset: i64,
    length: i64,
) -> Result<(pb::Attachment, Vec<u8>, usize), Status> {
    let request = pb::DownloadAttachmentRequest { attachment_id: id.to_owned(), offset, length };
    let mut answers = who.attachments().download_attachment(request).await?.into_inner();
    let Some(DownloadPart::Attachment(attachment)) = answers.message().await?.unwrap().part else {
        panic!("the attachment comes first");
    };
    let (mut bytes, mut largest) = (Vec::new(), 0);
    while let Some(next) = answers.message().await? {
        let Some(DownloadPart::Chunk(chunk)) = next.part else { panic!("the attachment comes once") };
        largest = largest.max(chunk.len());
        bytes.extend_from_slice(&chunk);
    }
    Ok((attachment, bytes, largest))
}

/// Bytes without a pattern that a chunk's edge could hide behind.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Paths of the objects in the store, also of incomplete ones, as `parts/<id>`.
pub fn stored_files(suite: &Suite) -> Vec<String> {
    let parts = suite.options.own::<StorageOptions>().storage_directory.join("parts");
    let Ok(entries) = std::fs::read_dir(parts) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut paths: Vec<String> = names.map(|name| format!("parts/{name}")).collect();
    paths.sort();
    paths
}

/// What the table says is in the store, and in which state.
pub async fn recorded_files(suite: &Suite) -> Vec<(String, String)> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        path: String,
        #[diesel(sql_type = Text)]
        state: String,
    }
    let query = sql_query("SELECT path, state FROM content.stored_parts ORDER BY path");
    let rows: Vec<Row> = query.load(&mut suite.admin_of("content").await).await.unwrap();
    rows.into_iter().map(|row| (row.path, row.state)).collect()
}

/// Waits until the collector has deleted all objects and their rows.
pub async fn until_nothing_is_kept(suite: &Suite) {
    let nothing_kept = async || match recorded_files(suite).await {
        kept if kept.is_empty() => Ok(()),
        kept => Err(kept),
    };
    testkit::until_ok("nothing kept", Duration::from_secs(10), nothing_kept).await;
    assert!(stored_files(suite).is_empty());
}

/// A number that SQL finds, past all policies.
pub async fn count(suite: &Suite, query: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let query = sql_query(format!("SELECT count(*) AS count FROM content.{query}"));
    query.get_result::<Row>(&mut suite.admin_of("content").await).await.unwrap().count
}

/// Waits until the collector's position is behind the last deletion of an attachment: one that is noted later begins
/// its grace later.
pub async fn wait_for_recorded_deletions(suite: &Suite) {
    let noted = "feed_positions WHERE feed = 'deleted_files' AND cursor LIKE \
        (SELECT '%.' || transaction_id || '.' || position FROM content.change_log \
         WHERE entity = 'file_attachments' AND operation = 'delete' \
         ORDER BY transaction_id DESC, position DESC LIMIT 1)";
    until("noted", async || count(suite, noted).await == 1).await;
}

/// Lets the time pass for which deleted files are kept.
pub fn pass_grace_period(suite: &Suite) {
    suite
        .options
        .clock
        .advance(suite.options.own::<StorageOptions>().limits.deleted_file_grace() + TimeDelta::seconds(1));
}

/// Calls again while the service is overloaded, as its answers ask for.
pub async fn until_admitted<T>(call: impl AsyncFn() -> Result<T, Status>) -> T {
    let admitted = async || match call().await {
        Err(status) if reason_of(&status) == "OVERLOADED" => Err(status),
        answer => Ok(answer),
    };
    testkit::until_ok("admitted", Duration::from_secs(60), admitted).await.unwrap()
}

/// Waits until something holds, ten seconds at most.
pub async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    testkit::until(what, Duration::from_secs(10), holds).await;
}

//! Files and comments on all that has some.

use futures::stream;
use proto::content::v1 as content;
use proto::content::v1::content_target::Target;
use proto::content::v1::upload_attachment_request::Part;
use proto::project::v1::Project;
use proto::task::v1::Task;
use serde_json::json;
use shared::json::to_struct;
use testkit::Actor;

pub(super) async fn files(olga: &Actor, gus: &Actor, apollo: &Project, fly: &Task, plan: &content::Document) {
    let large = vec![7; 3 * 1024 * 1024];
    attach(olga, Target::TaskId(fly.id.clone()), "Größe.bin", &large).await;
    attach(gus, Target::TaskId(fly.id.clone()), "../same bytes", &large).await;
    attach(gus, Target::DocumentId(plan.id.clone()), "a.png", b"\x89PNG\r\n\x1a\n").await;
    attach(olga, Target::ProjectId(apollo.id.clone()), "note.txt", "ünïcode".as_bytes()).await;
}

async fn comment(who: &Actor, comment: content::Comment, text: &str) -> content::Comment {
    let comment = content::Comment { content: text.to_owned(), ..comment };
    let request = content::CreateCommentRequest { comment: Some(comment), ..Default::default() };
    who.comments().create_comment(request).await.unwrap().into_inner()
}

/// Number of the newest version of the plan.
const NEWEST_VERSION: i32 = 4;

/// Threads on all that has some: edited, resolved, deleted, with reactions and a file.
pub(super) async fn comments(
    olga: &Actor,
    gus: &Actor,
    apollo: &Project,
    fly: &Task,
    plan: &content::Document,
) {
    let on = |target| content::Comment {
        target: Some(content::ContentTarget { target: Some(target) }),
        ..Default::default()
    };
    let to = |parent: &content::Comment| content::Comment {
        // The reply has a smaller id than its parent.
        id: format!("00000000-0000-4000-8000-{}", &parent.id[24..]),
        parent_id: parent.id.clone(),
        ..Default::default()
    };
    let file = attach(gus, Target::TaskId(fly.id.clone()), "seen.txt", b"seen").await;
    let asked = content::Comment { attachment_ids: vec![file], ..on(Target::TaskId(fly.id.clone())) };
    let asked = comment(gus, asked, "Why,\n**@olga**? “ü” 😀").await;
    comment(olga, to(&asked), "Because @gus asked.").await;
    let edited = content::Comment { content: "Why?".to_owned(), ..asked.clone() };
    let edit = content::UpdateCommentRequest { comment: Some(edited), ..Default::default() };
    gus.comments().update_comment(edit).await.unwrap();
    for (who, emoji) in [(olga, "👍"), (gus, "👍"), (olga, "❤️")] {
        let (comment_id, emoji) = (asked.id.clone(), emoji.to_owned());
        let react = content::AddCommentReactionRequest { comment_id, emoji };
        who.comments().add_comment_reaction(react).await.unwrap();
    }
    let anchored = content::Comment {
        anchor: Some(content::CommentAnchor {
            version_number: NEWEST_VERSION,
            end_char: 2,
            ..Default::default()
        }),
        ..on(Target::DocumentId(plan.id.clone()))
    };
    let resolved = comment(olga, anchored, "Done?").await;
    let resolve = content::ResolveCommentRequest { comment_id: resolved.id, ..Default::default() };
    gus.comments().resolve_comment(resolve).await.unwrap();
    let gone = comment(olga, on(Target::ProjectId(apollo.id.clone())), "Never mind.").await;
    comment(gus, to(&gone), "What?").await;
    let delete = content::DeleteCommentRequest { comment_id: gone.id, ..Default::default() };
    olga.comments().delete_comment(delete).await.unwrap();
}

pub(super) async fn attach(who: &Actor, target: Target, filename: &str, bytes: &[u8]) -> String {
    let header = content::UploadHeader {
        target: Some(content::ContentTarget { target: Some(target) }),
        filename: filename.to_owned(),
        metadata: Some(to_struct(&json!({"from": filename}))),
        ..Default::default()
    };
    let chunks = bytes.chunks(512 * 1024).map(|chunk| Part::Chunk(chunk.to_vec().into()));
    let parts = std::iter::once(Part::Header(header)).chain(chunks);
    let parts: Vec<_> = parts.map(|part| content::UploadAttachmentRequest { part: Some(part) }).collect();
    who.attachments().upload_attachment(stream::iter(parts)).await.unwrap().into_inner().id
}

//! Imports of comments.

use futures::stream;
use prost_types::Timestamp;
use proto::common::ImportOutcome::{self, Created, Refused, Unchanged};
use proto::content::admin::v1 as pb;
use proto::content::v1::UploadHeader;
use testkit::*;

use crate::fixtures::{Team, header, read_comment, team, to_document, to_project, to_task, upload};
use crate::import_documents::imports;

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn comment(s: &Team, line: u64) -> pb::ImportedComment {
    pb::ImportedComment {
        line,
        id: new_id(),
        target: to_project(&s.project.id),
        author_id: s.mia.id.to_string(),
        content: "imported".to_owned(),
        ..Default::default()
    }
}

async fn import(s: &Team, comments: Vec<pb::ImportedComment>) -> Vec<(u64, ImportOutcome, String)> {
    let batch = pb::ImportCommentsRequest { comments };
    let mut answers = imports(s).import_comments(stream::iter([batch])).await.unwrap().into_inner();
    let results = answers.message().await.unwrap().unwrap().results;
    results.into_iter().map(|result| (result.line, result.outcome(), result.reason)).collect()
}

#[tokio::test]
async fn imported_comments_keep_their_dates_versions_and_reactions() {
    let s = team().await;
    let task = s.mia.task(&s.project, "fly").await.id;
    let header = UploadHeader { target: to_task(&task), ..header(&s.project) };
    let file = upload(&s.mia, header, b"abc", 3).await.unwrap().id;
    let whole = pb::ImportedComment {
        target: to_task(&task),
        mentioned_user_ids: vec![s.olga.id.to_string()],
        attachment_ids: vec![file.clone(), new_id()],
        created_at: at(1_000),
        updated_at: at(4_000),
        edited_at: at(2_000),
        resolved_at: at(3_000),
        resolver_id: s.olga.id.to_string(),
        versions: vec![pb::ImportedCommentVersion { content: "before".to_owned(), created_at: at(1_000) }],
        reactions: vec![pb::ImportedCommentReaction {
            emoji: "👍".to_owned(),
            user_id: s.gus.id.to_string(),
            created_at: at(1_500),
        }],
        ..comment(&s, 2)
    };
    let answer = pb::ImportedComment {
        target: to_task(&task),
        parent_id: whole.id.clone(),
        content: String::new(),
        deleted_at: at(5_000),
        ..comment(&s, 1)
    };
    let batch = || vec![answer.clone(), whole.clone()];
    let outcomes = |results: Vec<(u64, ImportOutcome, String)>| -> Vec<_> {
        results.into_iter().map(|(line, outcome, _)| (line, outcome)).collect()
    };
    assert_eq!(outcomes(import(&s, batch()).await), [(1, Created), (2, Created)]);
    assert_eq!(outcomes(import(&s, batch()).await), [(1, Unchanged), (2, Unchanged)]);

    let stored = read_comment(&s.gus, &whole.id).await.unwrap();
    assert_eq!((stored.version, stored.content.as_str()), (2, "imported"));
    assert_eq!(
        [stored.created_at, stored.edited_at, stored.resolved_at, stored.updated_at],
        [1, 2, 3, 4].map(|n| at(n * 1_000))
    );
    assert_eq!(
        (stored.resolver_id, stored.mentioned_user_ids),
        (s.olga.id.to_string(), whole.mentioned_user_ids.clone())
    );
    assert_eq!(stored.attachment_ids, [file], "those that are there");
    assert_eq!(
        (stored.reactions[0].emoji.as_str(), stored.reactions[0].count, stored.reactions[0].own),
        ("👍", 1, true)
    );
    let stored = read_comment(&s.gus, &answer.id).await.unwrap();
    assert_eq!((stored.version, stored.deleted_at, stored.parent_id), (0, at(5_000), whole.id));
}

#[tokio::test]
async fn comments_that_refer_to_something_missing_are_refused() {
    let s = team().await;
    let nobody = new_id();
    let document = s.mia.document(&s.project, "plan", "up").await.id;
    let root = comment(&s, 0);
    let wrong = [
        pb::ImportedComment { author_id: nobody.clone(), ..comment(&s, 1) },
        pb::ImportedComment { mentioned_user_ids: vec![nobody.clone()], ..comment(&s, 2) },
        pb::ImportedComment { target: to_task(&nobody), ..comment(&s, 3) },
        pb::ImportedComment { target: to_document(&nobody), ..comment(&s, 4) },
        pb::ImportedComment { target: to_project(&nobody), ..comment(&s, 5) },
        pb::ImportedComment { parent_id: nobody.clone(), ..comment(&s, 6) },
        pb::ImportedComment { parent_id: root.id.clone(), target: to_document(&document), ..comment(&s, 7) },
        pb::ImportedComment { content: " ".to_owned(), ..comment(&s, 8) },
        pb::ImportedComment { deleted_at: at(1), ..comment(&s, 9) },
        pb::ImportedComment { resolved_at: at(1), ..comment(&s, 10) },
    ];
    let results = import(&s, [&[root], &wrong[..]].concat()).await;
    assert_eq!((results[0].0, results[0].1), (0, Created));
    let fields: Vec<_> = results[1..]
        .iter()
        .map(|(_, outcome, reason)| (*outcome, reason.split(':').next().unwrap_or_default()))
        .collect();
    let expected = [
        "author_id",
        "mentioned_user_ids",
        "target",
        "target",
        "target",
        "parent_id",
        "parent_id",
        "content",
        "deleted_at",
        "resolver_id",
    ];
    assert_eq!(fields, expected.map(|field| (Refused, field)));
}

//! `dafnck import` over the real wire.

use crate::eips;
use crate::harness::{harness, operator};
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use dafnck::import::{self, ImportOptions, Progress, Report, Tally};
use dafnck::interchange::line::Kind;
use dafnck::output::DryRun;
use expect_test::expect;
use futures::StreamExt;
use proto::content::v1 as content;
use proto::content::v1::download_attachment_response;
use proto::project::v1 as project;
use proto::task::v1 as task;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Suite, keys};

fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// One of everything, in an order in which nothing could be stored.
fn one_of_everything() -> Vec<Value> {
    let (olga, gus, apollo, build, fly, paint, guide) = (id(1), id(2), id(3), id(4), id(5), id(6), id(7));
    let bytes = base64::engine::general_purpose::STANDARD.encode([0, 159, 146, 150]);
    vec![
        json!({"type": "attachment", "id": id(8), "target": {"task_id": fly}, "uploader_id": gus,
            "filename": "inline.bin", "content_base64": bytes}),
        json!({"type": "attachment", "id": id(9), "target": {"document_id": guide},
            "uploader_id": olga, "filename": "beside.txt", "path": "files/beside.txt"}),
        json!({"type": "document_version", "document_id": guide, "version_number": 2, "content": "# Fly higher",
            "author_id": gus, "change_summary": "higher", "created_at": "2020-03-02T10:00:00Z"}),
        json!({"type": "document_version", "document_id": guide, "version_number": 1, "content": "# Fly",
            "author_id": olga, "created_at": "2020-03-01T00:00:00Z"}),
        json!({"type": "document", "id": guide, "project_id": apollo, "title": "Guide", "author_id": olga,
            "status": "DOCUMENT_STATUS_PUBLISHED", "created_at": "2020-03-01T00:00:00Z"}),
        json!({"type": "dependency", "task_id": fly, "depends_on_task_id": build}),
        json!({"type": "task", "id": paint, "project_id": apollo, "parent_task_id": build, "title": "Paint",
            "creator_id": gus}),
        json!({"type": "task", "id": fly, "project_id": apollo, "title": "Fly", "creator_id": olga,
            "status": "TASK_STATUS_BLOCKED", "tags": ["moon"], "metadata": {"stage": 2}}),
        json!({"type": "task", "id": build, "project_id": apollo, "title": "Build", "creator_id": olga,
            "status": "TASK_STATUS_DONE", "created_at": "2020-01-02T00:00:00Z",
            "updated_at": "2020-02-03T00:00:00Z"}),
        json!({"type": "time_entry", "id": id(11), "task_id": build, "user_id": olga,
            "started_at": "2020-01-02T08:00:00Z", "ended_at": "2020-01-02T09:00:00Z"}),
        json!({"type": "milestone", "id": id(10), "project_id": apollo, "name": "Landed"}),
        json!({"type": "member", "project_id": apollo, "user_id": gus, "role": "PROJECT_ROLE_VIEWER"}),
        json!({"type": "project", "id": apollo, "name": "Apollo", "owner_id": olga, "visibility": "PROJECT_VISIBILITY_PUBLIC"}),
        json!({"type": "user", "id": gus, "email": "gus@example.org", "username": "gus"}),
        json!({"type": "user", "id": olga, "email": "olga@example.org", "username": "olga", "last_name": "Ruiz"}),
    ]
}

/// A directory with a file to import and what it points to.
struct Origin {
    directory: TempDir,
}

impl Origin {
    fn of(lines: &[String]) -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("files")).unwrap();
        fs::write(directory.path().join("files/beside.txt"), "beside").unwrap();
        fs::write(directory.path().join("import.jsonl"), lines.join("\n")).unwrap();
        Self { directory }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("import.jsonl")
    }
}

fn texts(lines: &[Value]) -> Vec<String> {
    lines.iter().map(Value::to_string).collect()
}

fn options(suite: &Suite, file: &Path) -> ImportOptions {
    ImportOptions {
        file: file.to_owned(),
        strict: false,
        dry_run: DryRun::default(),
        operator: operator(suite),
    }
}

async fn import(suite: &Suite, file: &Path) -> Report {
    let mut report = Report::default();
    import::run(&options(suite, file), &mut report, &Progress::hidden()).await.unwrap();
    report
}

fn created(report: &Report) -> Vec<(Kind, u64)> {
    report.tallies.iter().map(|(kind, tally)| (*kind, tally.created)).collect()
}

async fn bytes_of(suite: &Suite, attachment: u32) -> Vec<u8> {
    let request = content::DownloadAttachmentRequest { attachment_id: id(attachment), ..Default::default() };
    let parts = suite.anonymous().attachments().download_attachment(request).await.unwrap().into_inner();
    let chunks = parts.map(|part| match part.unwrap().part {
        Some(download_attachment_response::Part::Chunk(chunk)) => chunk.to_vec(),
        _ => Vec::new(),
    });
    chunks.concat().await
}

#[tokio::test]
async fn everything_is_stored_once_whatever_the_order() {
    let suite = harness().start().await;
    let origin = Origin::of(&texts(&one_of_everything()));
    let first = import(&suite, &origin.file()).await;
    assert_eq!(first.refusals(), []);
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::TaskCounter);
    assert_eq!(created(&first), kinds.zip([2, 1, 1, 1, 3, 1, 1, 1, 2, 2]).collect::<Vec<_>>());

    let second = import(&suite, &origin.file()).await;
    assert_eq!(second.refusals(), []);
    assert!(created(&second).iter().all(|(_, created)| *created == 0));
    let unchanged: u64 = second.tallies.values().map(|tally| tally.unchanged).sum();
    assert_eq!(unchanged, 15);
}

#[tokio::test]
async fn what_was_imported_can_be_read_as_it_was() {
    let suite = harness().start().await;
    let origin = Origin::of(&texts(&one_of_everything()));
    import(&suite, &origin.file()).await;
    let anybody = suite.anonymous();

    let request = project::GetProjectRequest { project_id: id(3) };
    let found = anybody.projects().get_project(request).await.unwrap().into_inner();
    assert_eq!((found.name.as_str(), found.owner_id), ("Apollo", id(1)));
    let request = task::GetTaskRequest { task_id: id(4) };
    let build = anybody.tasks().get_task(request).await.unwrap().into_inner();
    assert_eq!(build.created_at.unwrap().seconds, 1_577_923_200);
    assert_eq!(build.completed_at.unwrap().seconds, 1_580_688_000);
    let request = content::GetDocumentRequest { document_id: id(7) };
    let guide = anybody.documents().get_document(request).await.unwrap().into_inner();
    assert_eq!((guide.content.as_deref(), guide.version), (Some("# Fly higher"), 2));
    assert_eq!(bytes_of(&suite, 8).await, [0, 159, 146, 150]);
    assert_eq!(bytes_of(&suite, 9).await, b"beside");
}

#[tokio::test]
async fn refused_lines_are_named_and_stop_no_other() {
    let suite = harness().start().await;
    let mut lines = texts(&one_of_everything());
    lines.push(r#"{"type":"user","id":"#.to_owned());
    lines.push(json!({"type": "ship"}).to_string());
    lines.push(
        json!({"type": "user", "id": id(20), "email": "else@example.org", "username": "olga"}).to_string(),
    );
    lines.push(json!({"type": "member", "project_id": id(3), "user_id": id(2), "rank": 1}).to_string());
    lines.push(
        json!({"type": "task", "id": id(21), "project_id": id(99), "title": "Lost", "creator_id": id(1)})
            .to_string(),
    );
    lines.push(json!({"type": "dependency", "task_id": id(4), "depends_on_task_id": id(5)}).to_string());
    lines.push(
        json!({"type": "attachment", "id": id(22), "target": {"task_id": id(5)}, "uploader_id": id(1),
            "filename": "passwd", "path": "../passwd"})
        .to_string(),
    );
    let origin = Origin::of(&lines);
    let report = import(&suite, &origin.file()).await;
    let refusals: Vec<String> =
        report.refusals().iter().map(|refusal| format!("{}: {}", refusal.line, refusal.reason)).collect();
    expect![[r#"
        16: EOF while parsing a value (column 20)
        17: unknown variant `ship`, expected one of `user`, `project`, `member`, `task_counter`, `milestone`, `task`, `dependency`, `time_entry`, `document`, `document_version`, `attachment`, `comment` (column 14)
        18: username: belongs to another user
        19: unrecognized field name 'rank'
        20: project_id names no project
        21: would close a cycle: Fly -> Build
        22: the path ../passwd leads out of the file's directory"#]].assert_eq(&refusals.join("\n"));
    assert_eq!(report.refused(), 7);
    assert_eq!(report.tallies[&Kind::Task], Tally { created: 3, refused: 1, ..Tally::default() });
}

#[tokio::test]
async fn the_key_of_a_service_imports_nothing_and_the_reason_is_told() {
    let suite = harness().start().await;
    let origin = Origin::of(&texts(&one_of_everything()));
    let mut options = options(&suite, &origin.file());
    options.operator.operator_key = Some(keys::private_key("task").parse().unwrap());
    let mut report = Report::default();
    let error = import::run(&options, &mut report, &Progress::hidden()).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.starts_with("sending the users: UNAUTHENTICATED"), "{text}");
    assert!(text.ends_with("Do the services know this key under this name?"), "{text}");
}

#[tokio::test]
async fn converted_proposals_are_imported_with_their_circle_refused() {
    let suite = harness().start().await;
    let directory = TempDir::new().unwrap();
    write_proposals(directory.path());
    let output = directory.path().join("converted.jsonl");
    let counts = eips::convert(directory.path(), &output).unwrap();
    let report = import(&suite, &output).await;
    let written: Vec<(Kind, u64)> = counts.into_iter().collect();
    let taken = |tally: &Tally| tally.created + tally.refused;
    assert_eq!(report.tallies.iter().map(|(kind, tally)| (*kind, taken(tally))).collect::<Vec<_>>(), written);
    let refused: Vec<Kind> = report.refusals().iter().filter_map(|refusal| refusal.kind).collect();
    assert_eq!(refused, [Kind::Dependency], "{report}");
}

/// Three made-up proposals, of which two require each other.
fn write_proposals(directory: &Path) {
    let proposal = |number: u32, requires: &[u32], category: &str| {
        json!({"number": number, "title": "Made up", "authors": [{"name": "Olga Ruiz", "handle": "olgar"}],
            "status": "Draft", "type": "Standards Track", "category": category, "created": "2021-04-05",
            "discussions_to": null, "requires": requires, "body": format!("body {number}")})
    };
    let proposals = [proposal(1, &[2], "Core"), proposal(2, &[1], "Core"), proposal(3, &[1], "Interface")];
    fs::write(directory.join("eips.jsonl"), texts(&proposals).join("\n")).unwrap();
    let versions = [("first", "a"), ("second", "b")]
        .map(|(summary, body)| json!({"at": 1_620_000_000, "by": "a bot", "summary": summary, "body": body}));
    let history = json!({"number": 2, "versions": versions});
    let file = fs::File::create(directory.join("history.jsonl.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    serde_json::to_writer(&mut packed, &history).unwrap();
    packed.finish().unwrap();
    fs::create_dir(directory.join("assets")).unwrap();
    fs::write(directory.join("assets/eip-3-drawing.txt"), "a drawing").unwrap();
}

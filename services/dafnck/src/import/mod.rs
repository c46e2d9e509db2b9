//! `dafnck import`: takes over users, projects, members, milestones, tasks, dependencies, time entries, documents, versions, files
//! and comments from a JSON Lines file ([`crate::interchange`]).
//!
//! Promises: lines may stand in any order, the file may be of any size, a line that cannot be stored is reported by
//! its number and stops no other, and importing the same file again changes nothing, so that an import that was
//! interrupted is finished by running it again. Deliberately not here: the rules of the data, which the services
//! check.

mod attachments;
mod check;
mod file;
mod pass;
mod report;
mod streams;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use proto::content::admin::v1::content_admin_service_client::ContentAdminServiceClient;
use proto::content::admin::v1::{
    ImportCommentsRequest, ImportDocumentsRequest, ImportedComment, ImportedDocumentVersion,
};
use proto::identity::admin::v1::ImportUsersRequest;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::project::admin::v1::ImportProjectsRequest;
use proto::project::admin::v1::project_admin_service_client::ProjectAdminServiceClient;
use proto::task::admin::v1::task_admin_service_client::TaskAdminServiceClient;
use proto::task::admin::v1::{
    ImportTaskDependenciesRequest, ImportTasksRequest, ImportTimeEntriesRequest, ImportedTask,
};
use shared::siblings::{Sibling, Siblings};

use file::Origin;
use pass::{ImportPass, SendOrder};
pub use report::{Refusal, Report, Tally};
use streams::PassSender;

use crate::interchange::line::Kind;
use crate::operator::OperatorOptions;
use crate::output::{self, DryRun};
pub use crate::progress::Progress;

/// What `--help` says about the file.
pub const HELP: &str = r#"The file has one JSON object per line, with a `type` (user, project, member,
task_counter, milestone, task, dependency, time_entry, document,
document_version, attachment or comment) and that type's fields in the JSON mapping of the
protos, as:

  {"type":"user","id":"<uuid>","email":"olga@example.org","username":"olga"}
  {"type":"project","id":"<uuid>","name":"Apollo","ownerId":"<uuid>"}
  {"type":"task","id":"<uuid>","projectId":"<uuid>","title":"Fly",
   "creatorId":"<uuid>"}                     (each on one line)

Lines may stand in any order. services/dafnck/src/interchange/FORMAT.md lists
all fields.

Importing a file again changes nothing, so an interrupted import is finished
by running it again.

With - the lines come from standard input, and files of attachments from the
current directory. A byte order mark is passed over; UTF-16 is refused.

--dry-run reads every line and every file, and asks no service: what only the
services know, as whether a user exists, is not checked.

Exit code 0: everything that can be stored is stored, and the report names
each refused line and why. Exit code 1: the import could not finish, because
the file cannot be read or a service does not answer. Exit code 3: with
--strict, lines were refused."#;

/// What is imported, and where to.
#[derive(Args, Clone, Debug)]
pub struct ImportOptions {
    /// JSON Lines file; - is standard input
    pub file: PathBuf,
    /// Fail (exit code 3) if lines were refused; the others are stored all the same
    #[arg(long)]
    pub strict: bool,
    /// Read every line, and store none.
    #[command(flatten)]
    pub dry_run: DryRun,
    /// How the services are called.
    #[command(flatten)]
    pub operator: OperatorOptions,
}

/// Imports the file and prints what became of it.
///
/// # Errors
/// When the import could not finish.
pub async fn command(options: &ImportOptions) -> anyhow::Result<()> {
    let mut report = Report::default();
    let outcome = run(options, &mut report, &Progress::of_command()).await;
    if outcome.is_ok() || !report.is_empty() {
        output::report(&report)?;
    }
    outcome.context("the import did not finish; what is stored stays, and running it again goes on")?;
    let refused = report.refused();
    ensure!(!options.strict || refused == 0, RefusedLines(refused));
    Ok(())
}

/// What `--strict` takes for a failure.
#[derive(Debug, thiserror::Error)]
#[error("{0} lines were refused")]
pub struct RefusedLines(u64);

/// Imports the file. What became of its lines is in the report, also after an error.
///
/// # Errors
/// When the import could not finish: the file cannot be read, or a service does not answer.
pub async fn run(options: &ImportOptions, report: &mut Report, progress: &Progress) -> anyhow::Result<()> {
    output::say("reading the file…");
    let path = options.file.clone();
    let origin = tokio::task::spawn_blocking(move || Origin::open(&path)).await??;
    let (file, directory) = (origin.file.clone(), origin.directory.clone());
    if options.dry_run.dry_run {
        *report = tokio::task::spawn_blocking(move || check::all(&file, &directory)).await??;
        return Ok(());
    }
    let (counts, unreadable) = tokio::task::spawn_blocking(move || pass::survey(&file)).await??;
    report.absorb(unreadable);
    let services = options.operator.connect()?;
    let outcome = send_all(&counts, &services, &origin, report, progress).await;
    progress.end();
    outcome
}

async fn send_all(
    counts: &BTreeMap<Kind, u64>,
    services: &Siblings,
    origin: &Origin,
    report: &mut Report,
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut sending = PassSender { origin, report, progress };
    for (kind, count) in counts {
        progress.begin(*kind, Some(*count));
        let sent = send_kind(*kind, services, &mut sending).await;
        sent.with_context(|| format!("sending the {}", kind.plural()))?;
    }
    Ok(())
}

/// Lines that may be sent as they are found.
const fn pass<Item>(kind: Kind) -> ImportPass<Item> {
    ImportPass { kind, order: |_| None }
}

/// Subtasks go after their parents.
const TASKS: ImportPass<ImportedTask> = ImportPass {
    kind: Kind::Task,
    order: |task| {
        let parent = task.parent_task_id.clone()?;
        Some(SendOrder::Child { id: task.id.clone(), parent })
    },
};

/// Versions of a document go by their numbers.
const VERSIONS: ImportPass<ImportedDocumentVersion> = ImportPass {
    kind: Kind::DocumentVersion,
    order: |version| {
        Some(SendOrder::Version { document: version.document_id.clone(), number: version.version_number })
    },
};

/// Replies go after the comments that they reply to.
const COMMENTS: ImportPass<ImportedComment> = ImportPass {
    kind: Kind::Comment,
    order: |comment| {
        let is_reply = !comment.parent_id.is_empty();
        is_reply.then(|| SendOrder::Child { id: comment.id.clone(), parent: comment.parent_id.clone() })
    },
};

async fn send_kind(kind: Kind, services: &Siblings, sending: &mut PassSender<'_>) -> anyhow::Result<()> {
    let mut users = UserAdminServiceClient::new(services.channel(Sibling::Identity));
    let mut projects = ProjectAdminServiceClient::new(services.channel(Sibling::Project));
    let mut tasks = TaskAdminServiceClient::new(services.channel(Sibling::Task));
    let mut content = ContentAdminServiceClient::new(services.channel(Sibling::Content));
    match kind {
        Kind::User => {
            let batch = |users| ImportUsersRequest { users };
            let call = async move |requests| users.import_users(requests).await;
            sending.send(pass(Kind::User), batch, call, |answer| answer.results).await
        }
        Kind::Project => {
            let batch = |projects| ImportProjectsRequest { projects, members: Vec::new() };
            let call = async move |requests| projects.import_projects(requests).await;
            sending.send(pass(Kind::Project), batch, call, |answer| answer.results).await
        }
        Kind::Member => {
            let batch = |members| ImportProjectsRequest { projects: Vec::new(), members };
            let call = async move |requests| projects.import_projects(requests).await;
            sending.send(pass(Kind::Member), batch, call, |answer| answer.results).await
        }
        Kind::TaskCounter => {
            let batch = |task_counters| ImportTasksRequest { task_counters, ..Default::default() };
            let call = async move |requests| tasks.import_tasks(requests).await;
            sending.send(pass(Kind::TaskCounter), batch, call, |answer| answer.results).await
        }
        Kind::Milestone => {
            let batch = |milestones| ImportTasksRequest { milestones, ..Default::default() };
            let call = async move |requests| tasks.import_tasks(requests).await;
            sending.send(pass(Kind::Milestone), batch, call, |answer| answer.results).await
        }
        Kind::Task => {
            let batch = |tasks| ImportTasksRequest { tasks, ..Default::default() };
            let call = async move |requests| tasks.import_tasks(requests).await;
            sending.send(TASKS, batch, call, |answer| answer.results).await
        }
        Kind::Dependency => {
            let batch = |dependencies| ImportTaskDependenciesRequest { dependencies };
            let call = async move |requests| tasks.import_task_dependencies(requests).await;
            sending.send(pass(Kind::Dependency), batch, call, |answer| answer.results).await
        }
        Kind::TimeEntry => {
            let batch = |time_entries| ImportTimeEntriesRequest { time_entries };
            let call = async move |requests| tasks.import_time_entries(requests).await;
            sending.send(pass(Kind::TimeEntry), batch, call, |answer| answer.results).await
        }
        Kind::Document => {
            let batch = |documents| ImportDocumentsRequest { documents, versions: Vec::new() };
            let call = async move |requests| content.import_documents(requests).await;
            sending.send(pass(Kind::Document), batch, call, |answer| answer.results).await
        }
        Kind::DocumentVersion => {
            let batch = |versions| ImportDocumentsRequest { documents: Vec::new(), versions };
            let call = async move |requests| content.import_documents(requests).await;
            sending.send(VERSIONS, batch, call, |answer| answer.results).await
        }
        Kind::Attachment => attachments::send(sending, &content).await,
        Kind::Comment => {
            let batch = |comments| ImportCommentsRequest { comments };
            let call = async move |requests| content.import_comments(requests).await;
            sending.send(COMMENTS, batch, call, |answer| answer.results).await
        }
    }
}

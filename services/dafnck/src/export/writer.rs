//! Writing line after line, in the order of the kinds but for users, who come last: so only those are written whom
//! other lines name, if only some projects are exported.

use anyhow::{Context, ensure};
use prost::Message;
use proto::content::admin::v1::{
    ExportedAttachment, ExportedComment, ImportedDocument, ImportedDocumentVersion,
};
use proto::content::v1::ContentTarget;
use proto::content::v1::content_target::Target;
use proto::project::admin::v1::{ImportedMember, ImportedProject};
use proto::task::admin::v1::{
    ImportedMilestone, ImportedTask, ImportedTaskCounter, ImportedTaskDependency, ImportedTimeEntry,
};
use serde_json::{Map, Value};
use shared::siblings::Siblings;
use uuid::Uuid;

use super::files::Files;
use super::line_writer::LineWriter;
use super::report::Report;
use super::snapshots::{self, Snapshots};
use super::written_ids::WrittenIds;
use crate::interchange::line::{self, Kind};
use crate::progress::Progress;

/// Users that are asked for at a time, when not all are wanted: services take 1,000.
const USERS_AT_A_TIME: usize = 500;

/// An export under way.
pub(super) struct ExportWriter<'a> {
    output: LineWriter,
    files: Files,
    written: WrittenIds,
    report: Report,
    progress: &'a Progress,
    /// The kind of the last line.
    doing: Option<Kind>,
}

impl<'a> ExportWriter<'a> {
    pub(super) fn new(
        output: LineWriter,
        files: Files,
        only_named_users: bool,
        progress: &'a Progress,
    ) -> Self {
        let written = WrittenIds::new(only_named_users);
        Self { output, files, written, report: Report::default(), progress, doing: None }
    }

    /// Makes the file appear.
    pub(super) async fn finish(self) -> anyhow::Result<Report> {
        self.progress.end();
        self.output.finish().await?;
        Ok(self.report)
    }

    /// Leaves nothing behind but whole files of attachments.
    pub(super) async fn abandon(self) {
        self.progress.end();
        self.output.abandon().await;
    }

    /// Writes all lines. Fails if one of the wanted projects is not there.
    pub(super) async fn write_all(
        &mut self,
        snapshots: Snapshots,
        wanted: &[Uuid],
        services: &Siblings,
    ) -> anyhow::Result<()> {
        let Snapshots { mut projects, mut tasks, mut content } = snapshots;
        while let Some(some) = projects.next().await? {
            self.projects(some.projects).await?;
            self.members(some.members).await?;
        }
        let unknown = wanted.iter().filter(|id| !self.written.has_project(**id));
        let unknown: Vec<String> = unknown.map(Uuid::to_string).collect();
        ensure!(unknown.is_empty(), "there is no project {}", unknown.join(", "));
        while let Some(some) = tasks.next().await? {
            self.task_counters(some.task_counters).await?;
            self.milestones(some.milestones).await?;
            self.tasks(some.tasks).await?;
            self.dependencies(some.dependencies).await?;
            self.time_entries(some.time_entries).await?;
        }
        while let Some(some) = content.next().await? {
            self.documents(some.documents).await?;
            self.versions(some.versions).await?;
            self.attachments(some.attachments).await?;
            self.comments(some.comments).await?;
        }
        match self.written.named_users() {
            None => self.users(services, &[]).await,
            Some(named) => {
                for some in named.chunks(USERS_AT_A_TIME) {
                    self.users(services, some).await?;
                }
                Ok(())
            }
        }
    }

    async fn write(&mut self, kind: Kind, message: &impl Message) -> anyhow::Result<()> {
        self.write_fields(kind, &line::encode(kind, message)?).await
    }

    async fn write_fields(&mut self, kind: Kind, fields: &Map<String, Value>) -> anyhow::Result<()> {
        if self.doing != Some(kind) {
            self.doing = Some(kind);
            self.progress.begin(kind, None);
        }
        self.progress.advance(1);
        self.report.count(kind);
        self.output.write(&line::to_line(kind, fields)?).await
    }

    /// Writes a message if what it belongs to is written.
    async fn write_if(&mut self, belongs: bool, kind: Kind, message: &impl Message) -> anyhow::Result<()> {
        if belongs {
            return self.write(kind, message).await;
        }
        self.report.leave_out(kind);
        Ok(())
    }

    async fn projects(&mut self, projects: Vec<ImportedProject>) -> anyhow::Result<()> {
        for project in projects {
            self.written.add_project(id(&project.id)?);
            self.written.name([id(&project.owner_id)?]);
            self.write(Kind::Project, &project).await?;
        }
        Ok(())
    }

    async fn members(&mut self, members: Vec<ImportedMember>) -> anyhow::Result<()> {
        for member in members {
            self.written.name([id(&member.user_id)?]);
            self.write(Kind::Member, &member).await?;
        }
        Ok(())
    }

    async fn task_counters(&mut self, counters: Vec<ImportedTaskCounter>) -> anyhow::Result<()> {
        for counter in counters {
            let belongs = self.written.has_project(id(&counter.project_id)?);
            self.write_if(belongs, Kind::TaskCounter, &counter).await?;
        }
        Ok(())
    }

    async fn milestones(&mut self, milestones: Vec<ImportedMilestone>) -> anyhow::Result<()> {
        for milestone in milestones {
            let belongs = self.written.has_project(id(&milestone.project_id)?);
            self.write_if(belongs, Kind::Milestone, &milestone).await?;
        }
        Ok(())
    }

    async fn tasks(&mut self, tasks: Vec<ImportedTask>) -> anyhow::Result<()> {
        for task in tasks {
            let belongs = self.written.has_project(id(&task.project_id)?);
            if belongs {
                self.written.add_task(id(&task.id)?);
                let named = [Some(&task.creator_id), task.assignee_id.as_ref()].into_iter().flatten();
                self.written.name(named.map(|user| id(user)).collect::<anyhow::Result<Vec<_>>>()?);
            }
            self.write_if(belongs, Kind::Task, &task).await?;
        }
        Ok(())
    }

    async fn dependencies(&mut self, dependencies: Vec<ImportedTaskDependency>) -> anyhow::Result<()> {
        for dependency in dependencies {
            let belongs = self.written.has_task(id(&dependency.task_id)?)
                && self.written.has_task(id(&dependency.depends_on_task_id)?);
            self.write_if(belongs, Kind::Dependency, &dependency).await?;
        }
        Ok(())
    }

    async fn time_entries(&mut self, entries: Vec<ImportedTimeEntry>) -> anyhow::Result<()> {
        for entry in entries {
            let belongs = self.written.has_task(id(&entry.task_id)?);
            if belongs {
                self.written.name([id(&entry.user_id)?]);
            }
            self.write_if(belongs, Kind::TimeEntry, &entry).await?;
        }
        Ok(())
    }

    async fn documents(&mut self, documents: Vec<ImportedDocument>) -> anyhow::Result<()> {
        for document in documents {
            let belongs = self.written.has_project(id(&document.project_id)?);
            if belongs {
                self.written.add_document(id(&document.id)?);
                self.written.name([id(&document.author_id)?]);
            }
            self.write_if(belongs, Kind::Document, &document).await?;
        }
        Ok(())
    }

    async fn versions(&mut self, versions: Vec<ImportedDocumentVersion>) -> anyhow::Result<()> {
        for version in versions {
            let belongs = self.written.has_document(id(&version.document_id)?);
            if belongs {
                self.written.name([id(&version.author_id)?]);
            }
            self.write_if(belongs, Kind::DocumentVersion, &version).await?;
        }
        Ok(())
    }

    /// The line of an attachment follows its bytes.
    async fn attachments(&mut self, attachments: Vec<ExportedAttachment>) -> anyhow::Result<()> {
        for exported in attachments {
            let attachment = exported.attachment.unwrap_or_default();
            let belongs = self.written.has_project(id(&exported.project_id)?)
                && self.has_target(attachment.target.as_ref())?;
            let path =
                if belongs { self.files.keep(&attachment.sha256, &mut self.report).await? } else { None };
            let Some(path) = path else {
                self.report.leave_out(Kind::Attachment);
                continue;
            };
            self.written.name([id(&attachment.uploader_id)?]);
            let mut fields = line::encode(Kind::Attachment, &attachment)?;
            fields.insert("path".to_owned(), path.into());
            self.write_fields(Kind::Attachment, &fields).await?;
        }
        Ok(())
    }

    async fn comments(&mut self, comments: Vec<ExportedComment>) -> anyhow::Result<()> {
        for exported in comments {
            let comment = exported.comment.unwrap_or_default();
            let belongs = self.written.has_project(id(&exported.project_id)?)
                && self.has_target(comment.target.as_ref())?;
            if belongs {
                let resolver = Some(&comment.resolver_id).filter(|resolver| !resolver.is_empty());
                let reacting = comment.reactions.iter().map(|reaction| &reaction.user_id);
                let named = [&comment.author_id].into_iter().chain(resolver);
                let named = named.chain(&comment.mentioned_user_ids).chain(reacting);
                self.written.name(named.map(|user| id(user)).collect::<anyhow::Result<Vec<_>>>()?);
            }
            self.write_if(belongs, Kind::Comment, &comment).await?;
        }
        Ok(())
    }

    fn has_target(&self, target: Option<&ContentTarget>) -> anyhow::Result<bool> {
        Ok(match target.and_then(|target| target.target.as_ref()) {
            Some(Target::TaskId(task)) => self.written.has_task(id(task)?),
            Some(Target::DocumentId(document)) => self.written.has_document(id(document)?),
            Some(Target::ProjectId(project)) => self.written.has_project(id(project)?),
            None => false,
        })
    }

    async fn users(&mut self, services: &Siblings, wanted: &[Uuid]) -> anyhow::Result<()> {
        let mut users = snapshots::users(services, wanted).await?;
        while let Some(some) = users.next().await? {
            for user in some.users {
                self.write(Kind::User, &user).await?;
            }
        }
        Ok(())
    }
}

fn id(text: &str) -> anyhow::Result<Uuid> {
    text.parse().with_context(|| format!("a service answered with the malformed id `{text}`"))
}

//! Writing line after line, in the order of the kinds but for users, who come last: so only those are written whom
//! other lines name, if only some projects are exported.

use shared::siblings::Siblings;
use uuid::Uuid;

use super::files::Files;
use super::output::Output;
use super::report::Report;
use super::snapshots::{self, Snapshots};
use super::wire::{self, Imported};
use super::written_ids::WrittenIds;
use crate::interchange::line::{Kind, Line};
use crate::progress::Progress;

/// Users that are asked for at a time, when not all are wanted: services take 1,000.
const USERS_AT_A_TIME: usize = 500;

/// An export under way.
pub(super) struct ExportWriter<'a> {
    output: Output,
    files: Files,
    kept: WrittenIds,
    report: Report,
    progress: &'a Progress,
    /// The kind of the last line.
    doing: Option<Kind>,
}

impl<'a> ExportWriter<'a> {
    pub(super) fn new(output: Output, files: Files, only_named_users: bool, progress: &'a Progress) -> Self {
        let kept = WrittenIds::new(only_named_users);
        Self { output, files, kept, report: Report::default(), progress, doing: None }
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

    /// Writes all lines.
    pub(super) async fn tell(&mut self, moments: Snapshots, services: &Siblings) -> anyhow::Result<()> {
        let Snapshots { mut projects, mut tasks, mut content } = moments;
        while let Some(some) = projects.next().await? {
            self.projects(some.projects).await?;
            self.members(some.members).await?;
        }
        while let Some(some) = tasks.next().await? {
            self.project_keys(some.project_keys).await?;
            self.tasks(some.tasks).await?;
            self.dependencies(some.dependencies).await?;
        }
        while let Some(some) = content.next().await? {
            self.documents(some.documents).await?;
            self.versions(some.versions).await?;
            self.attachments(some.attachments).await?;
        }
        match self.kept.named_users() {
            None => self.users(services, &[]).await,
            Some(named) => {
                for some in named.chunks(USERS_AT_A_TIME) {
                    self.users(services, some).await?;
                }
                Ok(())
            }
        }
    }

    async fn write(&mut self, line: Line) -> anyhow::Result<()> {
        let kind = line.kind();
        if self.doing != Some(kind) {
            self.doing = Some(kind);
            self.progress.begin("writing", kind, None);
        }
        self.progress.advance(1);
        self.report.count(kind);
        self.output.write(&line).await
    }

    async fn projects(&mut self, projects: Vec<wire::pb::ImportedProject>) -> anyhow::Result<()> {
        for project in projects {
            let project = project.into_record()?;
            self.kept.add_project(project.id);
            self.kept.name([project.owner_id]);
            self.write(Line::Project(project)).await?;
        }
        Ok(())
    }

    async fn members(&mut self, members: Vec<wire::pb::ImportedMember>) -> anyhow::Result<()> {
        for member in members {
            let member = member.into_record()?;
            self.kept.name([member.user_id]);
            self.write(Line::Member(member)).await?;
        }
        Ok(())
    }

    async fn project_keys(&mut self, keys: Vec<wire::pb::ImportedProjectKey>) -> anyhow::Result<()> {
        for key in keys {
            let key = key.into_record()?;
            if self.kept.has_project(key.project_id) {
                self.write(Line::ProjectKey(key)).await?;
            } else {
                self.report.leave_out(Kind::ProjectKey);
            }
        }
        Ok(())
    }

    async fn tasks(&mut self, tasks: Vec<wire::pb::ImportedTask>) -> anyhow::Result<()> {
        for task in tasks {
            let task = task.into_record()?;
            if self.kept.has_project(task.project_id) {
                self.kept.add_task(task.id);
                self.kept.name([task.creator_id].into_iter().chain(task.assignee_id));
                self.write(Line::Task(task)).await?;
            } else {
                self.report.leave_out(Kind::Task);
            }
        }
        Ok(())
    }

    async fn dependencies(
        &mut self,
        dependencies: Vec<wire::pb::ImportedTaskDependency>,
    ) -> anyhow::Result<()> {
        for dependency in dependencies {
            let dependency = dependency.into_record()?;
            if self.kept.has_both_ends(&dependency) {
                self.write(Line::Dependency(dependency)).await?;
            } else {
                self.report.leave_out(Kind::Dependency);
            }
        }
        Ok(())
    }

    async fn documents(&mut self, documents: Vec<wire::pb::ImportedDocument>) -> anyhow::Result<()> {
        for document in documents {
            let document = document.into_record()?;
            if self.kept.has_project(document.project_id) {
                self.kept.add_document(document.id);
                self.kept.name([document.author_id]);
                self.write(Line::Document(document)).await?;
            } else {
                self.report.leave_out(Kind::Document);
            }
        }
        Ok(())
    }

    async fn versions(&mut self, versions: Vec<wire::pb::ImportedDocumentVersion>) -> anyhow::Result<()> {
        for version in versions {
            let version = version.into_record()?;
            if self.kept.has_document_of(&version) {
                self.kept.name([version.author_id]);
                self.write(Line::DocumentVersion(version)).await?;
            } else {
                self.report.leave_out(Kind::DocumentVersion);
            }
        }
        Ok(())
    }

    /// The line of an attachment follows its bytes.
    async fn attachments(&mut self, attachments: Vec<wire::pb::ExportedAttachment>) -> anyhow::Result<()> {
        for exported in attachments {
            let project_id: Uuid = exported.project_id.parse()?;
            let mut attachment = exported.attachment.unwrap_or_default().into_record()?;
            let belongs = self.kept.has_project(project_id) && self.kept.has_entity_of(&attachment);
            let hash = attachment.sha256.as_deref().unwrap_or_default();
            attachment.path = if belongs { self.files.keep(hash, &mut self.report).await? } else { None };
            if attachment.path.is_some() {
                self.kept.name([attachment.uploader_id]);
                self.write(Line::Attachment(attachment)).await?;
            } else {
                self.report.leave_out(Kind::Attachment);
            }
        }
        Ok(())
    }

    async fn users(&mut self, services: &Siblings, wanted: &[Uuid]) -> anyhow::Result<()> {
        let mut users = snapshots::users(services, wanted).await?;
        while let Some(some) = users.next().await? {
            for user in some.users {
                self.write(Line::User(user.into_record()?)).await?;
            }
        }
        Ok(())
    }
}

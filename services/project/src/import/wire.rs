//! Validation of imported items and conversion of the results.

use std::collections::HashSet;
use std::hash::Hash;

use chrono::{DateTime, Utc};
use proto::common::ImportResult;
use proto::project::admin::v1 as pb;
use shared::error::{Error, Result};
use shared::import::{created, refused, unchanged};
use shared::schema::{ProjectRole, ProjectStatus, ProjectVisibility};
use shared::validation::{MAX_BATCH, MAX_TEXT_CHARS, Violations};

use super::{ImportItem, ImportedMember, ImportedProject};
use crate::members::wire::exceptions;
use crate::projects::MAX_NAME_CHARS;

/// A validated [`pb::ImportProjectsRequest`].
pub(crate) struct ImportBatch {
    pub projects: Vec<ImportItem<ImportedProject>>,
    pub members: Vec<ImportItem<ImportedMember>>,
}

impl TryFrom<pb::ImportProjectsRequest> for ImportBatch {
    type Error = Error;

    fn try_from(request: pb::ImportProjectsRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.at_most("projects", request.projects.len(), MAX_BATCH);
        v.at_most("members", request.members.len(), MAX_BATCH);
        v.finish()?;
        let now = Utc::now();
        Ok(Self {
            projects: request.projects.into_iter().map(|item| project(item, now)).collect(),
            members: request.members.into_iter().map(|item| member(item, now)).collect(),
        })
    }
}

fn project(item: pb::ImportedProject, now: DateTime<Utc>) -> ImportItem<ImportedProject> {
    let mut v = Violations::new();
    let status = v.optional_enum("status", item.status).unwrap_or(ProjectStatus::Active);
    let created_at = v.optional_time("created_at", item.created_at).unwrap_or(now);
    let archived_at = v.optional_time("archived_at", item.archived_at);
    let is_archived = status == ProjectStatus::Archived;
    v.require(archived_at.is_none() || is_archived, "archived_at", "is for archived projects only");
    let project = ImportedProject {
        id: v.uuid("id", &item.id),
        name: v.line("name", item.name, 1, MAX_NAME_CHARS),
        description: v.optional_text("description", item.description, MAX_TEXT_CHARS),
        owner_id: v.uuid("owner_id", &item.owner_id),
        status,
        visibility: v.optional_enum("visibility", item.visibility).unwrap_or(ProjectVisibility::Private),
        settings: v.json("settings", item.settings),
        created_at,
        updated_at: v.optional_time("updated_at", item.updated_at).unwrap_or(created_at),
        archived_at: archived_at.or(is_archived.then_some(now)),
        owner_joined_at: v.optional_time("owner_joined_at", item.owner_joined_at),
    };
    ImportItem { line: item.line, content: v.sentence().map_or(Ok(project), Err) }
}

fn member(item: pb::ImportedMember, now: DateTime<Utc>) -> ImportItem<ImportedMember> {
    let mut v = Violations::new();
    let member = ImportedMember {
        project_id: v.uuid("project_id", &item.project_id),
        user_id: v.uuid("user_id", &item.user_id),
        role: v.optional_enum("role", item.role).unwrap_or(ProjectRole::Member),
        permissions: exceptions(&mut v, item.permissions),
        joined_at: v.optional_time("joined_at", item.joined_at).unwrap_or(now),
    };
    ImportItem { line: item.line, content: v.sentence().map_or(Ok(member), Err) }
}

/// The result of each item, given the keys of the new rows. Of two items with the same key the first is the new one.
pub(crate) fn results<T, K: Hash + Eq>(
    items: Vec<ImportItem<T>>,
    mut new: HashSet<K>,
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = ImportResult> {
    items.into_iter().map(move |item| match item.content {
        Err(reason) => refused(item.line, reason),
        Ok(content) if new.remove(&key(&content)) => created(item.line),
        Ok(_) => unchanged(item.line),
    })
}

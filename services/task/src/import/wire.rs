//! Imported items from proto. The checks are those of the public RPCs.

use std::collections::HashSet;

use crate::schema::TaskStatus;
use chrono::{DateTime, Utc};
use proto::task::admin::v1 as pb;
use serde_json::{Value, json};
use shared::error::Result;
use shared::validation::{MAX_BATCH, MAX_TEXT_CHARS, Violations};
use uuid::Uuid;

use super::decision::Item;
use crate::dependencies::wire::{dependency_type, ends};
use crate::milestones;
use crate::order::may_have_rank;
use crate::task_keys::MAX_NUMBER;
use crate::tasks::wire::{minutes, optional_id, priority, status, title};
use crate::tasks::{START_AFTER_DUE, Task, is_after};
use crate::time_entries::wire::{check_span, note, past};

pub(super) fn check_size(field: &str, count: usize) -> Result<()> {
    let mut v = Violations::new();
    v.at_most(field, count, MAX_BATCH);
    v.finish()
}

impl From<pb::ImportedTask> for Item {
    fn from(item: pb::ImportedTask) -> Self {
        let line = item.line;
        let mut v = Violations::new();
        let task = read_task(&mut v, item);
        Self { line, task: v.sentence().map_or(Ok(Box::new(task)), Err) }
    }
}

fn read_task(v: &mut Violations, item: pb::ImportedTask) -> Task {
    let created_at = v.optional_time("created_at", item.created_at).unwrap_or_else(Utc::now);
    let updated_at = v.optional_time("updated_at", item.updated_at).unwrap_or(created_at);
    let completed_at = v.optional_time("completed_at", item.completed_at);
    let status = status(v, item.status);
    let number = item.number;
    v.require((0..=MAX_NUMBER).contains(&number), "number", "must be 0 to 999999999999");
    let task = Task {
        id: v.uuid("id", &item.id),
        project_id: v.uuid("project_id", &item.project_id),
        parent_task_id: optional_id(v, "parent_task_id", item.parent_task_id.as_deref()),
        title: title(v, item.title),
        description: v.optional_text("description", item.description, MAX_TEXT_CHARS),
        status,
        priority: priority(v, item.priority),
        assignee_id: optional_id(v, "assignee_id", item.assignee_id.as_deref()),
        creator_id: v.uuid("creator_id", &item.creator_id),
        milestone_id: optional_id(v, "milestone_id", item.milestone_id.as_deref()),
        start_date: v.optional_time("start_at", item.start_at),
        due_date: v.optional_time("due_at", item.due_at),
        estimated_minutes: minutes(v, "estimated_duration", item.estimated_duration),
        actual_minutes: minutes(v, "actual_duration", item.actual_duration),
        tags: v.tags("tags", item.tags),
        metadata: v.json("metadata", item.metadata),
        created_at,
        updated_at,
        completed_at: completed_at.or((status == TaskStatus::Done).then_some(updated_at)),
        // Missing values are assigned before the insert.
        number,
        project_key: String::new(),
        rank: given_rank(v, number, item.rank),
        manually_blocked: false,
        version: 0,
    };
    check_dates(v, &task);
    task
}

fn given_rank(v: &mut Violations, number: i64, value: Option<String>) -> String {
    let rank = value.unwrap_or_default();
    v.require(
        rank.is_empty() || may_have_rank(number, &rank),
        "rank",
        "must be a rank that this task may have",
    );
    rank
}

fn check_dates(v: &mut Violations, task: &Task) {
    // PostgreSQL stores microseconds, so microseconds are compared.
    let is_later = |due: DateTime<Utc>| due.timestamp_micros() > task.created_at.timestamp_micros();
    v.require(task.due_date.is_none_or(is_later), "due_at", "must be later than created_at");
    v.require(!is_after(task.start_date, task.due_date), "start_at", START_AFTER_DUE);
    let fits = task.completed_at.is_none() || task.status == TaskStatus::Done;
    v.require(fits, "completed_at", "is for done tasks only");
}

/// The item as `task.import_task_dependencies` takes it, with its index in the batch; or why it is malformed.
pub(super) fn read_dependency(index: usize, item: &pb::ImportedTaskDependency) -> Result<Value, String> {
    let mut v = Violations::new();
    let (task_id, depends_on_task_id) = ends(&mut v, &item.task_id, &item.depends_on_task_id);
    let dependency_type = dependency_type(&mut v, item.dependency_type);
    let created_at = v.optional_time("created_at", item.created_at).unwrap_or_else(Utc::now);
    let id = v.uuid_or_new("id", item.id.as_deref().unwrap_or_default());
    if let Some(sentence) = v.sentence() {
        return Err(sentence);
    }
    Ok(json!({
        "line": index,
        "id": id,
        "task_id": task_id,
        "depends_on_task_id": depends_on_task_id,
        "dependency_type": dependency_type,
        "created_at": created_at,
    }))
}

/// The item as `task.import_task_counters` takes it, with its index in the batch; or why it is malformed.
pub(super) fn read_counter(index: usize, item: &pb::ImportedTaskCounter) -> Result<Value, String> {
    let mut v = Violations::new();
    let project_id = v.uuid("project_id", &item.project_id);
    let fits = (0..=MAX_NUMBER).contains(&item.last_number);
    v.require(fits, "last_number", "must be 0 to 999999999999");
    if let Some(message) = v.sentence() {
        return Err(message);
    }
    Ok(json!({ "line": index, "project_id": project_id, "last_number": item.last_number }))
}

/// The item as `task.import_milestones` takes it, with its index in the batch; or why it is refused.
pub(super) fn read_milestone(
    index: usize,
    item: &pb::ImportedMilestone,
    projects: &HashSet<Uuid>,
) -> Result<Value, String> {
    let mut v = Violations::new();
    let (id, project_id) = (v.uuid("id", &item.id), v.uuid("project_id", &item.project_id));
    let name = milestones::wire::name(&mut v, item.name.clone());
    let description = milestones::wire::description(&mut v, item.description.clone());
    let due_date = v.optional_time("due_at", item.due_at);
    let created_at = v.optional_time("created_at", item.created_at).unwrap_or_else(Utc::now);
    let updated_at = v.optional_time("updated_at", item.updated_at).unwrap_or(created_at);
    if let Some(sentence) = v.sentence() {
        return Err(sentence);
    }
    if !projects.contains(&project_id) {
        return Err("project_id names no project".to_owned());
    }
    Ok(json!({
        "line": index,
        "id": id,
        "project_id": project_id,
        "name": name,
        "description": description,
        "due_date": due_date,
        "created_at": created_at,
        "updated_at": updated_at,
    }))
}

/// The item as `task.import_time_entries` takes it, with its index in the batch; or why it is refused.
pub(super) fn read_time_entry(
    index: usize,
    item: &pb::ImportedTimeEntry,
    users: &HashSet<Uuid>,
) -> Result<Value, String> {
    let mut v = Violations::new();
    let (id, task_id) = (v.uuid("id", &item.id), v.uuid("task_id", &item.task_id));
    let user_id = v.uuid("user_id", &item.user_id);
    let started_at = v.past_time("started_at", item.started_at);
    let ended_at = past(&mut v, "ended_at", item.ended_at);
    check_span(&mut v, Some(started_at), ended_at);
    let note = note(&mut v, item.note.clone());
    let created_at = v.optional_time("created_at", item.created_at).unwrap_or(started_at);
    let updated_at = v.optional_time("updated_at", item.updated_at).unwrap_or(created_at);
    if let Some(sentence) = v.sentence() {
        return Err(sentence);
    }
    if !users.contains(&user_id) {
        return Err("user_id names no user".to_owned());
    }
    Ok(json!({
        "line": index,
        "id": id,
        "task_id": task_id,
        "user_id": user_id,
        "started_at": started_at,
        "ended_at": ended_at,
        "note": note,
        "created_at": created_at,
        "updated_at": updated_at,
    }))
}

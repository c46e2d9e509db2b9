//! SQL of the export, as the worker role.

use crate::schema::{last_task_numbers, milestones, task_dependencies, tasks, time_entries};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::error::Result;
use shared::export::id_condition;
use uuid::Uuid;

use crate::dependencies::Dependency;
use crate::milestones::Milestone;
use crate::tasks::Task;
use crate::time_entries::TimeEntry;

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = last_task_numbers)]
pub(super) struct TaskCounter {
    pub(super) project_id: Uuid,
    pub(super) last_number: i64,
}

/// With the estimated size of each record in bytes.
pub(super) fn task_counters_with_sizes(projects: &[Uuid]) -> String {
    format!(
        "SELECT project_id AS id, 100::bigint AS size FROM task.last_task_numbers WHERE last_number > 0 AND {} \
         ORDER BY project_id",
        id_condition("project_id", projects)
    )
}

/// With the estimated size of each task in bytes. JSON takes up to four times its text in a message.
pub(super) fn task_ids_with_sizes(projects: &[Uuid]) -> String {
    format!(
        "SELECT id, (1000 + octet_length(title) + octet_length(coalesce(description, '')) \
             + octet_length(tags::text) + 4 * octet_length(metadata::text))::bigint AS size \
         FROM task.tasks WHERE {} ORDER BY id",
        id_condition("project_id", projects)
    )
}

/// With the estimated size of each dependency in bytes.
pub(super) fn dependency_ids_with_sizes(projects: &[Uuid]) -> String {
    let both = id_condition("t.project_id", projects);
    format!(
        "SELECT d.id, 200::bigint AS size FROM task.task_dependencies d \
         WHERE EXISTS (SELECT 1 FROM task.tasks t WHERE t.id = d.task_id AND {both}) \
             AND EXISTS (SELECT 1 FROM task.tasks t WHERE t.id = d.depends_on_task_id AND {both}) \
         ORDER BY d.id"
    )
}

/// With the estimated size of each milestone in bytes.
pub(super) fn milestone_ids_with_sizes(projects: &[Uuid]) -> String {
    format!(
        "SELECT id, (200 + octet_length(name) + octet_length(coalesce(description, '')))::bigint AS size \
         FROM task.milestones WHERE {} ORDER BY id",
        id_condition("project_id", projects)
    )
}

/// With the estimated size of each time entry in bytes.
pub(super) fn time_entry_ids_with_sizes(projects: &[Uuid]) -> String {
    format!(
        "SELECT id, (200 + octet_length(coalesce(note, '')))::bigint AS size FROM task.time_entries WHERE {} \
         ORDER BY id",
        id_condition("project_id", projects)
    )
}

pub(super) async fn counters(mut conn: &AsyncPgConnection, projects: Vec<Uuid>) -> Result<Vec<TaskCounter>> {
    let query = last_task_numbers::table
        .filter(last_task_numbers::project_id.eq_any(projects))
        .order(last_task_numbers::project_id)
        .select(TaskCounter::as_select());
    Ok(query.load(&mut conn).await?)
}

pub(super) async fn milestones(mut conn: &AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<Milestone>> {
    let query = milestones::table
        .filter(milestones::id.eq_any(ids))
        .order(milestones::id)
        .select(Milestone::as_select());
    Ok(query.load(&mut conn).await?)
}

pub(super) async fn tasks(mut conn: &AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<Task>> {
    let query = tasks::table.filter(tasks::id.eq_any(ids)).order(tasks::id).select(Task::as_select());
    Ok(query.load(&mut conn).await?)
}

pub(super) async fn dependencies(mut conn: &AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<Dependency>> {
    let query = task_dependencies::table
        .filter(task_dependencies::id.eq_any(ids))
        .order(task_dependencies::id)
        .select(Dependency::as_select());
    Ok(query.load(&mut conn).await?)
}

pub(super) async fn time_entries(mut conn: &AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<TimeEntry>> {
    let query = time_entries::table
        .filter(time_entries::id.eq_any(ids))
        .order(time_entries::id)
        .select(TimeEntry::as_select());
    Ok(query.load(&mut conn).await?)
}

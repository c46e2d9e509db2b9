//! SQL of the export, run by the worker role.

use std::collections::HashMap;

use crate::schema::{project_members, projects};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::error::Result;
use shared::export::among;
use shared::schema::ProjectRole;
use uuid::Uuid;

use crate::members::Member;
use crate::projects::Project;

/// The projects' ids and message sizes in bytes. A Struct takes up to four times the size of its JSON text.
pub(super) fn project_ids_with_sizes(wanted: &[Uuid]) -> String {
    format!(
        "SELECT id, (1000 + octet_length(name) + octet_length(coalesce(description, '')) \
             + 4 * octet_length(settings::text))::bigint AS size \
         FROM project.projects WHERE {} ORDER BY id",
        among("id", wanted)
    )
}

/// The ids and message sizes in bytes of all members but the owners.
pub(super) fn member_ids_with_sizes(wanted: &[Uuid]) -> String {
    format!(
        "SELECT id, (200 + 4 * octet_length(permissions::text))::bigint AS size \
         FROM project.project_members WHERE role <> 'owner' AND {} ORDER BY project_id, user_id",
        among("project_id", wanted)
    )
}

pub(super) async fn projects(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<Project>> {
    let query =
        projects::table.filter(projects::id.eq_any(ids)).order(projects::id).select(Project::as_select());
    Ok(query.load(&mut conn).await?)
}

pub(super) async fn owner_join_dates(
    mut conn: &AsyncPgConnection,
    project_ids: &[Uuid],
) -> Result<HashMap<Uuid, DateTime<Utc>>> {
    let query = project_members::table
        .filter(project_members::project_id.eq_any(project_ids))
        .filter(project_members::role.eq(ProjectRole::Owner))
        .select((project_members::project_id, project_members::joined_at));
    let joined: Vec<(Uuid, DateTime<Utc>)> = query.load(&mut conn).await?;
    Ok(joined.into_iter().collect())
}

pub(super) async fn members(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<Member>> {
    let query = project_members::table
        .filter(project_members::id.eq_any(ids))
        .order((project_members::project_id, project_members::user_id))
        .select(Member::as_select());
    Ok(query.load(&mut conn).await?)
}

//! SQL that takes over projects and members, under the worker role. Rows go in by key, so that two imports at
//! once wait for each other and never in a circle.

use std::collections::{HashMap, HashSet};

use crate::schema::{project_members, projects};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Prepared, explain};
use shared::error::Result;
use uuid::Uuid;

use super::{ImportedMember, ImportedProject};
use crate::CONSTRAINTS;

/// Inserts the projects that are not there, and tells which they were.
pub(crate) async fn insert_projects(
    mut conn: &AsyncPgConnection,
    mut projects: Vec<&ImportedProject>,
) -> Result<HashSet<Uuid>> {
    if projects.is_empty() {
        return Ok(HashSet::new());
    }
    projects.sort_by_key(|project| project.id);
    let statement = diesel::insert_into(projects::table)
        .values(projects)
        .on_conflict(projects::id)
        .do_nothing()
        .returning(projects::id);
    let new: Vec<Uuid> = statement.load(&mut conn).await.map_err(explain(CONSTRAINTS))?;
    Ok(new.into_iter().collect())
}

/// Tells since when the owners of these new projects have been members, where that is known.
pub(crate) async fn date_owners(mut conn: &AsyncPgConnection, projects: &[&ImportedProject]) -> Result<()> {
    let known = projects.iter().filter_map(|project| Some((project.id, project.owner_joined_at?)));
    let (ids, joined): (Vec<Uuid>, Vec<DateTime<Utc>>) = known.unzip();
    if ids.is_empty() {
        return Ok(());
    }
    let update = sql_query(
        "UPDATE project.project_members m SET joined_at = g.joined_at \
         FROM unnest($1, $2) AS g(project_id, joined_at) \
         WHERE m.project_id = g.project_id AND m.role = 'owner' AND m.joined_at <> g.joined_at",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Timestamptz>, _>(joined);
    Prepared(update).execute(&mut conn).await?;
    Ok(())
}

/// The owner of each of these projects that exists.
pub(crate) async fn owners(
    mut conn: &AsyncPgConnection,
    project_ids: &[Uuid],
) -> Result<HashMap<Uuid, Uuid>> {
    let query =
        projects::table.filter(projects::id.eq_any(project_ids)).select((projects::id, projects::owner_id));
    let owners: Vec<(Uuid, Uuid)> = query.load(&mut conn).await?;
    Ok(owners.into_iter().collect())
}

/// Inserts the members who are not there, and tells which they were by project and user.
pub(crate) async fn insert_members(
    mut conn: &AsyncPgConnection,
    mut members: Vec<&ImportedMember>,
) -> Result<HashSet<(Uuid, Uuid)>> {
    if members.is_empty() {
        return Ok(HashSet::new());
    }
    members.sort_by_key(|member| (member.project_id, member.user_id));
    let statement = diesel::insert_into(project_members::table)
        .values(members)
        .on_conflict((project_members::project_id, project_members::user_id))
        .do_nothing()
        .returning((project_members::project_id, project_members::user_id));
    let new: Vec<(Uuid, Uuid)> = statement.load(&mut conn).await.map_err(explain(CONSTRAINTS))?;
    Ok(new.into_iter().collect())
}

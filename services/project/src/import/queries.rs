//! SQL of the import, run by the worker role. Rows are inserted in the order of their keys, so that concurrent imports
//! do not deadlock.

use std::collections::{HashMap, HashSet};

use crate::schema::{project_members, projects};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, explain};
use shared::error::Result;
use uuid::Uuid;

use super::{ImportedMember, ImportedProject};
use crate::constraints::CONSTRAINTS;

/// The projects that have one of these keys. Locks the assignment of keys until the transaction ends.
pub(crate) async fn lock_keys(
    mut conn: &AsyncPgConnection,
    keys: &[String],
) -> Result<HashMap<String, Uuid>> {
    let lock = sql_query("SELECT pg_advisory_xact_lock(project.project_keys_lock_key())");
    PreparedQuery(lock).execute(&mut conn).await?;
    let query = projects::table.filter(projects::key.eq_any(keys)).select((projects::key, projects::id));
    let taken: Vec<(String, Uuid)> = query.load(&mut conn).await?;
    Ok(taken.into_iter().collect())
}

/// Inserts the projects that do not exist and returns their ids.
pub(crate) async fn insert_projects(
    mut conn: &AsyncPgConnection,
    mut projects: Vec<&ImportedProject>,
) -> Result<HashSet<Uuid>> {
    if projects.is_empty() {
        return Ok(HashSet::new());
    }
    // Keys that are given first, so that none of them is assigned to a project without one.
    projects.sort_by_key(|project| (project.key.is_none(), project.id));
    let statement = diesel::insert_into(projects::table)
        .values(projects)
        .on_conflict(projects::id)
        .do_nothing()
        .returning(projects::id);
    let new: Vec<Uuid> = statement.load(&mut conn).await.map_err(explain(CONSTRAINTS))?;
    Ok(new.into_iter().collect())
}

/// Sets when the owners of new projects joined, where that is given.
pub(crate) async fn set_owner_join_dates(
    mut conn: &AsyncPgConnection,
    projects: &[&ImportedProject],
) -> Result<()> {
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
    PreparedQuery(update).execute(&mut conn).await?;
    Ok(())
}

/// The owners of those projects that exist.
pub(crate) async fn owners(
    mut conn: &AsyncPgConnection,
    project_ids: &[Uuid],
) -> Result<HashMap<Uuid, Uuid>> {
    let query =
        projects::table.filter(projects::id.eq_any(project_ids)).select((projects::id, projects::owner_id));
    let owners: Vec<(Uuid, Uuid)> = query.load(&mut conn).await?;
    Ok(owners.into_iter().collect())
}

/// Inserts the members that do not exist and returns their projects and users.
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

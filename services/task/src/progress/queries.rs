//! SQL of a project's progress.

use crate::schema::tasks;
use diesel::dsl::{count_star, sum};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::error::Result;
use uuid::Uuid;

use super::Group;

/// Of the tasks of a milestone, if one is given.
pub(super) async fn groups(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    milestone_id: Option<Uuid>,
) -> Result<Vec<Group>> {
    let is_whole = milestone_id.is_none().into_sql::<Bool>();
    let is_counted = tasks::milestone_id.eq(milestone_id).or(is_whole);
    let groups = tasks::table
        .filter(tasks::project_id.eq(project_id))
        .filter(is_counted)
        .group_by((tasks::status, tasks::priority))
        .select((
            tasks::status,
            tasks::priority,
            count_star(),
            sum(tasks::estimated_minutes),
            sum(tasks::actual_minutes),
        ));
    Ok(groups.load(&mut conn).await?)
}

//! SQL of a project's progress.

use crate::schema::tasks;
use diesel::dsl::{count_star, sum};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::error::Result;
use uuid::Uuid;

use super::Group;

pub(super) async fn groups(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<Vec<Group>> {
    let groups = tasks::table
        .filter(tasks::project_id.eq(project_id))
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

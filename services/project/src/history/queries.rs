//! SQL of the history. Row-level security shows changes of projects to those who see the project, and other changes to
//! members only.

use diesel_async::AsyncPgConnection;
use shared::change_log::{self, Cursor, HistoryFilter, Record};
use shared::error::Result;
use shared::page::Page;
use uuid::Uuid;

use super::wire::PointInTime;
use super::{EventFilter, EventResource};
use crate::members::Member;
use crate::projects::Project;
use crate::schema::NAME;

/// A page of changes, newest first, plus one if there is a next page.
pub(crate) async fn history(
    conn: &AsyncPgConnection,
    project_id: Uuid,
    parts: &[EventResource],
    filter: &EventFilter,
    page: &Page<Cursor>,
) -> Result<Vec<Record>> {
    let filter = HistoryFilter {
        entities: parts.iter().map(|part| part.entity()).collect(),
        actor_id: filter.actor_id,
        since: filter.since,
        until: filter.until,
    };
    change_log::project_history(conn, NAME, project_id, &filter, page.after, page.size + 1).await
}

pub(crate) async fn project_at(conn: &AsyncPgConnection, moment: &PointInTime) -> Result<Option<Project>> {
    change_log::row_at(conn, NAME, EventResource::Project.entity(), moment.project_id, moment.at).await
}

/// A page of the members at a point in time, by membership id, plus one if there is a next page.
pub(crate) async fn members_at(
    conn: &AsyncPgConnection,
    moment: &PointInTime,
    page: &Page<Uuid>,
) -> Result<Vec<Member>> {
    let (of, after) = ((moment.project_id, moment.at), page.after.unwrap_or_default());
    change_log::rows_at(conn, NAME, EventResource::Member.entity(), of, after, page.size + 1).await
}

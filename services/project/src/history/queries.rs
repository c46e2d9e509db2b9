//! What happened, and what was. Row-level security shows it to those who see the project, and what is its members' to
//! members.

use diesel_async::AsyncPgConnection;
use shared::change_log::{self, Cursor, HistoryFilter, Record};
use shared::error::Result;
use shared::page::Page;
use uuid::Uuid;

use super::wire::Past;
use super::{Part, Wish};
use crate::NAME;
use crate::members::Member;
use crate::projects::Project;

/// A page of what happened to these parts of a project, newest first, with one change too many if there are more.
pub(crate) async fn history(
    conn: &AsyncPgConnection,
    project_id: Uuid,
    parts: &[Part],
    wish: &Wish,
    page: &Page<Cursor>,
) -> Result<Vec<Record>> {
    let filter = HistoryFilter {
        entities: parts.iter().map(|part| part.entity()).collect(),
        actor_id: wish.actor_id,
        since: wish.since,
        until: wish.until,
    };
    change_log::project_history(conn, NAME, project_id, &filter, page.after, page.size + 1).await
}

/// The project as it was, or `None`.
pub(crate) async fn project_at(conn: &AsyncPgConnection, past: &Past) -> Result<Option<Project>> {
    change_log::row_at(conn, NAME, Part::Project.entity(), past.project_id, past.at).await
}

/// A page of its members as they were, by the ids of their memberships, and one more if there are more.
pub(crate) async fn members_at(
    conn: &AsyncPgConnection,
    past: &Past,
    page: &Page<Uuid>,
) -> Result<Vec<Member>> {
    let (of, after) = ((past.project_id, past.at), page.after.unwrap_or_default());
    change_log::rows_at(conn, NAME, Part::Member.entity(), of, after, page.size + 1).await
}

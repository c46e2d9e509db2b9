//! Makes the notifications of events, in the transaction that moves the position in them.

use diesel::sql_query;
use diesel::sql_types::{Jsonb, Nullable, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use shared::database::PreparedQuery;
use shared::error::{Error, Result};
use uuid::Uuid;

use super::MAX_NOTIFICATIONS;
use super::activity::{Activity, Deletion, Effect};
use crate::events::SuiteEvent;
use crate::schema::SubscriptionReason;

/// Most events whose notifications one statement makes: with a thousand subscribers each, it writes some ten thousand rows.
const MAX_EVENTS_PER_STATEMENT: usize = 20;

/// An activity and its place among those of a statement.
#[derive(Serialize)]
struct PlacedActivity<'a> {
    place: usize,
    #[serde(flatten)]
    activity: &'a Activity,
}

#[derive(Serialize)]
struct PlacedSubscriber {
    place: usize,
    user_id: Uuid,
    reason: SubscriptionReason,
}

/// Applies events in their order: subscribes users, notifies them, and forgets what is deleted. Runs under the worker role.
pub(crate) async fn apply(mut conn: &AsyncPgConnection, events: &[SuiteEvent]) -> Result<()> {
    let effects: Vec<Effect> = events.iter().filter_map(|event| Effect::of(&event.payload)).collect();
    if effects.is_empty() {
        return Ok(());
    }
    let lock = sql_query("SELECT pg_advisory_xact_lock(project.notifications_lock_key())");
    PreparedQuery(lock).execute(&mut conn).await?;
    for batch in effects.chunks(MAX_EVENTS_PER_STATEMENT) {
        let activities: Vec<&Activity> = batch
            .iter()
            .filter_map(|effect| match effect {
                Effect::Notify(activity) => Some(activity),
                Effect::Forget(_) => None,
            })
            .collect();
        if !activities.is_empty() {
            notify(conn, &activities).await?;
        }
        for effect in batch {
            if let Effect::Forget(deletion) = effect {
                forget(conn, *deletion).await?;
            }
        }
    }
    Ok(())
}

/// The events of a statement, as its first parameter.
const EVENTS: &str = "jsonb_to_recordset($1) AS e( \
     place integer, project_id uuid, target_type text, target_id uuid, comment_id uuid, actor_id uuid, sequence bigint, \
     changed_at timestamptz, changed_fields text[], kind project.notification_kind)";
/// The users whom they concern, as its second.
const CONCERNED: &str =
    "jsonb_to_recordset($2) AS c(place integer, user_id uuid, reason project.subscription_reason)";
/// The users of `subject.user_id` who see the project of `e`.
const READERS: &str = "JOIN project.projects p ON p.id = e.project_id \
     LEFT JOIN project.project_members m ON m.project_id = p.id AND m.user_id = subject.user_id";
const IS_READER: &str = "(m.user_id IS NOT NULL OR p.visibility <> 'private')";

async fn notify(mut conn: &AsyncPgConnection, activities: &[&Activity]) -> Result<()> {
    let placed = activities.iter().enumerate();
    let placed: Vec<_> = placed.map(|(place, activity)| PlacedActivity { place, activity }).collect();
    let concerned: Vec<_> = placed
        .iter()
        .flat_map(|PlacedActivity { place, activity }| {
            let place = *place;
            activity.concerned.iter().map(move |concerned| PlacedSubscriber {
                place,
                user_id: concerned.user_id,
                reason: concerned.reason,
            })
        })
        .collect();
    let events = serde_json::to_value(placed).map_err(Error::internal)?;
    let concerned = serde_json::to_value(concerned).map_err(Error::internal)?;
    for statement in [subscribe_statement(), notify_statement()] {
        let query = sql_query(statement).bind::<Jsonb, _>(&events).bind::<Jsonb, _>(&concerned);
        PreparedQuery(query).execute(&mut conn).await?;
    }
    Ok(())
}

/// Subscribes those whom events concern, unless they are subscribed.
fn subscribe_statement() -> String {
    format!(
        "INSERT INTO project.subscriptions (target_id, target_type, user_id, project_id, reason, created_at) \
         SELECT e.target_id, e.target_type, subject.user_id, e.project_id, subject.reason, e.changed_at \
         FROM {EVENTS} JOIN (SELECT * FROM {CONCERNED}) subject USING (place) {READERS} WHERE {IS_READER} \
         ORDER BY e.place ON CONFLICT DO NOTHING"
    )
}

/// Notifies each subscriber once of each event, under the more specific subscription, and deletes the oldest
/// notifications of those who have too many. Positions follow the order of the events.
fn notify_statement() -> String {
    format!(
        "WITH told AS ( \
             SELECT DISTINCT ON (e.place, subject.user_id) e.*, subject.user_id, \
                 coalesce(c.reason, subject.reason) AS reason, \
                 CASE c.reason WHEN 'assignee' THEN 'assignment' WHEN 'mentioned' THEN 'mention' ELSE e.kind END \
                     AS notified_kind \
             FROM {EVENTS} JOIN project.subscriptions subject ON subject.target_id IN (e.target_id, e.project_id) \
                 AND subject.target_type = CASE subject.target_id WHEN e.target_id THEN e.target_type ELSE 'project' END \
                 AND subject.project_id = e.project_id \
             LEFT JOIN {CONCERNED} ON c.place = e.place AND c.user_id = subject.user_id {READERS} \
             WHERE subject.user_id <> e.actor_id AND subject.created_at <= e.changed_at AND {IS_READER} \
             ORDER BY e.place, subject.user_id, subject.target_type = 'project' \
         ), wanted AS ( \
             SELECT t.*, row_number() OVER (PARTITION BY t.user_id ORDER BY t.place DESC) - 1 AS later FROM told t \
             LEFT JOIN project.notification_preferences a ON a.user_id = t.user_id \
                 AND a.project_id = '00000000-0000-0000-0000-000000000000' \
             LEFT JOIN project.notification_preferences o ON o.user_id = t.user_id AND o.project_id = t.project_id \
             WHERE t.notified_kind IS NOT NULL AND NOT coalesce(t.notified_kind = ANY (o.muted_kinds), FALSE) \
                 AND (coalesce(t.notified_kind = ANY (o.unmuted_kinds), FALSE) \
                     OR NOT coalesce(t.notified_kind = ANY (a.muted_kinds), FALSE)) \
         ), filled AS ( \
             INSERT INTO project.inboxes AS i (user_id, last_position) \
             SELECT w.user_id, count(*) FROM wanted w GROUP BY w.user_id ORDER BY w.user_id \
             ON CONFLICT (user_id) DO UPDATE SET last_position = i.last_position + excluded.last_position \
             RETURNING i.user_id, i.last_position \
         ), trimmed AS ( \
             DELETE FROM project.notifications n USING filled f \
             WHERE n.user_id = f.user_id AND n.position <= f.last_position - {MAX_NOTIFICATIONS} \
         ) \
         INSERT INTO project.notifications (user_id, position, kind, reason, project_id, target_type, target_id, \
             comment_id, actor_id, sequence, changed_at, changed_fields) \
         SELECT w.user_id, f.last_position - w.later, w.notified_kind, w.reason, w.project_id, w.target_type, \
             w.target_id, w.comment_id, w.actor_id, w.sequence, w.changed_at, w.changed_fields \
         FROM wanted w JOIN filled f USING (user_id)"
    )
}

/// Deletes the notifications about what is deleted, and the subscriptions to it.
async fn forget(mut conn: &AsyncPgConnection, deletion: Deletion) -> Result<()> {
    let (project_id, target, comment_id) = match deletion {
        Deletion::Project(project_id) => (project_id, None, None),
        Deletion::Target { project_id, target } => (project_id, Some(target), None),
        Deletion::Comment { project_id, target, comment_id } => (project_id, Some(target), Some(comment_id)),
    };
    let of_target = if target.is_some() { "AND target_id = $2" } else { "AND $2 IS NULL" };
    let of_comment = if comment_id.is_some() { "AND comment_id = $3" } else { "AND $3 IS NULL" };
    let mut tables = vec![("notifications", of_comment)];
    if comment_id.is_none() {
        tables.push(("subscriptions", of_comment));
    }
    for (table, of_comment) in tables {
        let query =
            sql_query(format!("DELETE FROM project.{table} WHERE project_id = $1 {of_target} {of_comment}"))
                .bind::<SqlUuid, _>(project_id)
                .bind::<Nullable<SqlUuid>, _>(target.map(|target| target.id))
                .bind::<Nullable<SqlUuid>, _>(comment_id);
        PreparedQuery(query).execute(&mut conn).await?;
    }
    Ok(())
}

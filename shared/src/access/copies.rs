//! A read-only copy of the project service's memberships, so that a request is one transaction in one database,
//! also while the project service is down.
//!
//! The copy follows the project service's change feed. It is trusted while the feed reports that it has caught up (a
//! heartbeat comes each second). After [`MAX_FEED_SILENCE`] without such a report, and when something is not found, the
//! project service is asked about that project. If it cannot answer, the request fails `UNAVAILABLE`: never fail open.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use uuid::Uuid;

use super::{AccessTables, PermissionExceptions};
use crate::change_log::{Lag, Signal, positions};
use crate::database::{Database, PreparedQuery, Transaction};
use crate::error::{Error, Result, from_sibling};
use crate::schema::{ProjectRole, ProjectStatus, ProjectVisibility};
use crate::siblings::SiblingChannel;
use crate::validation::ProtoEnum;
use proto::project::backend::v1 as pb;
use proto::project::backend::v1::access_service_client::AccessServiceClient;

/// How long the copy is trusted after the feed last reported that it has caught up.
pub const MAX_FEED_SILENCE: Duration = Duration::from_secs(5);
/// How long to wait before following again after the feed broke off.
const RETRY_DELAY: Duration = Duration::from_millis(250);
/// Rows of deleted projects that one transaction deletes: it holds locks that writers of other projects wait for.
const PURGE_BATCH: i32 = 500;
/// How long to wait before deleting again after a failure.
const PURGE_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Name of the feed in `feed_positions`.
const FEED: &str = "project_access";

/// The copy in one service's schema.
#[derive(Clone)]
pub struct AccessCopies {
    schema: &'static str,
    worker: Database,
    projects: AccessServiceClient<SiblingChannel>,
    /// Wakes the watchers after a change of access.
    signal: Signal,
    lag: Lag,
    /// Notified when a project was deleted.
    deleted: Arc<Notify>,
}

#[derive(QueryableByName)]
struct ProjectRow {
    #[diesel(sql_type = SqlUuid)]
    project_id: Uuid,
}

#[derive(QueryableByName)]
struct PurgedRow {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

impl AccessCopies {
    /// The copy in this schema, written under the worker role.
    pub fn new(
        schema: &'static str,
        worker: Database,
        projects: AccessServiceClient<SiblingChannel>,
        signal: Signal,
    ) -> Self {
        let (lag, deleted) = (Lag::measured(schema, FEED), Arc::default());
        Self { schema, worker, projects, signal, lag, deleted }
    }

    /// Whether the feed has caught up within [`MAX_FEED_SILENCE`], so that the copy may be used without asking.
    pub fn is_trusted(&self) -> bool {
        self.lag.is_within(MAX_FEED_SILENCE)
    }

    /// Asks the project service about one project and stores the answer. Returns its revision; 0 for a project that has
    /// never existed.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it does not answer.
    pub async fn refresh(&self, project_id: Uuid) -> Result<i64> {
        self.refresh_beyond(project_id, 0).await
    }

    /// As [`Self::refresh`], if the project has another revision than this one. Else it returns 0.
    pub(super) async fn refresh_beyond(&self, project_id: Uuid, known_revision: i64) -> Result<i64> {
        let request = pb::GetProjectAccessRequest { project_id: project_id.to_string(), known_revision };
        let state = self
            .projects
            .clone()
            .get_project_access(request)
            .await
            .map_err(from_sibling("project"))?
            .into_inner();
        // A project that has never existed is not stored, or asking for made-up ids would fill the table.
        let revision = state.revision;
        if revision == 0 {
            return Ok(revision);
        }
        let tx = self.worker.begin_background().await?;
        let is_deleted = state.deleted;
        self.apply(&tx, &[state]).await?;
        self.commit(tx, is_deleted).await?;
        Ok(revision)
    }

    /// The revisions of these projects, as far as the copy has them.
    pub(super) async fn revisions(&self, projects: &[Uuid]) -> Result<Vec<(Uuid, i64)>> {
        let tx = self.worker.begin_background().await?;
        let found = AccessTables::Copied(self.schema).revisions(&tx, projects).await?;
        tx.finish();
        Ok(found.into_iter().collect())
    }

    /// The projects that the copy has.
    pub(super) async fn existing(&self, projects: &[Uuid]) -> Result<HashSet<Uuid>> {
        let tx = self.worker.begin_background().await?;
        let query = sql_query(format!(
            "SELECT project_id FROM {}.project_access WHERE project_id = ANY ($1) AND NOT deleted",
            self.schema
        ))
        .bind::<Array<SqlUuid>, _>(projects);
        let rows: Vec<ProjectRow> = PreparedQuery(query).load(&mut &*tx).await?;
        tx.finish();
        Ok(rows.into_iter().map(|row| row.project_id).collect())
    }

    /// Follows the feed, and deletes what deleted projects leave, until `shutdown`.
    pub async fn follow(self, shutdown: CancellationToken) {
        let purging = shutdown.run_until_cancelled(self.purge_deleted_projects());
        tokio::join!(self.follow_feed(&shutdown), purging);
    }

    /// In small batches, so that writers of other projects wait for none of them for long. What a process leaves, the
    /// next one finds when it starts.
    async fn purge_deleted_projects(&self) {
        loop {
            match self.purge_once().await {
                Ok(0) => self.deleted.notified().await,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(schema = self.schema, %error, "a deleted project could not be purged");
                    tokio::time::sleep(PURGE_RETRY_DELAY).await;
                }
            }
        }
    }

    /// Deletes a batch; 0 if there is nothing left.
    async fn purge_once(&self) -> Result<i64> {
        let tx = self.worker.begin_background().await?;
        let query = sql_query(format!("SELECT {}.purge_deleted_projects($1) AS rows", self.schema))
            .bind::<Integer, _>(PURGE_BATCH);
        let purged: Vec<PurgedRow> = tx.commit_with(query).await?;
        let rows = purged.iter().map(|purged| purged.rows).sum();
        if rows > 0 {
            self.signal.announce();
        }
        Ok(rows)
    }

    async fn follow_feed(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                outcome = self.follow_once() => if let Err(error) = outcome {
                    tracing::debug!(schema = self.schema, %error, "the feed of project access broke off");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(RETRY_DELAY) => {}
            }
        }
    }

    /// Follows the feed until it breaks off.
    async fn follow_once(&self) -> Result<()> {
        let cursor = match positions::get(&self.worker, self.schema, FEED).await? {
            Some(cursor) => cursor,
            None => self.start_from_snapshot().await?,
        };
        let watch = pb::WatchProjectAccessRequest { cursor: cursor.clone() };
        let mut feed = match self.projects.clone().watch_project_access(watch).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::OutOfRange => {
                self.start_from_snapshot().await?;
                return Ok(());
            }
            Err(status) => return Err(from_sibling("project")(status)),
        };
        let mut position = cursor;
        loop {
            let next = tokio::time::timeout(MAX_FEED_SILENCE, feed.message()).await;
            let message = next.map_err(|_| Error::DeadlineExceeded)?.map_err(from_sibling("project"))?;
            let Some(message) = message else { return Ok(()) };
            // States that come early come under the old position: it cannot move past a transaction that runs.
            if message.cursor != position || !message.projects.is_empty() {
                self.apply_changes(&message.projects, &message.cursor).await?;
                position = message.cursor;
            }
            // Before that, a removal may be among what is still to come.
            if message.caught_up {
                self.lag.mark_caught_up();
            }
        }
    }

    /// Copies everything as it is now. The stored revisions may be from another incarnation of the project service's
    /// database, as before a restored backup. They are reset, so that the snapshot replaces them, while a state that is
    /// asked for meanwhile is still not overwritten by an older one.
    async fn start_from_snapshot(&self) -> Result<String> {
        self.lag.reset();
        self.reset_revisions().await?;
        let mut listed_ids: Vec<Uuid> = Vec::new();
        let mut start: Option<String> = None;
        let mut after = String::new();
        loop {
            let request = pb::ListProjectAccessRequest { after_project_id: after };
            let page = self
                .projects
                .clone()
                .list_project_access(request)
                .await
                .map_err(from_sibling("project"))?
                .into_inner();
            let cursor = start.get_or_insert(page.cursor).clone();
            let tx = self.worker.begin_background().await?;
            self.apply(&tx, &page.projects).await?;
            listed_ids.extend(page.projects.iter().filter_map(|state| state.project_id.parse::<Uuid>().ok()));
            if page.last {
                self.hide_missing_projects(&tx, &listed_ids).await?;
                positions::set(&tx, self.schema, FEED, &cursor).await?;
                self.commit(tx, true).await?;
                return Ok(cursor);
            }
            tx.commit().await?;
            after = page.projects.last().map(|state| state.project_id.clone()).unwrap_or_default();
        }
    }

    /// Hides the projects that are not in a snapshot. Their resources stay, and come back if a later snapshot has the
    /// project. A project that was asked for meanwhile has a revision, and is not hidden.
    async fn hide_missing_projects(&self, mut conn: &AsyncPgConnection, listed_ids: &[Uuid]) -> Result<()> {
        let schema = self.schema;
        sql_query(format!(
            "WITH unnamed AS (UPDATE {schema}.project_access SET deleted = TRUE \
             WHERE revision = 0 AND project_id <> ALL ($1) RETURNING project_id) \
             DELETE FROM {schema}.project_access_members m USING unnamed u WHERE m.project_id = u.project_id"
        ))
        .bind::<Array<SqlUuid>, _>(listed_ids)
        .execute(&mut conn)
        .await?;
        Ok(())
    }

    async fn reset_revisions(&self) -> Result<()> {
        let tx = self.worker.begin_background().await?;
        let mut conn: &AsyncPgConnection = &tx;
        sql_query(format!("UPDATE {}.project_access SET revision = 0", self.schema))
            .execute(&mut conn)
            .await?;
        tx.commit().await
    }

    /// Applies states and moves the position in one transaction: each change takes effect exactly once.
    async fn apply_changes(&self, states: &[pb::ProjectAccess], cursor: &str) -> Result<()> {
        let tx = self.worker.begin_background().await?;
        self.apply(&tx, states).await?;
        positions::set(&tx, self.schema, FEED, cursor).await?;
        self.commit(tx, states.iter().any(|state| state.deleted)).await
    }

    async fn commit(&self, tx: Transaction, has_deleted: bool) -> Result<()> {
        tx.commit().await?;
        self.signal.announce();
        if has_deleted {
            self.deleted.notify_one();
        }
        Ok(())
    }

    async fn apply(&self, mut conn: &AsyncPgConnection, states: &[pb::ProjectAccess]) -> Result<()> {
        if states.is_empty() {
            return Ok(());
        }
        let states = Value::Array(states.iter().map(state_as_json).collect());
        sql_query(format!("SELECT {}.apply_project_access($1)", self.schema))
            .bind::<Jsonb, _>(states)
            .execute(&mut conn)
            .await?;
        Ok(())
    }
}

fn state_as_json(state: &pb::ProjectAccess) -> Value {
    let members: Vec<Value> = state.members.iter().map(member_as_json).collect();
    json!({
        "project_id": state.project_id,
        "revision": state.revision,
        "deleted": state.deleted,
        "visibility": label_or_least(state.visibility, ProjectVisibility::Private, ProjectVisibility::as_str),
        "status": label_or_least(state.status, ProjectStatus::Active, ProjectStatus::as_str),
        "members": members,
        "key": state.key,
    })
}

fn member_as_json(member: &pb::AccessMember) -> Value {
    let exceptions = PermissionExceptions::from_wire(&member.granted_permissions, &member.denied_permissions);
    json!({
        "user_id": member.user_id,
        "role": label_or_least(member.role, ProjectRole::Viewer, ProjectRole::as_str),
        "permissions": exceptions.to_json(),
    })
}

/// The label of an enum value; a value that this version does not know becomes the one that allows least.
fn label_or_least<E: ProtoEnum>(value: i32, least: E, as_str: fn(E) -> &'static str) -> &'static str {
    as_str(E::from_wire(value).flatten().unwrap_or(least))
}

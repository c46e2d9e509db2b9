//! The feed of access states to one follower.
//!
//! The change log says which projects changed; the feed sends their current states. Each message says whether the
//! follower is caught up.
//!
//! The position cannot pass a running transaction of any service, because that transaction may still commit changes at
//! earlier positions. A removed member must lose access nevertheless, so states are sent early under the old position,
//! and again once the position has moved.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use proto::project::backend::v1 as pb;
use shared::change_log::{self, BATCH, Change, Cursor};
use shared::error::{Error, Result};
use shared::service::ServiceContext;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::queries::EarlyChange;
use super::{AccessState, count_fitting, queries};
use crate::schema::NAME;

const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// Tables whose changes may change access.
const ENTITIES: [&str; 2] = ["projects", "project_members"];

pub(crate) type Message = Result<pb::WatchProjectAccessResponse, Status>;

pub(crate) struct AccessFeed {
    context: ServiceContext,
    progress: Progress,
}

#[derive(Default)]
struct Progress {
    cursor: Cursor,
    /// Positions of changes after the cursor whose states were sent early.
    sent_early: HashSet<i64>,
}

impl AccessFeed {
    /// Opens a feed. Fails with `CURSOR_EXPIRED` for a position that was trimmed, and for one ahead of the log: that
    /// comes from a database that was restored to an earlier state.
    pub(crate) async fn open(context: ServiceContext, cursor: Cursor) -> Result<Self> {
        let tx = context.worker.begin_background().await?;
        let horizon = change_log::horizon(&tx, NAME).await?;
        let head = change_log::head(&tx, NAME).await?;
        tx.finish();
        cursor.check_against(horizon)?;
        if cursor > head {
            return Err(Error::CursorExpired);
        }
        Ok(Self { context, progress: Progress { cursor, ..Progress::default() } })
    }

    /// Sends until the follower disconnects, the service stops or a query fails.
    pub(crate) async fn run(mut self, sender: mpsc::Sender<Message>) {
        let shutdown = self.context.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sender.closed() => {}
            outcome = self.send_to(&sender) => if let Err(error) = outcome {
                let _gone = sender.send(Err(error.into())).await;
            }
        }
    }

    async fn send_to(&mut self, sender: &mpsc::Sender<Message>) -> Result<()> {
        let mut wake = self.context.signal.listen(Duration::ZERO);
        let mut heartbeat = Instant::now();
        loop {
            let WatchBatch { states, caught_up } = self.poll().await?;
            let has_changes = !states.is_empty();
            if has_changes || heartbeat <= Instant::now() {
                let projects = states.into_iter().map(Into::into).collect();
                let cursor = self.progress.cursor.to_string();
                let message = pb::WatchProjectAccessResponse { projects, cursor, caught_up };
                if sender.send(Ok(message)).await.is_err() {
                    return Ok(());
                }
                heartbeat = Instant::now() + HEARTBEAT_INTERVAL;
            }
            if !has_changes {
                let _woken_or_heartbeat_due = tokio::time::timeout_at(heartbeat, wake.wait()).await;
            }
        }
    }

    /// Reads the next changes, advances the position and returns the states of the changed projects.
    async fn poll(&mut self) -> Result<WatchBatch> {
        let tx = self.context.worker.begin_background().await?;
        let settled = change_log::read(&tx, NAME, &ENTITIES, self.progress.cursor).await?;
        let mut early = Vec::new();
        if !is_full(settled.len()) {
            // After the last settled change read, so that no change is left out in between.
            let after = settled.last().map_or(self.progress.cursor, Change::cursor);
            let known: Vec<i64> = self.progress.sent_early.iter().copied().collect();
            early = queries::early_changes(&tx, &ENTITIES, after, &known).await?;
        }
        let pending = PendingChanges { settled, early };
        let projects = pending.projects();
        let states = if projects.is_empty() { Vec::new() } else { queries::states(&tx, &projects).await? };
        tx.finish();
        Ok(self.progress.advance(&pending, &projects, states))
    }
}

impl Progress {
    /// Advances behind the changes whose states are sent.
    fn advance(
        &mut self,
        pending: &PendingChanges,
        projects: &[Uuid],
        states: Vec<AccessState>,
    ) -> WatchBatch {
        let states = take_fitting(projects, states);
        let covered: HashSet<Uuid> = states.iter().map(|state| state.project_id).collect();
        for change in pending.settled.iter().take_while(|change| covered.contains(&project_of(change))) {
            self.cursor = change.cursor();
            self.sent_early.remove(&change.position);
        }
        let sent_now = pending.early.iter().filter(|change| covered.contains(&change.project_id));
        self.sent_early.extend(sent_now.map(|change| change.position));
        let caught_up = !pending.is_partial() && covered.len() == projects.len();
        WatchBatch { states, caught_up }
    }
}

/// Whether a query returned a full batch, so that there may be more.
fn is_full(changes: usize) -> bool {
    i64::try_from(changes).is_ok_and(|changes| changes >= BATCH)
}

/// The result of one poll.
struct PendingChanges {
    /// Changes older than every running transaction.
    settled: Vec<Change>,
    /// Later changes whose states have not been sent early.
    early: Vec<EarlyChange>,
}

impl PendingChanges {
    /// The changed projects in order, each once.
    fn projects(&self) -> Vec<Uuid> {
        let mut seen = HashSet::new();
        let early = self.early.iter().map(|change| change.project_id);
        let projects = self.settled.iter().map(project_of).chain(early);
        projects.filter(|project| seen.insert(*project)).collect()
    }

    fn is_partial(&self) -> bool {
        is_full(self.settled.len()) || is_full(self.early.len())
    }
}

struct WatchBatch {
    states: Vec<AccessState>,
    caught_up: bool,
}

fn project_of(change: &Change) -> Uuid {
    change.project_id.unwrap_or(change.entity_id)
}

/// The states that fit into one message, in the order of the projects.
fn take_fitting(projects: &[Uuid], states: Vec<AccessState>) -> Vec<AccessState> {
    let mut by_project: HashMap<Uuid, AccessState> =
        states.into_iter().map(|state| (state.project_id, state)).collect();
    let mut ordered: Vec<AccessState> = projects
        .iter()
        .map(|project| by_project.remove(project).unwrap_or_else(|| AccessState::unknown(*project)))
        .collect();
    ordered.truncate(count_fitting(&ordered));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(position: i64, project: u128) -> Change {
        Change {
            incarnation: 1,
            transaction_id: 7,
            position,
            entity: "projects".to_owned(),
            entity_id: Uuid::from_u128(project),
            project_id: None,
            operation: "update".to_owned(),
            old_values: None,
        }
    }

    #[derive(Debug, PartialEq)]
    struct AdvanceOutcome {
        states: usize,
        position: i64,
        sent_early: usize,
        caught_up: bool,
    }

    fn advance(progress: &mut Progress, settled: Vec<Change>, early: Vec<EarlyChange>) -> AdvanceOutcome {
        let pending = PendingChanges { settled, early };
        let batch = progress.advance(&pending, &pending.projects(), Vec::new());
        AdvanceOutcome {
            states: batch.states.len(),
            position: progress.cursor.position,
            sent_early: progress.sent_early.len(),
            caught_up: batch.caught_up,
        }
    }

    fn early(position: i64, project: u128) -> EarlyChange {
        EarlyChange { position, project_id: Uuid::from_u128(project) }
    }

    #[test]
    fn the_cursor_advances_behind_sent_changes() {
        let settled = vec![change(1, 10), change(2, 20), change(3, 10)];
        let outcome = advance(&mut Progress::default(), settled, Vec::new());
        assert_eq!(outcome, AdvanceOutcome { states: 2, position: 3, sent_early: 0, caught_up: true });
    }

    #[test]
    fn changes_beyond_the_message_limit_are_read_again() {
        let settled = (0..=500).map(|n| change(n, n as u128 + 1)).collect();
        let outcome = advance(&mut Progress::default(), settled, Vec::new());
        assert_eq!(outcome, AdvanceOutcome { states: 500, position: 499, sent_early: 0, caught_up: false });
    }

    #[test]
    fn only_sent_states_count_as_sent_early() {
        let settled = vec![change(1, 1), change(2, 2)];
        let unsettled = (3..=501).map(|n| early(n, n as u128)).collect();
        let mut progress = Progress::default();
        let outcome = advance(&mut progress, settled, unsettled);
        assert_eq!(outcome, AdvanceOutcome { states: 500, position: 2, sent_early: 498, caught_up: false });
        let outcome = advance(&mut progress, Vec::new(), vec![early(501, 501)]);
        assert_eq!(outcome, AdvanceOutcome { states: 1, position: 2, sent_early: 499, caught_up: true });
        let outcome = advance(&mut progress, (3..=501).map(|n| change(n, n as u128)).collect(), Vec::new());
        assert_eq!(outcome, AdvanceOutcome { states: 499, position: 501, sent_early: 0, caught_up: true });
    }
}

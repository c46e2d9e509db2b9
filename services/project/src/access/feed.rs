//! One follower's feed of access states.
//!
//! The change log tells which projects to look at; what is sent is how they are now. A heartbeat is sent only
//! after a look that found nothing, so a follower that hears one knows that it has everything.
//!
//! The position cannot move past a transaction that still runs, in whatever service: it may yet add changes
//! before those that are there. A removed member must not profit from that, so states are sent early, under
//! the old position, and once more when the position has moved.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use shared::change_log::{self, Change, Cursor};
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::proto::project::internal::v1 as pb;
use shared::service::Ground;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::queries::UnsettledChange;
use super::{AccessState, fitting, queries};
use crate::NAME;

/// How often a follower hears something.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The tables whose changes may change access.
const ENTITIES: [&str; 2] = ["projects", "project_members"];

/// What is sent.
pub(crate) type Message = Result<pb::WatchProjectAccessResponse, Status>;

/// A feed from a position on.
pub(crate) struct Feed {
    ground: Ground,
    cursor: Cursor,
    /// Places of changes whose states were sent early.
    sent_early: HashSet<i64>,
}

impl Feed {
    /// Opens a feed, so that a position that cannot be gone on from is refused at once. One that lies ahead
    /// comes from another life of the database, as before a restored backup: what it misses is unknown.
    pub(crate) async fn open(ground: Ground, cursor: Cursor) -> Result<Self> {
        let tx = ground.worker.begin_background().await?;
        let horizon = change_log::horizon(&tx, NAME).await?;
        let head = change_log::head(&tx).await?;
        tx.finish();
        if cursor < horizon || cursor > head {
            return Err(Error::CursorExpired);
        }
        Ok(Self { ground, cursor, sent_early: HashSet::new() })
    }

    /// Sends until the follower goes, the service stops or a look fails.
    pub(crate) async fn run(mut self, follower: mpsc::Sender<Message>) {
        let shutdown = self.ground.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = follower.closed() => {}
            outcome = self.send_to(&follower) => if let Err(error) = outcome {
                let _gone = follower.send(Err(error.into())).await;
            }
        }
    }

    async fn send_to(&mut self, follower: &mpsc::Sender<Message>) -> Result<()> {
        let mut wake = self.ground.signal.listen();
        let mut heartbeat = Instant::now();
        loop {
            let states = self.look().await?;
            let found = !states.is_empty();
            if found || heartbeat <= Instant::now() {
                let projects = states.into_iter().map(Into::into).collect();
                let message = pb::WatchProjectAccessResponse { projects, cursor: self.cursor.to_string() };
                if follower.send(Ok(message)).await.is_err() {
                    return Ok(());
                }
                heartbeat = Instant::now() + HEARTBEAT;
            }
            if !found {
                let _woken_or_time_to_speak = tokio::time::timeout_at(heartbeat, wake.wait()).await;
            }
        }
    }

    /// Reads the next changes, moves the position behind them, and answers with the states they led to.
    async fn look(&mut self) -> Result<Vec<AccessState>> {
        let tx = self.ground.worker.begin_background().await?;
        let changes = change_log::read(&tx, NAME, &ENTITIES, self.cursor).await?;
        if changes.is_empty() {
            return self.look_ahead(tx).await;
        }
        let projects = projects_of(&changes);
        let states = queries::states(&tx, &projects).await?;
        tx.finish();
        let (states, cursor) = cut(&changes, &projects, states);
        self.cursor = cursor.unwrap_or(self.cursor);
        Ok(states)
    }

    /// Answers with the states that changes led to which the position cannot move past yet.
    async fn look_ahead(&mut self, tx: Transaction) -> Result<Vec<AccessState>> {
        let changes = queries::unsettled(&tx, &ENTITIES).await?;
        let is_new = |change: &&UnsettledChange| !self.sent_early.contains(&change.position);
        let projects: HashSet<Uuid> = changes.iter().filter(is_new).map(|change| change.project_id).collect();
        let mut states = Vec::new();
        if !projects.is_empty() {
            states = queries::states(&tx, &Vec::from_iter(projects)).await?;
            states.truncate(fitting(&states));
        }
        tx.finish();
        self.sent_early = changes.iter().map(|change| change.position).collect();
        Ok(states)
    }
}

/// The project that a change is about.
fn project_of(change: &Change) -> Uuid {
    change.project_id.unwrap_or(change.entity_id)
}

/// The projects that changes are about, each once, in the order in which they come up.
fn projects_of(changes: &[Change]) -> Vec<Uuid> {
    let mut seen = HashSet::new();
    changes.iter().map(project_of).filter(|project| seen.insert(*project)).collect()
}

/// As many states as fit into one message, and the position before the first change that they do not cover.
fn cut(
    changes: &[Change],
    projects: &[Uuid],
    states: Vec<AccessState>,
) -> (Vec<AccessState>, Option<Cursor>) {
    let mut by_project: HashMap<Uuid, AccessState> =
        states.into_iter().map(|state| (state.project_id, state)).collect();
    let mut ordered: Vec<AccessState> = projects
        .iter()
        .map(|project| by_project.remove(project).unwrap_or_else(|| AccessState::unknown(*project)))
        .collect();
    ordered.truncate(fitting(&ordered));
    let covered: HashSet<Uuid> = ordered.iter().map(|state| state.project_id).collect();
    let last = changes.iter().take_while(|change| covered.contains(&project_of(change))).last();
    (ordered, last.map(Change::cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(position: i64, project: u128) -> Change {
        Change {
            transaction_id: 7,
            position,
            entity: "projects".to_owned(),
            entity_id: Uuid::from_u128(project),
            project_id: None,
            operation: "update".to_owned(),
            old_values: None,
        }
    }

    #[test]
    fn the_position_moves_behind_what_is_covered() {
        let changes = [change(1, 10), change(2, 20), change(3, 10)];
        let (states, cursor) = cut(&changes, &projects_of(&changes), Vec::new());
        assert_eq!(states.len(), 2);
        assert_eq!(cursor.unwrap().position, 3);
    }

    #[test]
    fn what_does_not_fit_is_read_again() {
        let changes: Vec<Change> = (0..=500).map(|n| change(n, n as u128 + 1)).collect();
        let (states, cursor) = cut(&changes, &projects_of(&changes), Vec::new());
        assert_eq!(states.len(), 500);
        assert_eq!(cursor.unwrap().position, 499);
    }
}

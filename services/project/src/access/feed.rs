//! One follower's feed of access states.
//!
//! The change log tells which projects to look at; what is sent is how they are now. Each message tells whether
//! the look that led to it left anything out, so a follower knows when it has everything.
//!
//! The position cannot move past a transaction that still runs, in whatever service: it may yet add changes
//! before those that are there. A removed member must not profit from that, so states are sent early, under
//! the old position, and once more when the position has moved.

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
    context: ServiceContext,
    progress: Progress,
}

/// How far a follower has been told.
#[derive(Default)]
struct Progress {
    cursor: Cursor,
    /// Places of changes after the position whose states were sent early.
    sent_early: HashSet<i64>,
}

impl Feed {
    /// Opens a feed, so that a position that cannot be gone on from is refused at once. One that lies ahead
    /// comes from another life of the database, as before a restored backup: what it misses is unknown.
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

    /// Sends until the follower goes, the service stops or a look fails.
    pub(crate) async fn run(mut self, follower: mpsc::Sender<Message>) {
        let shutdown = self.context.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = follower.closed() => {}
            outcome = self.send_to(&follower) => if let Err(error) = outcome {
                let _gone = follower.send(Err(error.into())).await;
            }
        }
    }

    async fn send_to(&mut self, follower: &mpsc::Sender<Message>) -> Result<()> {
        let mut wake = self.context.signal.listen();
        let mut heartbeat = Instant::now();
        loop {
            let Told { states, caught_up } = self.look().await?;
            let found = !states.is_empty();
            if found || heartbeat <= Instant::now() {
                let projects = states.into_iter().map(Into::into).collect();
                let cursor = self.progress.cursor.to_string();
                let message = pb::WatchProjectAccessResponse { projects, cursor, caught_up };
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
    async fn look(&mut self) -> Result<Told> {
        let tx = self.context.worker.begin_background().await?;
        let settled = change_log::read(&tx, NAME, &ENTITIES, self.progress.cursor).await?;
        let mut early = Vec::new();
        if !is_full(settled.len()) {
            // From where the settled ones ended, and not from what is unsettled by now: nothing falls between.
            let after = settled.last().map_or(self.progress.cursor, Change::cursor);
            let known: Vec<i64> = self.progress.sent_early.iter().copied().collect();
            early = queries::early_changes(&tx, &ENTITIES, after, &known).await?;
        }
        let found = Found { settled, early };
        let projects = found.projects();
        let states = if projects.is_empty() { Vec::new() } else { queries::states(&tx, &projects).await? };
        tx.finish();
        Ok(self.progress.tell(&found, &projects, states))
    }
}

impl Progress {
    /// Keeps in mind what is told of what was found.
    fn tell(&mut self, found: &Found, projects: &[Uuid], states: Vec<AccessState>) -> Told {
        let states = cut(projects, states);
        let covered: HashSet<Uuid> = states.iter().map(|state| state.project_id).collect();
        for change in found.settled.iter().take_while(|change| covered.contains(&project_of(change))) {
            self.cursor = change.cursor();
            self.sent_early.remove(&change.position);
        }
        let told_early = found.early.iter().filter(|change| covered.contains(&change.project_id));
        self.sent_early.extend(told_early.map(|change| change.position));
        let caught_up = !found.is_partial() && covered.len() == projects.len();
        Told { states, caught_up }
    }
}

/// Whether so many changes are as many as are read at once, so that there may be more.
fn is_full(changes: usize) -> bool {
    i64::try_from(changes).is_ok_and(|changes| changes >= BATCH)
}

/// What one look found.
struct Found {
    /// Changes that the position can move past.
    settled: Vec<Change>,
    /// Changes after those that have not been sent early yet.
    early: Vec<EarlyChange>,
}

impl Found {
    /// The projects that the changes are about, each once, in the order in which they come up.
    fn projects(&self) -> Vec<Uuid> {
        let mut seen = HashSet::new();
        let early = self.early.iter().map(|change| change.project_id);
        let projects = self.settled.iter().map(project_of).chain(early);
        projects.filter(|project| seen.insert(*project)).collect()
    }

    /// Whether there may be more than was read.
    fn is_partial(&self) -> bool {
        is_full(self.settled.len()) || is_full(self.early.len())
    }
}

/// What one message tells.
struct Told {
    states: Vec<AccessState>,
    /// Whether nothing is left to tell.
    caught_up: bool,
}

/// The project that a change is about.
fn project_of(change: &Change) -> Uuid {
    change.project_id.unwrap_or(change.entity_id)
}

/// As many states, in the order of the projects, as fit into one message.
fn cut(projects: &[Uuid], states: Vec<AccessState>) -> Vec<AccessState> {
    let mut by_project: HashMap<Uuid, AccessState> =
        states.into_iter().map(|state| (state.project_id, state)).collect();
    let mut ordered: Vec<AccessState> = projects
        .iter()
        .map(|project| by_project.remove(project).unwrap_or_else(|| AccessState::unknown(*project)))
        .collect();
    ordered.truncate(fitting(&ordered));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(position: i64, project: u128) -> Change {
        Change {
            life: 1,
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
    struct Outcome {
        states: usize,
        position: i64,
        sent_early: usize,
        caught_up: bool,
    }

    fn tell(progress: &mut Progress, settled: Vec<Change>, early: Vec<EarlyChange>) -> Outcome {
        let found = Found { settled, early };
        let told = progress.tell(&found, &found.projects(), Vec::new());
        Outcome {
            states: told.states.len(),
            position: progress.cursor.position,
            sent_early: progress.sent_early.len(),
            caught_up: told.caught_up,
        }
    }

    fn early(position: i64, project: u128) -> EarlyChange {
        EarlyChange { position, project_id: Uuid::from_u128(project) }
    }

    #[test]
    fn the_position_moves_behind_what_is_covered() {
        let settled = vec![change(1, 10), change(2, 20), change(3, 10)];
        let outcome = tell(&mut Progress::default(), settled, Vec::new());
        assert_eq!(outcome, Outcome { states: 2, position: 3, sent_early: 0, caught_up: true });
    }

    #[test]
    fn what_does_not_fit_is_read_again() {
        let settled = (0..=500).map(|n| change(n, n as u128 + 1)).collect();
        let outcome = tell(&mut Progress::default(), settled, Vec::new());
        assert_eq!(outcome, Outcome { states: 500, position: 499, sent_early: 0, caught_up: false });
    }

    #[test]
    fn only_what_was_sent_counts_as_sent_early() {
        let settled = vec![change(1, 1), change(2, 2)];
        let unsettled = (3..=501).map(|n| early(n, n as u128)).collect();
        let mut progress = Progress::default();
        let outcome = tell(&mut progress, settled, unsettled);
        assert_eq!(outcome, Outcome { states: 500, position: 2, sent_early: 498, caught_up: false });
        let outcome = tell(&mut progress, Vec::new(), vec![early(501, 501)]);
        assert_eq!(outcome, Outcome { states: 1, position: 2, sent_early: 499, caught_up: true });
        let outcome = tell(&mut progress, (3..=501).map(|n| change(n, n as u128)).collect(), Vec::new());
        assert_eq!(outcome, Outcome { states: 499, position: 501, sent_early: 0, caught_up: true });
    }
}

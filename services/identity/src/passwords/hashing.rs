//! Hashing of passwords, off the async threads and within bounds of memory and time.
//!
//! Argon2id (RFC 9106), kept as a PHC string. Passwords are long rather than composed of kinds of characters (NIST
//! SP 800-63B, section 5.1.1).

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use rand::RngCore as _;
use shared::error::{Error, ErrorReason, Result};
use tokio::sync::oneshot;

use super::queue::QueueMeasures;
use super::{PasswordOptions, imported};

/// Shortest password of a new account, in bytes.
pub const MIN_PASSWORD_BYTES: usize = 10;
/// Longest password, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// The hash of an account without a password: no PHC string, so that nothing matches it.
pub const NO_PASSWORD: &str = "!";

/// Calls that wait for their turn; more are refused at once.
const MAX_WAITING: usize = 64;
/// When a refused call may come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How much hashing gives way to everything else (nice): on a busy machine it gets a third of what a call of
/// somebody who is signed in gets.
const GIVING_WAY: i32 = 5;

/// How a password compares with a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It is another one, or there is none.
    Different,
    /// It is the one.
    Same,
    /// It is the one, under parameters that are no longer used.
    SameButOutdated,
}

type Job = Box<dyn FnOnce() + Send>;

/// Makes and compares hashes; cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    hasher: Arc<Hasher>,
    /// To the threads that hash; as long as it is full, calls are refused.
    jobs: mpsc::SyncSender<Job>,
    queue: QueueMeasures,
}

struct Hasher {
    argon2: Argon2<'static>,
    /// Compared in place of a hash that is not there, so that the answer takes as long. Of random bytes: nothing is
    /// known to match it.
    stand_in: PasswordHash,
}

impl Passwords {
    /// On threads of its own, one fewer than there are cores but at least one, that give way to others. They end with
    /// the last handle.
    ///
    /// # Errors
    /// When the parameters are too weak or too costly, or a thread cannot be started.
    pub fn new(options: &PasswordOptions) -> anyhow::Result<Self> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, options.params()?);
        let mut unknown = [0; 32];
        rand::rng().fill_bytes(&mut unknown);
        let stand_in = argon2.hash_password(&unknown).map_err(|error| anyhow::anyhow!("{error}"))?;
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores.saturating_sub(1).max(1) {
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new().name("passwords".to_owned()).spawn(move || work(&waiting))?;
        }
        Ok(Self { hasher: Arc::new(Hasher { argon2, stand_in }), jobs, queue: QueueMeasures::new() })
    }

    /// Hashes a password under a random salt.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many calls wait.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.in_turn(move |hasher| {
            let hash: PasswordHash =
                hasher.argon2.hash_password(password.as_bytes()).map_err(Error::internal)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Compares a password with a stored hash. Where there is none, it takes as long.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many calls wait.
    pub async fn compare(&self, password: String, stored: Option<String>) -> Result<Comparison> {
        self.in_turn(move |hasher| Ok(hasher.compare(password.as_bytes(), stored.as_deref()))).await
    }

    /// A call that has gone away while it waited is not worked on.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Hasher) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let hasher = Arc::clone(&self.hasher);
        let queue = self.queue.clone();
        let job: Job = Box::new(move || {
            queue.left();
            if !answer.is_closed() {
                let _gone_away = answer.send(work(&hasher));
            }
        });
        self.queue.joined();
        if self.jobs.try_send(job).is_err() {
            self.queue.left();
            self.queue.refused();
            return Err(OVERLOADED);
        }
        answered.await.map_err(Error::internal)?
    }
}

/// The life of a thread that hashes.
fn work(waiting: &Mutex<mpsc::Receiver<Job>>) {
    // Best effort: it is refused to nobody, as it asks for less.
    let _as_before = rustix::process::nice(GIVING_WAY);
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job();
    }
}

const OVERLOADED: Error = Error::Exhausted {
    reason: ErrorReason::Overloaded,
    message: "too many sign-ins are waiting; try again shortly",
    retry_after: RETRY_AFTER,
};

impl Hasher {
    fn compare(&self, password: &[u8], stored: Option<&str>) -> Comparison {
        let outcome = stored.and_then(|text| imported::matches(password, text).map(|same| (text, same)));
        match outcome {
            None => {
                let _never_a_match = self.argon2.verify_password(password, &self.stand_in);
                Comparison::Different
            }
            Some((_, false)) => Comparison::Different,
            Some((text, true)) if self.is_current(text) => Comparison::Same,
            Some((_, true)) => Comparison::SameButOutdated,
        }
    }

    fn is_current(&self, text: &str) -> bool {
        let Ok(hash) = PasswordHash::new(text) else { return false };
        let current = self.argon2.params();
        let same = |params: Params| {
            (params.m_cost(), params.t_cost(), params.p_cost())
                == (current.m_cost(), current.t_cost(), current.p_cost())
        };
        hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && Params::try_from(&hash).is_ok_and(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(&PasswordOptions::default()).unwrap()
    }

    #[tokio::test]
    async fn only_the_password_itself_matches_its_hash() {
        let passwords = passwords();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        for (given, expected) in
            [("correct horse", Comparison::Same), ("Correct horse", Comparison::Different)]
        {
            assert_eq!(passwords.compare(given.into(), Some(hash.clone())).await.unwrap(), expected);
        }
    }

    #[test]
    fn the_stand_in_costs_what_a_hash_costs() {
        let options = PasswordOptions { password_passes: 3, ..Default::default() };
        let hasher = Passwords::new(&options).unwrap().hasher;
        assert!(hasher.is_current(&hasher.stand_in.to_string()));
    }

    #[tokio::test]
    async fn nothing_matches_where_there_is_no_password() {
        for stored in [None, Some(NO_PASSWORD.to_owned()), Some(String::new())] {
            let comparison = passwords().compare("!".into(), stored).await.unwrap();
            assert_eq!(comparison, Comparison::Different);
        }
    }

    #[tokio::test]
    async fn a_hash_under_other_parameters_or_of_another_kind_matches_and_is_outdated() {
        let former =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8_192, 1, 1, None).unwrap());
        let hash: PasswordHash = former.hash_password(b"correct horse").unwrap();
        let bcrypt = bcrypt::hash("correct horse", 4).unwrap();
        for hash in [hash.to_string(), bcrypt] {
            let comparison = passwords().compare("correct horse".into(), Some(hash)).await.unwrap();
            assert_eq!(comparison, Comparison::SameButOutdated);
        }
    }

    /// All threads are held up, and all places to wait are taken.
    #[tokio::test]
    async fn a_flood_is_refused_rather_than_queued_without_end() {
        let passwords = passwords();
        let (closed, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let mut held = Vec::new();
        loop {
            let gate = Arc::clone(&gate);
            let (passwords, turn) = (passwords.clone(), oneshot::channel::<()>());
            let job: Job = Box::new(move || {
                let _opened = gate.lock().unwrap().recv();
                drop(turn.0);
            });
            if passwords.jobs.try_send(job).is_err() {
                break;
            }
            held.push(turn.1);
        }
        assert!(held.len() >= MAX_WAITING);
        assert_eq!(passwords.hash("x".into()).await.unwrap_err().reason(), ErrorReason::Overloaded);
        drop(closed);
        for done in held {
            done.await.unwrap_err();
        }
        passwords.hash("x".into()).await.unwrap();
    }
}

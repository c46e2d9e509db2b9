//! Hashing of passwords, off the async threads, with limits on memory and time.
//!
//! Argon2id (RFC 9106), as a PHC string. The rules ask for length, not for kinds of characters (NIST SP 800-63B, section
//! 5.1.1).

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::RngCore as _;
use shared::error::{Error, ErrorReason, Result};
use tokio::sync::oneshot;

use super::queue::QueueMetrics;
use super::{PasswordOptions, imported, normalization};

/// Of a new password.
pub const MIN_PASSWORD_BYTES: usize = 10;
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// The hash of an account without a password. It is no PHC string, so no password matches.
pub const NO_PASSWORD: &str = "!";

/// Calls that wait; more are refused at once.
const MAX_WAITING: usize = 64;
/// For refused calls.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The niceness of the hashing threads: on a busy machine they get a third of the time of other threads.
const THREAD_NICENESS: i32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Or there is no hash.
    Different,
    Same,
    /// With former parameters, or in another form.
    SameButOutdated,
}

type Job = Box<dyn FnOnce() + Send>;

/// Computes and compares hashes; cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    hasher: Arc<Hasher>,
    /// To the hashing threads. While it is full, calls are refused.
    jobs: mpsc::SyncSender<Job>,
    queue: QueueMetrics,
}

struct Hasher {
    argon2: Argon2<'static>,
    /// Compared in place of a missing hash, so that the response takes as long.
    dummy_hash: PasswordHash,
}

impl Passwords {
    /// Starts threads of low priority, one fewer than there are cores but at least one. They end with the last clone.
    ///
    /// # Errors
    /// When the parameters are too weak or too costly, or a thread cannot be started.
    pub fn new(options: &PasswordOptions) -> anyhow::Result<Self> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, options.params()?);
        let dummy_hash = random_hash(argon2.params())?;
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores.saturating_sub(1).max(1) {
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new().name("passwords".to_owned()).spawn(move || run_jobs(&waiting))?;
        }
        Ok(Self { hasher: Arc::new(Hasher { argon2, dummy_hash }), jobs, queue: QueueMetrics::new() })
    }

    /// Hashes a password, in its normal form, under a random salt.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many calls wait.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run_on_thread(move |hasher| {
            let hash: PasswordHash = hasher
                .argon2
                .hash_password(normalization::form(&password).as_bytes())
                .map_err(Error::internal)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Compares a password with a stored hash: in its normal form, then as it was given, because an imported hash may be of
    /// any form. Takes as long if there is none.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many calls wait.
    pub async fn compare(&self, password: String, stored: Option<String>) -> Result<Comparison> {
        self.run_on_thread(move |hasher| {
            let normal = normalization::form(&password);
            let comparison = hasher.compare(normal.as_bytes(), stored.as_deref());
            if comparison != Comparison::Different || normal == password {
                return Ok(comparison);
            }
            Ok(match hasher.compare(password.as_bytes(), stored.as_deref()) {
                Comparison::Same => Comparison::SameButOutdated,
                comparison => comparison,
            })
        })
        .await
    }

    /// The work of a call that was dropped while it waited is skipped.
    async fn run_on_thread<T: Send + 'static>(
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

fn run_jobs(waiting: &Mutex<mpsc::Receiver<Job>>) {
    // Cannot fail: a lower priority needs no permission.
    let _unchanged = rustix::process::nice(THREAD_NICENESS);
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

/// A hash that no password has: random bytes in place of a computed output, which a start would wait for.
fn random_hash(params: &Params) -> anyhow::Result<PasswordHash> {
    let [mut salt, mut output] = [[0; Params::DEFAULT_OUTPUT_LEN]; 2];
    rand::rng().fill_bytes(&mut salt);
    rand::rng().fill_bytes(&mut output);
    let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    let [salt, output] = [salt, output].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    let text = format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}");
    PasswordHash::new(&text).map_err(|error| anyhow::anyhow!("{error}"))
}

impl Hasher {
    fn compare(&self, password: &[u8], stored: Option<&str>) -> Comparison {
        let outcome = stored.and_then(|text| imported::matches(password, text).map(|same| (text, same)));
        match outcome {
            None => {
                let _never_a_match = self.argon2.verify_password(password, &self.dummy_hash);
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

    #[tokio::test]
    async fn a_password_matches_in_every_form_in_which_keyboards_write_it() {
        let passwords = passwords();
        let (composed, decomposed) =
            ("p\u{e4}ssw\u{f6}rter sind lang", "pa\u{308}sswo\u{308}rter\u{3000}sind\u{a0}lang");
        for registered in [composed, decomposed] {
            let hash = passwords.hash(registered.into()).await.unwrap();
            for given in [composed, decomposed] {
                let comparison = passwords.compare(given.into(), Some(hash.clone())).await.unwrap();
                assert_eq!(comparison, Comparison::Same, "{registered:?} {given:?}");
            }
        }
        let imported = passwords.hasher.argon2.hash_password(decomposed.as_bytes()).unwrap().to_string();
        for (given, expected) in
            [(decomposed, Comparison::SameButOutdated), (composed, Comparison::Different)]
        {
            let comparison = passwords.compare(given.into(), Some(imported.clone())).await.unwrap();
            assert_eq!(comparison, expected, "{given:?}");
        }
    }

    #[test]
    fn the_dummy_hash_costs_as_much_as_a_hash() {
        let options = PasswordOptions { password_passes: 3, ..Default::default() };
        let hasher = Passwords::new(&options).unwrap().hasher;
        assert!(hasher.is_current(&hasher.dummy_hash.to_string()));
        let compared = hasher.argon2.verify_password(b"any", &hasher.dummy_hash);
        assert_eq!(compared, Err(argon2::password_hash::Error::PasswordInvalid));
    }

    #[tokio::test]
    async fn nothing_matches_a_missing_password() {
        for stored in [None, Some(NO_PASSWORD.to_owned()), Some(String::new())] {
            let comparison = passwords().compare("!".into(), stored).await.unwrap();
            assert_eq!(comparison, Comparison::Different);
        }
    }

    #[tokio::test]
    async fn a_hash_with_other_parameters_or_of_another_algorithm_matches_and_is_outdated() {
        let former =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8_192, 1, 1, None).unwrap());
        let hash: PasswordHash = former.hash_password(b"correct horse").unwrap();
        let bcrypt = bcrypt::hash("correct horse", 4).unwrap();
        for hash in [hash.to_string(), bcrypt] {
            let comparison = passwords().compare("correct horse".into(), Some(hash)).await.unwrap();
            assert_eq!(comparison, Comparison::SameButOutdated);
        }
    }

    #[tokio::test]
    async fn a_call_is_refused_when_the_queue_is_full() {
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

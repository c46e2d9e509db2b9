//! Hashing of passwords, off the async threads and within bounds of memory and time.
//!
//! Argon2id (RFC 9106) with the parameters of the OWASP Password Storage Cheat Sheet, kept as a PHC string.
//! Passwords are long rather than composed of kinds of characters (NIST SP 800-63B, section 5.1.1).

use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use shared::error::{Error, ErrorReason, Result};
use tokio::sync::Semaphore;

/// Shortest password of a new account, in bytes.
pub const MIN_PASSWORD_BYTES: usize = 10;
/// Longest password, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// The hash of an account without a password: no PHC string, so that nothing matches it.
pub const NO_PASSWORD: &str = "!";

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Fewest hashes made at the same time.
const MIN_CONCURRENCY: usize = 2;
/// Calls that wait for their turn; more are refused at once.
const MAX_WAITING: usize = 64;
/// When a refused call may come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Compared in place of a hash that is not there, so that the answer takes as long. Nothing hashes to it but by
/// chance, and then it still is not taken for a match.
const STAND_IN: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

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

/// Makes and compares hashes; cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    /// Running and waiting calls.
    places: Arc<Semaphore>,
    /// Running calls.
    turns: Arc<Semaphore>,
}

impl Passwords {
    /// As many hashes at the same time as there are cores.
    ///
    /// # Errors
    /// When the parameters are none of Argon2's.
    pub fn new() -> anyhow::Result<Self> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
        let cores = std::thread::available_parallelism().map_or(MIN_CONCURRENCY, usize::from);
        let concurrency = cores.max(MIN_CONCURRENCY);
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            places: Arc::new(Semaphore::new(concurrency + MAX_WAITING)),
            turns: Arc::new(Semaphore::new(concurrency)),
        })
    }

    /// Hashes a password under a random salt.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many calls wait.
    pub async fn hash(&self, password: String) -> Result<String> {
        let argon2 = self.argon2.clone();
        self.in_turn(move || {
            let hash: PasswordHash = argon2.hash_password(password.as_bytes()).map_err(Error::internal)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Compares a password with a stored hash. Where there is none, it takes as long.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many calls wait.
    pub async fn compare(&self, password: String, stored: Option<String>) -> Result<Comparison> {
        let argon2 = self.argon2.clone();
        self.in_turn(move || compare(&argon2, password.as_bytes(), stored.as_deref())).await
    }

    /// The turn ends with the work, even when the call has gone away: that is what bounds the memory.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| OVERLOADED)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        })
        .await
        .map_err(Error::internal)?
    }
}

const OVERLOADED: Error = Error::Exhausted {
    reason: ErrorReason::Overloaded,
    message: "too many sign-ins are waiting; try again shortly",
    retry_after: RETRY_AFTER,
};

fn compare(argon2: &Argon2<'_>, password: &[u8], stored: Option<&str>) -> Result<Comparison> {
    let stored = stored.and_then(|text| PasswordHash::new(text).ok());
    let Some(stored) = stored else {
        let stand_in = PasswordHash::new(STAND_IN).map_err(Error::internal)?;
        let _never_a_match = argon2.verify_password(password, &stand_in);
        return Ok(Comparison::Different);
    };
    Ok(match argon2.verify_password(password, &stored) {
        Err(_) => Comparison::Different,
        Ok(()) if is_outdated(&stored) => Comparison::SameButOutdated,
        Ok(()) => Comparison::Same,
    })
}

fn is_outdated(hash: &PasswordHash) -> bool {
    let current =
        |params: Params| (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES);
    hash.algorithm != Algorithm::Argon2id.ident()
        || hash.version != Some(Version::V0x13.into())
        || !Params::try_from(hash).is_ok_and(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        Passwords::new().unwrap()
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
        assert!(!is_outdated(&PasswordHash::new(STAND_IN).unwrap()));
    }

    #[tokio::test]
    async fn nothing_matches_where_there_is_no_password() {
        for stored in [None, Some(NO_PASSWORD.to_owned()), Some(String::new())] {
            let comparison = passwords().compare("!".into(), stored).await.unwrap();
            assert_eq!(comparison, Comparison::Different);
        }
    }

    #[tokio::test]
    async fn a_hash_under_former_parameters_matches_and_is_outdated() {
        let former =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8_192, 1, 1, None).unwrap());
        let hash: PasswordHash = former.hash_password(b"correct horse").unwrap();
        let comparison = passwords().compare("correct horse".into(), Some(hash.to_string())).await.unwrap();
        assert_eq!(comparison, Comparison::SameButOutdated);
    }

    #[tokio::test]
    async fn a_flood_is_refused_rather_than_queued_without_end() {
        let passwords = passwords();
        let held = passwords.places.clone().acquire_many_owned(MAX_WAITING as u32).await.unwrap();
        let _rest =
            passwords.places.clone().acquire_many_owned(passwords.places.available_permits() as u32).await;
        assert_eq!(passwords.hash("x".into()).await.unwrap_err().reason(), ErrorReason::Overloaded);
        drop(held);
        passwords.hash("x".into()).await.unwrap();
    }
}

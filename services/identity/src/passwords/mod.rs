//! Passwords: how they are hashed, which are refused, and which hashes from elsewhere are taken over.

mod hashing;
mod imported;
mod options;
mod queue;
mod refusals;

use shared::validation::Violations;

pub use hashing::{Comparison, MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES, NO_PASSWORD, Passwords};
pub use imported::check as check_imported_hash;
pub use options::PasswordOptions;
pub use refusals::OwnWords;
use refusals::refuse_weak;

/// Checks a password that is given to prove something: only its length, as it may be older than our rules.
pub fn check_given(v: &mut Violations, field: &str, password: String) -> String {
    check_length(v, field, &password, 1);
    password
}

/// Checks a password that is to be set.
pub fn check_new(v: &mut Violations, field: &str, password: &str, own: &OwnWords) {
    if check_length(v, field, password, MIN_PASSWORD_BYTES) {
        refuse_weak(v, field, password, own);
    }
}

fn check_length(v: &mut Violations, field: &str, password: &str, min: usize) -> bool {
    let is_within = (min..=MAX_PASSWORD_BYTES).contains(&password.len());
    if !is_within {
        v.add(field, format!("must have {min} to {MAX_PASSWORD_BYTES} bytes"));
    }
    is_within
}

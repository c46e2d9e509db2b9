//! Passwords: hashing, rejection of weak ones, import of foreign hashes.

mod hashing;
mod imported;
mod normalization;
mod options;
mod queue;
mod weak_passwords;

use shared::validation::Violations;

pub use hashing::{Comparison, MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES, NO_PASSWORD, Passwords};
pub use imported::check as check_imported_hash;
pub use options::PasswordOptions;
pub use weak_passwords::OwnWords;
use weak_passwords::reject_weak;

/// Checks a present password: only its length, as it may be older than the rules for new ones.
pub fn check_given(v: &mut Violations, field: &str, password: String) -> String {
    check_length(v, field, &password, 1);
    password
}

/// Checks a new password.
pub fn check_new(v: &mut Violations, field: &str, password: &str, own: &OwnWords) {
    if check_length(v, field, password, MIN_PASSWORD_BYTES) {
        reject_weak(v, field, &normalization::form(password), own);
    }
}

fn check_length(v: &mut Violations, field: &str, password: &str, min: usize) -> bool {
    let is_within = (min..=MAX_PASSWORD_BYTES).contains(&password.len());
    if !is_within {
        v.add(field, format!("must have {min} to {MAX_PASSWORD_BYTES} bytes"));
    }
    is_within
}

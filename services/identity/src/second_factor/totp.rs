//! Time-based one-time codes (RFC 6238) as authenticator apps make them: HMAC-SHA-1, six digits, steps of 30 s.

use chrono::{DateTime, Utc};
use rand::RngCore as _;
use shared::error::{Error, Result};
use totp_rs::{Algorithm, Builder, Secret, Totp};

const STEP_SECONDS: u64 = 30;
const DIGITS: u8 = 6;
/// Steps by which the clock of a device may differ (RFC 6238, section 5.2).
const MAX_DRIFT_STEPS: u64 = 1;
/// As long as the hash (RFC 4226, section 4).
const SECRET_BYTES: usize = 20;
/// Shown by apps beside the account.
const ISSUER: &str = "DafnckMachine";

/// A secret shared with an app.
pub struct SharedSecret(Secret);

impl SharedSecret {
    pub fn random() -> Self {
        let mut bytes = [0; SECRET_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        Self(Secret::new(Box::new(bytes)))
    }

    /// # Errors
    /// `INTERNAL` when it is damaged.
    pub fn from_base32(text: &str) -> Result<Self> {
        Secret::try_from_base32(text)
            .map(Self)
            .map_err(|_| Error::internal("a second factor's secret is damaged"))
    }

    /// For typing into an app.
    pub fn to_base32(&self) -> String {
        self.0.to_base32()
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// For a QR code.
    ///
    /// # Errors
    /// `INTERNAL` when the account's name cannot be part of a URI.
    pub fn to_uri(&self, account: &str) -> Result<String> {
        self.totp(account)?.to_url().map_err(|error| Error::internal(error.to_string()))
    }

    /// The time step of a code; `None` if the code is wrong or not later than the last used one. If that one is of a time
    /// still to come, the clock was ahead when it was used: it no longer counts, or its owner would be locked out until
    /// then.
    ///
    /// # Errors
    /// `INTERNAL` when the secret is too short.
    pub fn step_of(&self, code: &str, now: DateTime<Utc>, last_used: i64) -> Result<Option<i64>> {
        let totp = self.totp("")?;
        let current = u64::try_from(now.timestamp()).unwrap_or_default() / STEP_SECONDS;
        let mut steps = current.saturating_sub(MAX_DRIFT_STEPS)..=current + MAX_DRIFT_STEPS;
        let last_used = if is_after(*steps.end(), last_used - 1) { last_used } else { 0 };
        let step =
            steps.find(|step| is_after(*step, last_used) && totp.check(code, step * STEP_SECONDS).is_some());
        Ok(step.and_then(|step| i64::try_from(step).ok()))
    }

    fn totp(&self, account: &str) -> Result<Totp> {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(0)
            .with_step_duration(STEP_SECONDS)
            .with_secret(self.0.clone())
            .with_issuer(Some(ISSUER))
            .with_account_name(account)
            .build()
            .map_err(|error| Error::internal(error.to_string()))
    }
}

fn is_after(step: u64, last_used: i64) -> bool {
    u64::try_from(last_used).map_or(true, |last| step > last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B: the ASCII text `12345678901234567890`.
    const RFC_SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = SharedSecret::from_base32(RFC_SECRET).unwrap();
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.step_of(code, at(seconds), 0).unwrap(), Some(seconds / 30), "{code}");
        }
    }

    #[test]
    fn a_code_is_accepted_one_step_early_or_late_and_never_again() {
        let secret = SharedSecret::from_base32(RFC_SECRET).unwrap();
        let step = 1_111_111_111 / 30;
        let tried = |steps_off: i64, last_used: i64| {
            secret.step_of("050471", at((step + steps_off) * 30), last_used).unwrap()
        };
        assert_eq!(
            [-2, -1, 0, 1, 2].map(|off| tried(off, 0)),
            [None, Some(step), Some(step), Some(step), None]
        );
        assert_eq!([step - 1, step, step + 1].map(|last| tried(0, last)), [Some(step), None, None]);
    }

    #[test]
    fn a_code_that_was_used_while_the_clock_was_ahead_locks_nobody_out() {
        let secret = SharedSecret::from_base32(RFC_SECRET).unwrap();
        let step = 1_111_111_111 / 30;
        let tried = |last_used: i64| secret.step_of("050471", at(1_111_111_111), last_used).unwrap();
        assert_eq!([step + 1, step + 2, step + 120].map(tried), [None, Some(step), Some(step)]);
    }

    #[test]
    fn a_malformed_code_has_no_step() {
        let secret = SharedSecret::random();
        for code in ["", "1", "12345", "1234567", "abcdef", "-12345", "１２３４５６"] {
            assert_eq!(secret.step_of(code, at(1_111_111_111), 0).unwrap(), None, "{code}");
        }
    }

    #[test]
    fn a_secret_survives_base32_and_has_a_uri_for_apps() {
        let secret = SharedSecret::random();
        let text = secret.to_base32();
        assert_eq!(text.len(), 32);
        assert_eq!(SharedSecret::from_base32(&text).unwrap().as_bytes(), secret.as_bytes());
        let uri = secret.to_uri("olga@example.org").unwrap();
        assert!(uri.starts_with("otpauth://totp/DafnckMachine:olga%40example.org?"), "{uri}");
        assert!(uri.contains(&format!("secret={text}")) && uri.contains("issuer=DafnckMachine"), "{uri}");
    }
}

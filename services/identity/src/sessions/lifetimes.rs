//! Lifetimes of sessions, and the number of a user.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

/// How long a rotated refresh token returns the same successors again.
pub const REFRESH_GRACE: TimeDelta = TimeDelta::seconds(30);

/// Lifetimes of sessions, and the number of a user.
#[derive(Args, Clone, Debug)]
pub struct SessionOptions {
    /// Minutes for which a session token works before it must be refreshed
    #[arg(long, env = "DAFNCK_SESSION_MINUTES", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=1_440))]
    pub session_minutes: u32,
    /// Hours for which a device may rest before its user has to sign in again (the life of a refresh token)
    #[arg(long, env = "DAFNCK_SESSION_IDLE_HOURS", default_value_t = 720,
          value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub session_idle_hours: u32,
    /// Days after which a user has to sign in again, however often the session is refreshed
    #[arg(long, env = "DAFNCK_SESSION_ABSOLUTE_DAYS", default_value_t = 90,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub session_absolute_days: u32,
    /// Sessions that a user has at most; when one more begins, the oldest ends
    #[arg(long, env = "DAFNCK_MAX_SESSIONS_PER_USER", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub max_sessions_per_user: u32,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            session_minutes: 60,
            session_idle_hours: 720,
            session_absolute_days: 90,
            max_sessions_per_user: 50,
        }
    }
}

/// The lifetimes of a session's tokens, from a login or a refresh on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpiry {
    pub now: DateTime<Utc>,
    /// Of the session token.
    pub expires_at: DateTime<Utc>,
    /// Of the refresh token.
    pub refresh_expires_at: DateTime<Utc>,
}

impl SessionOptions {
    pub fn begin(&self, now: DateTime<Utc>) -> SessionExpiry {
        self.lease_until(now, now + self.absolute_lifetime())
    }

    /// `None` if the session that began then is over.
    pub fn extend(&self, began: DateTime<Utc>, now: DateTime<Utc>) -> Option<SessionExpiry> {
        let end = began + self.absolute_lifetime();
        (end > now).then(|| self.lease_until(now, end))
    }

    fn lease_until(&self, now: DateTime<Utc>, end: DateTime<Utc>) -> SessionExpiry {
        SessionExpiry {
            now,
            expires_at: end.min(now + self.session_lifetime()),
            refresh_expires_at: end.min(now + self.refresh_lifetime()),
        }
    }

    pub fn session_lifetime(&self) -> TimeDelta {
        TimeDelta::minutes(i64::from(self.session_minutes))
    }

    fn refresh_lifetime(&self) -> TimeDelta {
        TimeDelta::hours(i64::from(self.session_idle_hours))
    }

    pub fn absolute_lifetime(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.session_absolute_days))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: SessionOptions,
    }

    #[test]
    fn the_defaults_in_code_are_those_of_the_command_line() {
        let parsed = Command::try_parse_from(["identity"]).unwrap().options;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", SessionOptions::default()));
    }

    #[test]
    fn no_lease_outlives_the_session() {
        let (options, began) = (SessionOptions::default(), DateTime::UNIX_EPOCH);
        let first = options.begin(began);
        assert_eq!(first.expires_at, began + TimeDelta::hours(1));
        assert_eq!(first.refresh_expires_at, began + TimeDelta::days(30));
        let late = options.extend(began, began + TimeDelta::days(90) - TimeDelta::minutes(1)).unwrap();
        assert_eq!(
            (late.expires_at, late.refresh_expires_at),
            (began + TimeDelta::days(90), began + TimeDelta::days(90))
        );
        assert_eq!(options.extend(began, began + TimeDelta::days(90)), None);
    }
}

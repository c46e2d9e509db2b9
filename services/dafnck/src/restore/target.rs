//! Up to where a database is to be restored.

use std::str::FromStr;

use chrono::{DateTime, Utc};

/// The end of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything that was committed by this moment.
    Time(DateTime<Utc>),
    /// Everything up to a restore point of this name.
    Point(String),
    /// Everything there is.
    Latest,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self::Time(time.to_utc()))
            .map_err(|_| format!("`{text}` is neither `latest` nor a time as 2026-11-25T01:36:40Z"))
    }
}

impl Target {
    /// How Barman is told.
    pub(super) fn arguments(&self) -> Vec<String> {
        match self {
            Self::Time(time) => {
                let time = time.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string();
                vec!["--target-time".to_owned(), time, "--target-action".to_owned(), "promote".to_owned()]
            }
            Self::Point(name) => {
                ["--target-name", name, "--target-action", "promote"].map(str::to_owned).into()
            }
            // With a timeline for a target Barman prepares the same recovery as for the others: from `barman_wal`, and
            // ending with a timeline of its own, so that its WAL is never taken for that of the former database.
            Self::Latest => {
                ["--target-tli", "current", "--target-action", "promote"].map(str::to_owned).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_time_with_its_zone_or_the_end() {
        assert_eq!("latest".parse(), Ok(Target::Latest));
        assert_eq!(Target::Latest.arguments()[1], "current");
        let time: Target = "2026-11-25T02:36:40.5+01:00".parse().unwrap();
        assert_eq!(time.arguments()[1], "2026-11-25 01:36:40.500000+00:00");
        for wrong in ["", "now", "2026-11-25", "2026-11-25T01:36:40"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}

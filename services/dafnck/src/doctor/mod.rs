//! `dafnck doctor`: how the suite is, at a glance, and what to do about it. Changes nothing.
//!
//! Exit code 0: all is well; 1: warnings; 2: something is critical, or could not be looked at.

mod configuration;
mod connections;
mod database;
mod finding;
mod machine;
mod places;
mod sentences;
mod statistics;

use std::process::ExitCode;
use std::time::Duration;

use crate::output;

pub use finding::{DoctorReport, Finding, Level};
pub use places::{BackupLocation, DoctorOptions, Places};

/// Exit codes.
const WARNINGS: u8 = 1;
const CRITICAL: u8 = 2;
/// How long one look may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

/// From when on something is worth a word.
#[derive(Clone, Debug)]
pub struct Thresholds {
    /// Transactions that are open for longer.
    pub long_transaction: Duration,
    /// Indexes of this size that nobody has used, in bytes.
    pub unused_index_bytes: i64,
    /// Dead rows of a table, beside a fifth of its living ones.
    pub dead_rows: i64,
    /// Statements that take longer on average.
    pub slow_statement: Duration,
    /// A follower of a change feed that is behind for longer.
    pub feed_lag: Duration,
    /// Tables that have grown by more, in bytes, and to more than twice their size.
    pub growth_bytes: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            long_transaction: Duration::from_secs(60),
            unused_index_bytes: 16 * 1024 * 1024,
            dead_rows: 50_000,
            slow_statement: Duration::from_millis(500),
            feed_lag: Duration::from_secs(30),
            growth_bytes: 1 << 30,
        }
    }
}

/// Looks, prints what was found, and says how bad it is.
///
/// # Errors
/// When the findings cannot be printed.
pub async fn command(options: &DoctorOptions) -> anyhow::Result<ExitCode> {
    let places = match options.places() {
        Ok(places) => places,
        Err(error) => {
            output::fail(&error, CRITICAL);
            return Ok(ExitCode::from(CRITICAL));
        }
    };
    output::say("looking at the suite…");
    let report = DoctorReport::of(examine(&places, &Thresholds::default()).await);
    output::report(&report)?;
    Ok(match report.level {
        Level::Ok | Level::Note => ExitCode::SUCCESS,
        Level::Warning => ExitCode::from(WARNINGS),
        Level::Critical => ExitCode::from(CRITICAL),
    })
}

/// Everything that was found.
pub async fn examine(places: &Places, thresholds: &Thresholds) -> Vec<Finding> {
    // Whoever is let through to the databases is let through to the rest, too.
    for url in &places.admin_urls {
        shared::database::wait_until_reachable(url).await;
    }
    let mut findings = connections::services(places).await;
    findings.extend(connections::roles(&places.role_urls).await);
    findings.extend(connections::redis(places).await);
    let is_backed_up = matches!(places.backup, BackupLocation::Directory(_));
    for url in &places.admin_urls {
        let look = database::examine(url, thresholds, is_backed_up);
        findings.extend(match tokio::time::timeout(CHECK_TIMEOUT, look).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => vec![unseen(format!("{error:#}"))],
            Err(_) => vec![unseen(format!("no answer within {CHECK_TIMEOUT:?}"))],
        });
    }
    findings.extend(machine::backups(&places.backup));
    findings.extend(places.certificates.iter().map(|path| machine::certificate(path)));
    findings.extend(places.directories.iter().map(|directory| machine::disk(directory)));
    findings
}

fn unseen(why: String) -> Finding {
    Finding::critical(
        "database",
        why,
        "start PostgreSQL, or give --admin-url of a role that may look everywhere",
    )
}

//! What the doctor finds, for the console.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::doctor::{self, DoctorOptions, DoctorReport, Thresholds};

/// For how long a look is shown again: one takes queries of all databases.
const LIFETIME: Duration = Duration::from_secs(5);

/// Looks at the suite on a data directory, once at a time whoever asks.
pub(super) struct Status {
    data_directory: PathBuf,
    last: Mutex<Option<(Instant, Bytes)>>,
}

#[derive(Serialize)]
struct CheckedReport {
    checked_at: DateTime<Utc>,
    #[serde(flatten)]
    report: DoctorReport,
}

impl Status {
    pub(super) fn of(data_directory: PathBuf) -> Self {
        Self { data_directory, last: Mutex::default() }
    }

    /// The doctor's report, with the time of the look.
    ///
    /// # Errors
    /// When the data directory does not tell where to look.
    pub(super) async fn json(&self) -> anyhow::Result<Bytes> {
        let mut last = self.last.lock().await;
        if let Some((seen_at, json)) = &*last
            && seen_at.elapsed() < LIFETIME
        {
            return Ok(json.clone());
        }
        let places = DoctorOptions::of_local_suite(self.data_directory.clone()).places()?;
        let findings = doctor::examine(&places, &Thresholds::default()).await;
        let report = CheckedReport { checked_at: Utc::now(), report: DoctorReport::of(findings) };
        let json = Bytes::from(serde_json::to_vec(&report)?);
        *last = Some((Instant::now(), json.clone()));
        Ok(json)
    }
}

//! What keeps backups going: WAL is fetched as it is written, files are followed, a base backup is made each day and a
//! restore is tried each week. A local suite does this for itself while it runs; a backup server does it for one elsewhere.
//!
//! For a local suite, nothing happens before the first `dafnck backup`. Failures are printed, noted in the status, and tried
//! again; they stop nothing else. A base backup or a drill runs beside the rest, which goes on meanwhile, and ends with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use local_servers::WalReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Job;
use super::elsewhere::Elsewhere;
use super::settings::BackupSettings;
use super::timetable::Timetable;
use crate::output::warn;
use crate::paths::LocalSuite;
use crate::restore::drill;

/// How often the suite looks whether it is to be backed up.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How far files may be behind, and the mark that tells how far WAL is.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// After a failure.
const RETRY_DELAY: Duration = Duration::from_secs(60);
/// What is backed up.
pub enum Suite {
    /// The one that runs on this machine, if its settings say so.
    Local(LocalSuite),
    /// One that runs elsewhere.
    Elsewhere(Elsewhere),
}

/// Who fetches the WAL, and into which backup directory.
struct ActiveReceiver {
    receiver: WalReceiver,
    directory: PathBuf,
}

#[derive(Default)]
struct RunningBackup {
    receiving: Option<ActiveReceiver>,
    /// A base backup or a drill. Whoever drops it ends them.
    beside: JoinSet<()>,
    /// WAL did not go on where it was: the next base backup is due whatever the status says.
    begins_anew: bool,
}

/// Follows until the shutdown. Answers with who still fetches WAL: its end is written when the server stops.
pub async fn follow(suite: Suite, shutdown: CancellationToken) -> Option<WalReceiver> {
    let suite = Arc::new(suite);
    let mut following = RunningBackup::default();
    let mut last_failure: Option<String> = None;
    loop {
        let before = suite.settings().ok();
        let outcome = tokio::select! {
            () = shutdown.cancelled() => break,
            outcome = following.follow_once(&suite) => outcome,
        };
        let failure = outcome.err().map(|error| format!("the backup does not follow: {error:#}"));
        // At the terminal once, not each minute.
        if let Some(sentence) = &failure
            && last_failure.as_ref() != Some(sentence)
        {
            warn(sentence);
        }
        last_failure = failure;
        let delay = if last_failure.is_some() { RETRY_DELAY } else { FOLLOW_INTERVAL };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = suite.settings_change(&before, delay) => {}
            // The next thing may be due.
            Some(_) = following.beside.join_next(), if last_failure.is_none() => {}
        }
    }
    following.receiving.map(|receiving| receiving.receiver)
}

impl Suite {
    /// `None` if it is not backed up.
    fn settings(&self) -> anyhow::Result<Option<BackupSettings>> {
        match self {
            Self::Local(place) => BackupSettings::read(&place.data_directory),
            Self::Elsewhere(elsewhere) => Ok(Some(elsewhere.settings())),
        }
    }

    /// Returns after this time, and at once when the backup is turned on or off or goes elsewhere than before.
    async fn settings_change(&self, before: &Option<Option<BackupSettings>>, delay: Duration) {
        let until = Instant::now() + delay;
        while Instant::now() < until && self.settings().ok() == *before {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn open(&self, settings: BackupSettings) -> anyhow::Result<Job> {
        match self {
            Self::Local(place) => Job::open_local(place, settings).await,
            Self::Elsewhere(elsewhere) => elsewhere.open(settings).await,
        }
    }

    fn timetable(&self) -> Timetable {
        match self {
            Self::Local(_) => Timetable::Every,
            Self::Elsewhere(elsewhere) => elsewhere.timetable(),
        }
    }

    async fn try_restore(&self, job: &Job) -> anyhow::Result<()> {
        match self {
            Self::Local(place) => drill::run(&job.server, place).await.map(drop),
            Self::Elsewhere(elsewhere) => {
                drill::note(&job.server.directory, elsewhere.try_restore()).await.map(drop)
            }
        }
    }
}

impl RunningBackup {
    async fn follow_once(&mut self, suite: &Arc<Suite>) -> anyhow::Result<()> {
        let Some(settings) = suite.settings()? else {
            if let Some(former) = self.receiving.take() {
                former.receiver.end(Duration::ZERO).await?;
            }
            return Ok(());
        };
        let job = Arc::new(suite.open(settings).await?);
        self.begins_anew |= job.server.ensure_slot().await?;
        receive_into(&job, &mut self.receiving).await?;
        while self.beside.try_join_next().is_some() {}
        if self.beside.is_empty() {
            self.begin_what_is_due(suite, &job)?;
        }
        job.catch_up(false).await?;
        // A base backup that is being made is followed by the mirror.
        if let Some(_lock) = job.server.directory.try_lock_base_backups()? {
            job.copy_to_mirror().await?;
        }
        Ok(())
    }

    fn begin_what_is_due(&mut self, suite: &Arc<Suite>, job: &Arc<Job>) -> anyhow::Result<()> {
        let due = suite.timetable().due_now(job)?;
        let (suite, job) = (suite.clone(), job.clone());
        if self.begins_anew || due.backup {
            let is_due_anyway = std::mem::take(&mut self.begins_anew);
            self.beside.spawn(async move {
                if let Err(error) = back_up(&suite, &job, is_due_anyway).await {
                    warn(&format!("the base backup has failed: {error:#}"));
                }
            });
        } else if due.drill {
            self.beside.spawn(async move {
                if let Err(error) = suite.try_restore(&job).await {
                    warn(&format!("the backup could not be restored: {error:#}"));
                }
            });
        }
        Ok(())
    }
}

/// Sees to it that the WAL is fetched, and into the directory of these settings.
async fn receive_into(job: &Job, receiving: &mut Option<ActiveReceiver>) -> anyhow::Result<()> {
    let directory = &job.settings.directory;
    if let Some(mut former) = receiving.take() {
        if former.receiver.check().is_ok() {
            if former.directory == *directory {
                *receiving = Some(former);
                return Ok(());
            }
            former.receiver.end(Duration::ZERO).await?;
        }
        // PostgreSQL lets nobody else fetch before it has noticed the end.
        job.server.wait_until_not_received().await?;
    }
    let receiver = job.server.receive().await?;
    *receiving = Some(ActiveReceiver { receiver, directory: directory.clone() });
    Ok(())
}

/// Makes a base backup, unless it is no longer due after another run has ended.
async fn back_up(suite: &Suite, job: &Job, is_due_anyway: bool) -> anyhow::Result<()> {
    let _lock = job.server.directory.lock_base_backups().await?;
    if is_due_anyway || suite.timetable().due_now(job)?.backup {
        job.back_up().await?;
    }
    Ok(())
}

//! A PostgreSQL server and Barman, which backs it up: the configuration of the one for the other.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use local_servers::{Barman, WalReceiver, own_user_name, run_tool};

use super::catalog::{self, BaseBackup, DatabaseIncarnation};
use super::directory::{BackupDirectory, SERVER};
use super::origin::{ConnectionWords, Origin};
use crate::output::{say, warn};
use crate::private_file::write_private;

const CONFIGURATION: &str = include_str!("barman.conf");
/// How long a base backup may take, and checking it.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(12 * 60 * 60);
const CALL_TIMEOUT: Duration = Duration::from_secs(600);
/// How long WAL may take from the server to the backup: Barman's receiver tells of its progress every 10 s.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const SLOT: &str = "barman";

/// A suite's database and its place in a backup directory.
pub struct BackupServer {
    /// The directory.
    pub directory: BackupDirectory,
    /// The database.
    pub origin: Origin,
    barman: Barman,
}

#[derive(QueryableByName)]
struct Slot {
    /// The process that sends to whoever fetches.
    #[diesel(sql_type = Nullable<Integer>)]
    active_pid: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    wal_status: Option<String>,
}

#[derive(QueryableByName)]
struct IncarnationRow {
    #[diesel(sql_type = Text)]
    system: String,
    #[diesel(sql_type = Integer)]
    timeline: i32,
}

#[derive(QueryableByName)]
struct Mark {
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    position: i64,
}

#[derive(QueryableByName)]
struct ReceivedRow {
    #[diesel(sql_type = Bool)]
    received: bool,
}

/// Which Barman is called.
#[derive(Clone, Copy)]
pub enum BarmanSource<'a> {
    /// A private copy in this directory, which is fetched if it is missing.
    Cache(&'a Path),
    /// The installed one.
    Installed,
}

/// Writes how Barman is to be called, and answers with it. `work` takes the configuration, locks and Barman's own log.
///
/// # Errors
/// When a file cannot be written or Barman cannot be fetched.
pub async fn barman(
    directory: &BackupDirectory,
    work: &Path,
    origin: Option<&Origin>,
    programs: &Path,
    source: BarmanSource<'_>,
) -> anyhow::Result<Barman> {
    let text = |path: &Path| path.to_str().map(str::to_owned).context("the path is not UTF-8");
    let words = origin.map_or_else(|| Ok(ConnectionWords::default()), Origin::connection_words)?;
    write_private(&work.join("barman.passfile"), words.passfile.as_bytes())?;
    let configuration = CONFIGURATION
        .replace("{user}", &own_user_name().await?)
        .replace("{home}", &text(&directory.barman_home())?)
        .replace("{work}", &text(work)?)
        .replace("{address}", &words.address)
        .replace("{database}", &words.database)
        .replace("{programs}", &text(programs)?);
    let path = work.join("barman.conf");
    write_private(&path, configuration.as_bytes())?;
    match source {
        BarmanSource::Cache(cache) => Barman::find_or_install(cache, &path, say).await,
        BarmanSource::Installed => Ok(Barman::installed(&path)),
    }
}

impl BackupServer {
    /// This server, backed up into this directory.
    ///
    /// # Errors
    /// When it does not answer, or Barman cannot be fetched.
    pub async fn open(
        directory: BackupDirectory,
        origin: Origin,
        source: BarmanSource<'_>,
    ) -> anyhow::Result<Self> {
        let barman = barman(&directory, directory.root(), Some(&origin), &origin.programs, source).await?;
        let server = Self { directory, origin, barman };
        server.refuse_other_incarnation().await?;
        Ok(server)
    }

    /// WAL of one incarnation cannot continue that of another.
    async fn refuse_other_incarnation(&self) -> anyhow::Result<()> {
        let Some(newest) = catalog::base_backups(&self.directory)?.pop() else { return Ok(()) };
        let now: IncarnationRow = sql_query(
            "SELECT system_identifier::text AS system, \
             ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline \
             FROM pg_control_system()",
        )
        .get_result(&mut self.origin.connect().await?)
        .await?;
        if newest.incarnation != (DatabaseIncarnation { system: now.system, timeline: now.timeline }) {
            bail!(
                "{} holds the backup of another suite, or of this one before it was restored: give a new \
                 --backup-directory, and keep that one for as long as you may need it",
                self.directory.root().display()
            );
        }
        Ok(())
    }

    /// Sees to it that the server keeps WAL until it is fetched. True if it has not been so until now.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn ensure_slot(&self) -> anyhow::Result<bool> {
        let slot = self.slot().await?;
        if slot.as_ref().is_some_and(|slot| slot.wal_status.as_deref() == Some("lost")) {
            warn("WAL was not fetched for too long and is gone: the backup begins again");
            self.drop_slot().await?;
        } else if slot.is_some() {
            return Ok(false);
        }
        self.barman.call(&["receive-wal", "--create-slot", SERVER], CALL_TIMEOUT).await?;
        Ok(true)
    }

    /// Lets the server forget WAL that is not fetched.
    ///
    /// # Errors
    /// When the server does not answer, or somebody still fetches.
    pub async fn drop_slot(&self) -> anyhow::Result<()> {
        let drop = sql_query(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
        );
        drop.bind::<Text, _>(SLOT).execute(&mut self.origin.connect().await?).await?;
        Ok(())
    }

    async fn slot(&self) -> anyhow::Result<Option<Slot>> {
        let found = sql_query("SELECT active_pid, wal_status FROM pg_replication_slots WHERE slot_name = $1");
        Ok(found.bind::<Text, _>(SLOT).get_result(&mut self.origin.connect().await?).await.optional()?)
    }

    /// The process of the server that sends the WAL, if somebody fetches it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn receiver(&self) -> anyhow::Result<Option<i32>> {
        Ok(self.slot().await?.and_then(|slot| slot.active_pid))
    }

    /// Fetches WAL as it is written, until this is ended.
    ///
    /// # Errors
    /// When the server does not answer, or WAL does not arrive.
    pub async fn receive(&self) -> anyhow::Result<WalReceiver> {
        let mut receiver = self.barman.receive_wal(SERVER)?;
        while self.receiver().await?.is_none() {
            receiver.check()?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(receiver)
    }

    /// Waits until nobody fetches the WAL.
    ///
    /// # Errors
    /// When somebody still does.
    pub async fn wait_until_not_received(&self) -> anyhow::Result<()> {
        self.wait_for_receiver("still fetches its WAL", |receiver| receiver.is_none()).await
    }

    /// Waits until the WAL is fetched, by another process than this one.
    ///
    /// # Errors
    /// When nobody comes to fetch it.
    pub async fn wait_until_received_by_other(&self, former: Option<i32>) -> anyhow::Result<()> {
        let is_other = |receiver: Option<i32>| receiver.is_some() && receiver != former;
        self.wait_for_receiver("does not fetch its WAL into this directory", is_other).await
    }

    async fn wait_for_receiver(
        &self,
        otherwise: &str,
        is_wanted: impl Fn(Option<i32>) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + RECEIVE_TIMEOUT;
        while !is_wanted(self.receiver().await?) {
            anyhow::ensure!(Instant::now() < deadline, "the suite {otherwise}; its terminal says why");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// A base backup, with WAL that it needs; checked byte by byte. WAL arrives.
    ///
    /// # Errors
    /// When it did not come about or is damaged. Earlier ones are as they were.
    pub async fn base_backup(&self) -> anyhow::Result<BaseBackup> {
        self.barman.call(&["backup", "--wait", SERVER], BACKUP_TIMEOUT).await.context("no base backup")?;
        let newest = catalog::base_backups(&self.directory)?.pop().context("there is no base backup")?;
        verify(&self.directory, &newest, &self.origin.programs).await?;
        Ok(newest)
    }

    /// Waits until WAL arrives: Barman begins with no base backup before it has seen that. The directory is locked.
    ///
    /// # Errors
    /// When it does not arrive.
    pub async fn wait_for_wal(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + RECEIVE_TIMEOUT;
        while catalog::has_no_wal(&self.directory)? {
            self.mark(true).await?;
            self.archive().await?;
            anyhow::ensure!(Instant::now() < deadline, "WAL does not arrive in the backup");
        }
        Ok(())
    }

    /// Takes finished WAL segments over.
    ///
    /// # Errors
    /// When Barman fails.
    pub async fn archive(&self) -> anyhow::Result<()> {
        self.barman.call(&["archive-wal", SERVER], CALL_TIMEOUT).await?;
        catalog::record_wal(&self.directory)
    }

    /// Removes base backups, and log, that no moment of the window needs.
    ///
    /// # Errors
    /// When Barman fails.
    pub async fn prune(&self) -> anyhow::Result<()> {
        self.barman.call(&["cron"], CALL_TIMEOUT).await?;
        catalog::record_wal(&self.directory)
    }

    /// Writes a mark into WAL, which tells later how far it can be replayed, and waits until it is in the backup.
    /// Everything that was committed by the time that this answers with is then there. With `finish` the piece of the
    /// log ends with the mark, so that the receiver does not wait to tell.
    ///
    /// # Errors
    /// When WAL does not arrive.
    pub async fn mark(&self, finish: bool) -> anyhow::Result<DateTime<Utc>> {
        let mut conn = self.origin.connect().await?;
        let mark: Mark = sql_query(
            "SELECT clock_timestamp() AS at, \
             (pg_logical_emit_message(true, 'dafnck', 'backup') - '0/0'::pg_lsn)::bigint AS position",
        )
        .get_result(&mut conn)
        .await?;
        if finish {
            sql_query("SELECT pg_switch_wal()").execute(&mut conn).await?;
        }
        let deadline = Instant::now() + RECEIVE_TIMEOUT;
        // The commit is behind the message.
        let question = "SELECT coalesce(bool_or((write_lsn - '0/0'::pg_lsn)::bigint > $1), false) AS received \
            FROM pg_stat_replication WHERE application_name = 'barman_receive_wal'";
        loop {
            let answer: ReceivedRow =
                sql_query(question).bind::<BigInt, _>(mark.position).get_result(&mut conn).await?;
            if answer.received {
                return Ok(mark.at);
            }
            anyhow::ensure!(Instant::now() < deadline, "WAL does not arrive in the backup");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Compares a base backup with the hashes that PostgreSQL made of it.
///
/// # Errors
/// What is damaged.
pub async fn verify(directory: &BackupDirectory, backup: &BaseBackup, programs: &Path) -> anyhow::Result<()> {
    let data = directory.server().join("base").join(&backup.id).join("data");
    let data = data.to_str().context("the path is not UTF-8")?;
    // WAL is not beside the data but in Barman's own place.
    let checked = run_tool(&programs.join("pg_verifybackup"), &["-n", "-q", data], BACKUP_TIMEOUT).await;
    checked.map(drop).with_context(|| format!("the base backup {} is damaged", backup.id))
}

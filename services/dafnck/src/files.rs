//! `dafnck files`: copies of attachments for a suite whose databases are backed up by other means (Barman,
//! CloudNativePG), in a directory or a bucket at a second place.
//!
//! Promises: an object that was in the store at the last `sync` is among the copies for as long as a database of the last
//! days may refer to it; each copy is compared by hash whenever it is read. One `sync` works in a directory at a time; of two in a
//! bucket, the second to end takes over what the first has written, and begins again.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use content::storage::Storage;
use content::storage::{BucketOptions, FileLimits, StorageOptions};
use serde::Serialize;
use shared::config::Secret;

use crate::administration::with_service;
use crate::backup::copies::{ConcurrentRunError, Copies, CopyReader};
use crate::backup::directory::lock;
use crate::backup::files::{self, SyncReport};
use crate::output::{self, say, warn};
use crate::paths::refuse_nested;
use crate::restore::files::{Files, FilesReport};
use crate::restore::refuse_damage;

/// What `--help` says about the whole.
pub const HELP: &str = "\
Run `sync` every few minutes: files stored since the last run have no copy. After
the databases were restored, `restore` puts back what that of content refers to.";

/// How often `sync` begins again because of other runs.
const MAX_ATTEMPTS: usize = 5;

/// What to do.
#[derive(Args, Clone, Debug)]
pub struct FilesOptions {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Copy what is new, copy again what is missing or was found damaged by `check`, and remove copies of what has been gone from the store for long
    Sync(SyncOptions),
    /// Put everything back into the store that a restored database refers to
    Restore(RestoreFilesOptions),
    /// Compare each copy with its hash, and if a database is named, also with what it refers to
    Check(CheckOptions),
}

#[derive(Args, Clone, Debug)]
struct SyncOptions {
    /// The store.
    #[command(flatten)]
    store: StoreOptions,
    /// The copies.
    #[command(flatten)]
    copies: CopyOptions,
    /// Days for which a copy is kept after its object has gone: more than backups of the database reach back
    #[arg(long, env = "DAFNCK_KEEP_DAYS", default_value_t = 31, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    retention_days: u16,
}

#[derive(Args, Clone, Debug)]
struct RestoreFilesOptions {
    /// The store.
    #[command(flatten)]
    store: StoreOptions,
    /// The copies.
    #[command(flatten)]
    copies: CopyOptions,
    /// PostgreSQL URL of a superuser or a member of dafnck_owner to the restored database; `{service}` stands for content
    #[arg(long, env = "DAFNCK_ADMIN_URL", hide_env_values = true)]
    admin_url: Secret,
}

#[derive(Args, Clone, Debug)]
struct CheckOptions {
    /// The copies.
    #[command(flatten)]
    copies: CopyOptions,
    /// PostgreSQL URL of a superuser or a member of dafnck_owner; `{service}` stands for content. What it refers to and
    /// was stored since the last `sync` is not missed. Default: not set, the copies are compared with their hashes alone
    #[arg(long, env = "DAFNCK_ADMIN_URL", hide_env_values = true)]
    admin_url: Option<Secret>,
    /// Hours after which the last `sync` is too old
    #[arg(long, env = "DAFNCK_AT_MOST_HOURS", default_value_t = 26, value_parser = clap::value_parser!(u16).range(1..=8_760))]
    at_most_hours: u16,
}

/// The store that the content service keeps files in.
#[derive(Args, Clone, Debug)]
struct StoreOptions {
    /// Directory in which the content service keeps files. Not used with --storage-url
    #[arg(long, env = "DAFNCK_STORAGE_DIRECTORY", default_value = ".local/files")]
    storage_directory: PathBuf,
    /// S3 or a compatible store.
    #[command(flatten)]
    bucket: BucketOptions,
}

/// Where the copies are: a directory or a bucket.
#[derive(Args, Clone, Debug)]
struct CopyOptions {
    /// Directory of the copies, on another disk; created if missing. This or --copy-url
    #[arg(
        long,
        env = "DAFNCK_COPY_DIRECTORY",
        required_unless_present = "copy_url",
        conflicts_with = "copy_url"
    )]
    copy_directory: Option<PathBuf>,
    /// Bucket of the copies, and what the names in it begin with, as `s3://bucket/prefix`
    #[arg(long, env = "DAFNCK_COPY_URL")]
    copy_url: Option<String>,
    /// URL of a store of the copies that is compatible with S3. Default: that of AWS
    #[arg(long, env = "DAFNCK_COPY_ENDPOINT", requires = "copy_url")]
    copy_endpoint: Option<String>,
    /// Region of the bucket of the copies. Default: AWS_REGION, else us-east-1
    #[arg(long, env = "DAFNCK_COPY_REGION", requires = "copy_url")]
    copy_region: Option<String>,
    /// Key id of the account for the copies. Default: as AWS tools find it
    #[arg(long, env = "DAFNCK_COPY_ACCESS_KEY_ID", requires = "copy_url")]
    copy_access_key_id: Option<String>,
    /// Secret key of that account
    #[arg(long, env = "DAFNCK_COPY_SECRET_ACCESS_KEY", requires = "copy_url", hide_env_values = true)]
    copy_secret_access_key: Option<Secret>,
}

/// Does what the options say and prints what was done.
///
/// # Errors
/// When it does not come about, or copies are missing or damaged.
pub async fn command(options: &FilesOptions) -> anyhow::Result<()> {
    match &options.action {
        Action::Sync(options) => sync(options).await,
        Action::Restore(options) => restore(options).await,
        Action::Check(options) => check(options).await,
    }
}

async fn sync(options: &SyncOptions) -> anyhow::Result<()> {
    let storage = options.store.open()?;
    let _lock = match &options.copies.copy_directory {
        Some(directory) => {
            if options.store.bucket.storage_url.is_none() {
                let store = ("the storage directory", options.store.storage_directory.as_path());
                refuse_nested(("the directory of the copies", directory), store)?;
            }
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
            Some(lock(directory).await?)
        }
        None => None,
    };
    say("copying what is new…");
    let mut times = 1;
    let (kept, removed) = loop {
        match sync_once(options, &storage).await {
            Err(error) if error.is::<ConcurrentRunError>() && times < MAX_ATTEMPTS => times += 1,
            outcome => break outcome?,
        }
    };
    let SyncReport { total, copied, copied_bytes, repaired, lost } = kept;
    for path in &repaired {
        warn(&format!("the copy of {path} was missing or damaged and is made again"));
    }
    for path in &lost {
        warn(&format!(
            "the copy of {path} is missing or damaged, and so is the object: it cannot be made again"
        ));
    }
    output::report(&CopyReport { copies: total - removed, copied, copied_bytes, repaired, lost, removed })
}

/// What became of the copies.
#[derive(Serialize)]
struct CopyReport {
    copies: usize,
    copied: usize,
    copied_bytes: u64,
    repaired: Vec<String>,
    lost: BTreeSet<String>,
    removed: usize,
}

impl fmt::Display for CopyReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { copies, copied, copied_bytes, repaired, removed, .. } = self;
        let repaired = repaired.len();
        writeln!(
            out,
            "{copies} copies; {copied} new with {copied_bytes} bytes, {repaired} repaired, {removed} removed"
        )
    }
}

/// What was copied, and how many copies were removed.
async fn sync_once(options: &SyncOptions, storage: &Storage) -> anyhow::Result<(SyncReport, usize)> {
    let mut copies = options.copies.write().await?;
    let now = Utc::now();
    let kept = files::sync(storage, &mut copies, now).await?;
    let removed = files::prune(&mut copies, now - TimeDelta::days(options.retention_days.into())).await?;
    copies.set_synced_at(now).await?;
    Ok((kept, removed))
}

async fn restore(options: &RestoreFilesOptions) -> anyhow::Result<()> {
    let storage = options.store.open()?;
    let copies = options.copies.read().await?;
    let mut conn = connect(&options.admin_url).await?;
    say("putting the files back…");
    let FilesReport { objects, bytes, damage, .. } =
        Files::new(&copies, Some(&storage)).restore(&mut conn).await?;
    let restored = RestoreReport { objects, bytes, damage };
    output::report(&restored)?;
    refuse_damage(&restored.damage)
}

/// What was put back.
#[derive(Serialize)]
struct RestoreReport {
    objects: usize,
    bytes: u64,
    damage: Vec<String>,
}

impl fmt::Display for RestoreReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "restored {} objects with {} bytes", self.objects, self.bytes)
    }
}

async fn check(options: &CheckOptions) -> anyhow::Result<()> {
    let copies = options.copies.read().await?;
    let (mut damage, mut damaged) = (Vec::new(), BTreeSet::new());
    say("reading the copies…");
    for path in copies.entries.keys() {
        if let Err(error) = copies.read(path).await {
            damage.push(format!("{error:#}"));
            damaged.insert(path.clone());
        }
    }
    if !damaged.is_empty()
        && let Err(error) = copies.note_damaged(damaged).await
    {
        warn(&format!("the next `sync` does not know of the damage: {error:#}"));
    }
    let mut referred = None;
    if let Some(url) = &options.admin_url {
        let report = Files::new(&copies, None).restore(&mut connect(url).await?).await?;
        damage.extend(report.damage);
        let FilesReport { objects, bytes, too_young, .. } = report;
        referred = Some(ReferenceReport { objects, bytes, too_young });
    }
    damage.sort();
    damage.dedup();
    let checked = CheckReport { copies: copies.entries.len(), synced_at: copies.synced_at, referred, damage };
    output::report(&checked)?;
    let damage = &checked.damage;
    ensure!(damage.is_empty(), "not all copies are as they should be:\n  {}", damage.join("\n  "));
    let limit = TimeDelta::hours(options.at_most_hours.into());
    match copies.synced_at {
        Some(at) if Utc::now() - at <= limit => Ok(()),
        Some(_) => bail!("nothing has been copied for more than {} hours", options.at_most_hours),
        None => bail!("nothing has ever been copied to the end"),
    }
}

/// How the copies are.
#[derive(Serialize)]
struct CheckReport {
    copies: usize,
    synced_at: Option<DateTime<Utc>>,
    /// Of the database, if one is named.
    referred: Option<ReferenceReport>,
    damage: Vec<String>,
}

#[derive(Serialize)]
struct ReferenceReport {
    objects: usize,
    bytes: u64,
    /// Stored since the last `sync`.
    too_young: usize,
}

impl fmt::Display for CheckReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let synced_at = self.synced_at.map_or("no time".into(), |at| at.to_rfc3339());
        writeln!(out, "{} copies, synced at {synced_at}", self.copies)?;
        let Some(ReferenceReport { objects, bytes, too_young }) = &self.referred else { return Ok(()) };
        let objects = format!("{objects} objects with {bytes} bytes");
        writeln!(out, "{objects} are referred to, {too_young} are younger than that")
    }
}

async fn connect(admin_url: &Secret) -> anyhow::Result<diesel_async::AsyncPgConnection> {
    shared::database::connect(&with_service(admin_url, content::NAME)).await
}

impl StoreOptions {
    fn open(&self) -> anyhow::Result<Storage> {
        let directory = &self.storage_directory;
        let is_there = self.bucket.storage_url.is_some() || directory.is_dir();
        ensure!(
            is_there,
            "there is no directory {}: give --storage-directory or --storage-url",
            directory.display()
        );
        Storage::open(&StorageOptions {
            storage_directory: directory.clone(),
            bucket: self.bucket.clone(),
            limits: FileLimits::default(),
        })
    }
}

impl CopyOptions {
    async fn write(&self) -> anyhow::Result<Copies> {
        match self.directory() {
            Some(directory) => Copies::in_directory(directory),
            None => Copies::in_bucket(&self.bucket()).await,
        }
    }

    async fn read(&self) -> anyhow::Result<CopyReader> {
        match self.directory() {
            Some(directory) => CopyReader::in_directory(directory).await,
            None => CopyReader::in_bucket(&self.bucket()).await,
        }
    }

    fn directory(&self) -> Option<&Path> {
        self.copy_directory.as_deref()
    }

    fn bucket(&self) -> BucketOptions {
        BucketOptions {
            storage_url: self.copy_url.clone(),
            storage_endpoint: self.copy_endpoint.clone(),
            storage_region: self.copy_region.clone(),
            storage_access_key_id: self.copy_access_key_id.clone(),
            storage_secret_access_key: self.copy_secret_access_key.clone(),
        }
    }
}

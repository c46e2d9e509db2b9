//! Puts the files back that a restored database refers to, and compares every one with what the database knows of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use content::storage::Storage;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::backup::folder::BackupFolder;
use crate::backup::ledger::{Entry, Ledger};

/// Files, or parts of unfinished uploads, that are looked up at once.
const BATCH: i64 = 500;

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesReport {
    /// Objects put back, and their bytes.
    pub objects: usize,
    /// See `objects`.
    pub bytes: u64,
    /// What is missing or damaged, a sentence each.
    pub damage: Vec<String>,
}

#[derive(QueryableByName)]
struct Blob {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    sha256: String,
    #[diesel(sql_type = BigInt)]
    size: i64,
}

#[derive(QueryableByName)]
struct Part {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    blob_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    path: String,
    #[diesel(sql_type = BigInt)]
    size: i64,
}

/// Where files come from and go to, and what became of them.
pub(super) struct Files<'a> {
    folder: &'a BackupFolder,
    kept: BTreeMap<String, Entry>,
    storage: &'a Storage,
    report: FilesReport,
}

impl<'a> Files<'a> {
    pub(super) fn new(folder: &'a BackupFolder, storage: &'a Storage) -> anyhow::Result<Self> {
        let kept = Ledger::read(&folder.files_ledger())?;
        Ok(Self { folder, kept, storage, report: FilesReport::default() })
    }

    /// Puts everything back that this database refers to.
    pub(super) async fn restore(mut self, conn: &mut AsyncPgConnection) -> anyhow::Result<FilesReport> {
        let mut after = Uuid::nil();
        loop {
            let blobs: Vec<Blob> = sql_query(
                "SELECT id, sha256::text AS sha256, size FROM content.blobs WHERE id > $1 ORDER BY id LIMIT $2",
            )
            .bind::<SqlUuid, _>(after)
            .bind::<BigInt, _>(BATCH)
            .load(conn)
            .await?;
            let Some(last) = blobs.last() else { break };
            after = last.id;
            self.restore_blobs(conn, &blobs).await?;
        }
        self.restore_uploads(conn).await?;
        Ok(self.report)
    }

    async fn restore_blobs(&mut self, conn: &mut AsyncPgConnection, blobs: &[Blob]) -> anyhow::Result<()> {
        let ids: Vec<Uuid> = blobs.iter().map(|blob| blob.id).collect();
        let parts: Vec<Part> = sql_query(
            "SELECT id, blob_id, path, size FROM content.stored_parts WHERE blob_id = ANY ($1) \
             ORDER BY blob_id, position",
        )
        .bind::<Array<SqlUuid>, _>(ids)
        .load(conn)
        .await?;
        for blob in blobs {
            let (mut hash, mut size) = (Sha256::new(), 0);
            for part in parts.iter().filter(|part| part.blob_id == Some(blob.id)) {
                if let Some(bytes) = self.restore_part(part).await? {
                    size += bytes.len();
                    hash.update(&bytes);
                }
            }
            let sha256 = hex::encode(hash.finalize());
            if sha256 != blob.sha256 || i64::try_from(size).ok() != Some(blob.size) {
                self.report.damage.push(format!("the file {} is not whole", blob.id));
            }
        }
        Ok(())
    }

    /// What has arrived of uploads on their way goes on from there.
    async fn restore_uploads(&mut self, conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
        let mut after = Uuid::nil();
        loop {
            let parts: Vec<Part> = sql_query(
                "SELECT id, blob_id, path, size FROM content.stored_parts \
                 WHERE upload_id IS NOT NULL AND state = 'stored' AND id > $1 ORDER BY id LIMIT $2",
            )
            .bind::<SqlUuid, _>(after)
            .bind::<BigInt, _>(BATCH)
            .load(conn)
            .await?;
            let Some(last) = parts.last() else { return Ok(()) };
            after = last.id;
            for part in &parts {
                self.restore_part(part).await?;
            }
        }
    }

    /// The bytes of the part, if they are those that were backed up.
    async fn restore_part(&mut self, part: &Part) -> anyhow::Result<Option<Vec<u8>>> {
        let bytes = match self.read(part) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.report.damage.push(format!("{error:#}"));
                return Ok(None);
            }
        };
        self.storage.put(&part.path, bytes.clone()).await.with_context(|| part.path.clone())?;
        self.report.objects += 1;
        self.report.bytes += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(Some(bytes))
    }

    fn read(&self, part: &Part) -> anyhow::Result<Vec<u8>> {
        let entry = self.kept.get(&part.path);
        let entry = entry.with_context(|| format!("the object {} is not in the backup", part.path))?;
        let path: &Path = &self.folder.files().join(&part.path);
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let is_whole = u64::try_from(part.size).ok() == Some(entry.size)
            && hex::encode(Sha256::digest(&bytes)) == entry.sha256;
        anyhow::ensure!(is_whole, "{} is damaged", path.display());
        Ok(bytes)
    }
}

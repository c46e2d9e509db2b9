//! Puts the files back that a restored database refers to, and compares every one with what the database knows of it.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use content::storage::Storage;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::backup::copies::CopyReader;

/// Files, or parts of unfinished uploads, that are looked up at once.
const BATCH: i64 = 500;

/// How far the clocks of the database and of who makes copies may be apart.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(1);

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FilesReport {
    /// Objects put back, and their bytes.
    pub objects: usize,
    /// See `objects`.
    pub bytes: u64,
    /// What was stored since copies were last made, and is not missed where nothing is to be put back.
    pub too_young: usize,
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
    #[diesel(sql_type = Timestamptz)]
    changed_at: DateTime<Utc>,
}

/// Where files come from and go to, and what became of them.
pub(crate) struct Files<'a> {
    copies: &'a CopyReader,
    /// Nowhere, if they are only to be compared.
    to: Option<&'a Storage>,
    report: FilesReport,
}

impl<'a> Files<'a> {
    pub(crate) fn new(copies: &'a CopyReader, to: Option<&'a Storage>) -> Self {
        Self { copies, to, report: FilesReport::default() }
    }

    /// Puts everything back that this database refers to.
    pub(crate) async fn restore(mut self, conn: &mut AsyncPgConnection) -> anyhow::Result<FilesReport> {
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
            "SELECT id, blob_id, path, size, changed_at FROM content.stored_parts WHERE blob_id = ANY ($1) \
             ORDER BY blob_id, position",
        )
        .bind::<Array<SqlUuid>, _>(ids)
        .load(conn)
        .await?;
        for blob in blobs {
            let parts = || parts.iter().filter(|part| part.blob_id == Some(blob.id));
            if parts().any(|part| self.is_too_young(part)) {
                self.report.too_young += 1;
                continue;
            }
            let (mut hash, mut size) = (Sha256::new(), 0);
            for part in parts() {
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
                "SELECT id, blob_id, path, size, changed_at FROM content.stored_parts \
                 WHERE upload_id IS NOT NULL AND state = 'stored' AND id > $1 ORDER BY id LIMIT $2",
            )
            .bind::<SqlUuid, _>(after)
            .bind::<BigInt, _>(BATCH)
            .load(conn)
            .await?;
            let Some(last) = parts.last() else { return Ok(()) };
            after = last.id;
            for part in &parts {
                if self.is_too_young(part) {
                    self.report.too_young += 1;
                } else {
                    self.restore_part(part).await?;
                }
            }
        }
    }

    fn is_too_young(&self, part: &Part) -> bool {
        let is_young =
            self.copies.synced_at.is_some_and(|synced_at| part.changed_at > synced_at - CLOCK_TOLERANCE);
        is_young && self.to.is_none() && !self.copies.entries.contains_key(&part.path)
    }

    /// The bytes of the part, if they are those that were backed up.
    async fn restore_part(&mut self, part: &Part) -> anyhow::Result<Option<Vec<u8>>> {
        let bytes = match self.read(part).await {
            Ok(bytes) => bytes,
            Err(error) => {
                self.report.damage.push(format!("{error:#}"));
                return Ok(None);
            }
        };
        if let Some(storage) = self.to {
            storage.put(&part.path, bytes.clone()).await.with_context(|| part.path.clone())?;
        }
        self.report.objects += 1;
        self.report.bytes += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(Some(bytes))
    }

    async fn read(&self, part: &Part) -> anyhow::Result<Vec<u8>> {
        let bytes = self.copies.read(&part.path).await?;
        let is_whole = i64::try_from(bytes.len()).ok() == Some(part.size);
        anyhow::ensure!(is_whole, "the copy of {} is not of the size that the database knows", part.path);
        Ok(bytes)
    }
}

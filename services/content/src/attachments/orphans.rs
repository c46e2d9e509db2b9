//! Files that nobody knows: a crash in the middle of an upload leaves some, and so does a change log that was
//! trimmed before its deletions were read.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use shared::error::{Error, Result};
use shared::server::MAX_STREAM_TIMEOUT;
use uuid::Uuid;

use super::queries;
use super::storage::Storage;

/// A younger file may belong to an upload that is still going on.
const MIN_AGE: Duration = MAX_STREAM_TIMEOUT.saturating_mul(2);
/// Files looked up at once.
const BATCH: usize = 500;

/// Removes what is old and of which no row tells.
pub(super) async fn remove(storage: &Storage) -> Result<()> {
    for ids in old_files(storage).await?.chunks(BATCH) {
        let tx = storage.worker.begin_background().await?;
        let known: HashSet<Uuid> = queries::existing(&tx, ids).await?.into_iter().collect();
        tx.finish();
        for id in ids.iter().filter(|id| !known.contains(id)) {
            tracing::info!(attachment = %id, "removing a file that no attachment tells of");
            storage.delete(*id).await?;
        }
    }
    Ok(())
}

/// The ids of old files. Old parts of uploads, `<id>#<number>`, are removed on the way.
async fn old_files(storage: &Storage) -> Result<Vec<Uuid>> {
    let mut entries = match tokio::fs::read_dir(storage.folder()).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::internal(error)),
    };
    let mut ids = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(Error::internal)? {
        // A file that goes while we look is none of ours to remove.
        let Ok(modified) = entry.metadata().await.and_then(|metadata| metadata.modified()) else { continue };
        let age = SystemTime::now().duration_since(modified).unwrap_or_default();
        let name = entry.file_name().to_string_lossy().into_owned();
        match (name.parse(), name.split_once('#')) {
            _ if age < MIN_AGE => {}
            (Ok(id), _) => ids.push(id),
            (Err(_), Some((id, _))) if Uuid::try_parse(id).is_ok() => {
                tokio::fs::remove_file(entry.path()).await.map_err(Error::internal)?;
            }
            // Not a name that we give.
            (Err(_), _) => {}
        }
    }
    Ok(ids)
}

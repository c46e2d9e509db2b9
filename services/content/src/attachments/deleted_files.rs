//! Removes the bytes of attachments whose rows are gone, however they were deleted: it follows this service's
//! own change log. Deleting bytes twice is harmless, so every replica may do it.

use shared::change_log::{self, Cursor, positions};
use shared::error::{Error, Result};
use shared::service::Ground;

use super::orphans;
use super::storage::Storage;
use crate::NAME;

/// Name of the position in `feed_positions`.
const FEED: &str = "deleted_files";
const ENTITY: &str = "file_attachments";

/// Follows until the service stops.
pub async fn follow(ground: Ground, storage: Storage) {
    let mut ear = ground.signal.listen();
    // What a crash left behind is looked for once, as soon as the database answers.
    let mut has_swept = false;
    while !ground.shutdown.is_cancelled() {
        has_swept = has_swept || swept(&storage).await;
        match remove_next(&ground, &storage).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "deleted files could not be removed; trying again"),
        }
        tokio::select! {
            () = ground.shutdown.cancelled() => return,
            () = ear.wait() => {}
        }
    }
}

async fn swept(storage: &Storage) -> bool {
    let outcome = orphans::remove(storage).await;
    if let Err(error) = &outcome {
        tracing::debug!(%error, "forgotten files could not be removed; trying again");
    }
    outcome.is_ok()
}

/// Removes the files of one batch of changes; `false` if there were none.
async fn remove_next(ground: &Ground, storage: &Storage) -> Result<bool> {
    let position = positions::get(&ground.worker, NAME, FEED).await?;
    let after = position.map(|cursor| cursor.parse()).transpose()?.unwrap_or_default();
    let tx = ground.worker.begin_background().await?;
    let changes = match change_log::read(&tx, NAME, &[ENTITY], after).await {
        // The log no longer tells which files went meanwhile, but the folder does.
        Err(Error::CursorExpired) => {
            let horizon = change_log::horizon(&tx, NAME).await?;
            tx.finish();
            orphans::remove(storage).await?;
            return move_to(ground, horizon).await;
        }
        changes => changes?,
    };
    tx.finish();
    for change in changes.iter().filter(|change| change.operation == "delete") {
        // An import may have brought the same attachment back.
        storage.delete_unless_recorded(change.entity_id).await?;
    }
    match changes.last() {
        None => Ok(false),
        Some(last) => move_to(ground, last.cursor()).await,
    }
}

async fn move_to(ground: &Ground, cursor: Cursor) -> Result<bool> {
    let tx = ground.worker.begin_background().await?;
    positions::set(&tx, NAME, FEED, &cursor.to_string()).await?;
    tx.commit().await?;
    Ok(true)
}

//! Notes which blobs lost an attachment, however it was deleted: it follows this service's own change log.

use shared::change_log::{self, Cursor, positions};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::{Collector, queries};
use crate::NAME;

/// Name of the position in `feed_positions`.
pub(super) const FEED: &str = "deleted_files";
const ENTITY: &str = "file_attachments";

impl Collector {
    /// Takes one batch of changes over; `false` if there were none.
    pub(super) async fn note_released(&self) -> Result<bool> {
        let position = positions::get(&self.context.worker, NAME, FEED).await?;
        let tx = self.context.worker.begin_background().await?;
        let after = match position {
            Some(cursor) => cursor.parse()?,
            None => change_log::horizon(&tx, NAME).await?,
        };
        let now = self.context.clock.now();
        let (blobs, next) = match change_log::read(&tx, NAME, &[ENTITY], after).await {
            // The log no longer tells which attachments went meanwhile, but the table does.
            Err(Error::CursorExpired) => {
                queries::release_unreferenced(&tx, now).await?;
                (Vec::new(), Some(change_log::horizon(&tx, NAME).await?))
            }
            changes => {
                let changes = changes?;
                (
                    changes.iter().filter_map(released_blob).collect(),
                    changes.last().map(change_log::Change::cursor),
                )
            }
        };
        let Some(next) = next else {
            self.lag.catch_up();
            return Ok(false);
        };
        if !blobs.is_empty() {
            queries::release(&tx, &blobs, now).await?;
        }
        positions::set(&tx, NAME, FEED, &Cursor::to_string(&next)).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// The blob to which a deleted attachment referred. Releases before there were blobs did not tell; what they left is
/// found by the sweep.
fn released_blob(change: &change_log::Change) -> Option<Uuid> {
    let row = change.old_values.as_ref().filter(|_| change.operation == "delete")?;
    row.get("blob_id")?.as_str()?.parse().ok()
}

//! Records which blobs lost an attachment. It reads this service's change log, so that no deletion is missed.

use shared::change_log::{self, Cursor, positions};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::{Collector, FEED, queries};
use crate::schema::NAME;

const ENTITY: &str = "file_attachments";

impl Collector {
    /// Applies one batch of changes; `false` if there are none.
    pub(super) async fn record_released_blobs(&self) -> Result<bool> {
        let position = positions::get(&self.context.worker, NAME, FEED).await?;
        let tx = self.context.worker.begin_background().await?;
        let after = match position {
            Some(cursor) => cursor.parse()?,
            None => change_log::horizon(&tx, NAME).await?,
        };
        let now = self.context.clock.now();
        let (blobs, next) = match change_log::read(&tx, NAME, &[ENTITY], after).await {
            // The changes since the position are deleted; the table still shows which blobs have no attachment.
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
            self.lag.mark_caught_up();
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

/// The blob to which a deleted attachment referred.
fn released_blob(change: &change_log::Change) -> Option<Uuid> {
    let row = change.old_values.as_ref().filter(|_| change.operation == "delete")?;
    row.get("blob_id")?.as_str()?.parse().ok()
}

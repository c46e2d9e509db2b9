//! The channels from the tail to the watchers, one for each watched project.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::broadcast;
use uuid::Uuid;

use super::super::records::Record;
use super::Cursor;

/// Most batches that wait for the slowest watcher of a project; one further behind reads by itself.
const CHANNEL_CAPACITY: usize = 16;

/// What the tail publishes to the watchers of one project.
#[derive(Debug)]
pub(super) struct EventBatch {
    /// The position before the batch: earlier batches had all changes up to here, or there was no watcher.
    pub(super) after: Cursor,
    /// The position after the batch.
    pub(super) upto: Cursor,
    /// The changes between, in order.
    pub(super) records: Vec<Record>,
    /// The revision of the access to the project, read no earlier than the changes.
    pub(super) revision: Option<i64>,
}

/// The watchers of all projects.
#[derive(Default)]
pub(super) struct Channels {
    by_project: HashMap<Uuid, Channel>,
    has_tail: bool,
}

struct Channel {
    sender: broadcast::Sender<Arc<EventBatch>>,
    /// Where the last batch ended.
    upto: Option<Cursor>,
    revision: Option<i64>,
}

impl Channels {
    /// Whether a tail must be started. The caller starts one.
    pub(super) fn needs_tail(&mut self) -> bool {
        !std::mem::replace(&mut self.has_tail, true)
    }

    pub(super) fn subscribe(&mut self, project_id: Uuid) -> broadcast::Receiver<Arc<EventBatch>> {
        let channel = self.by_project.entry(project_id).or_insert_with(|| Channel {
            sender: broadcast::channel(CHANNEL_CAPACITY).0,
            upto: None,
            revision: None,
        });
        channel.sender.subscribe()
    }

    /// The projects that somebody watches. When there are none, the tail ends.
    pub(super) fn watched(&mut self) -> Vec<Uuid> {
        self.by_project.retain(|_, channel| channel.sender.receiver_count() > 0);
        self.has_tail = !self.by_project.is_empty();
        self.by_project.keys().copied().collect()
    }

    /// Ends all channels, and with them the tail: the watchers notice and read by themselves.
    pub(super) fn close(&mut self) {
        self.by_project.clear();
        self.has_tail = false;
    }

    /// Publishes a batch to the watchers of one project, if it has news or if they are due to hear.
    pub(super) fn publish(
        &mut self,
        project_id: Uuid,
        (after, upto): (Cursor, Cursor),
        records: Vec<Record>,
        revision: Option<i64>,
        is_due: bool,
    ) {
        let Some(channel) = self.by_project.get_mut(&project_id) else { return };
        let is_news = !records.is_empty() || channel.revision != revision || channel.upto.is_none();
        if is_news || is_due {
            let after = channel.upto.replace(upto).unwrap_or(after);
            channel.revision = revision;
            let _nobody_left = channel.sender.send(Arc::new(EventBatch { after, upto, records, revision }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(transaction_id: i64) -> Cursor {
        Cursor { incarnation: 1, transaction_id, position: 0 }
    }

    #[test]
    fn batches_of_a_project_join_end_to_end() {
        let (mut channels, project) = (Channels::default(), Uuid::from_u128(1));
        let mut batches = channels.subscribe(project);
        channels.publish(project, (at(1), at(2)), Vec::new(), Some(1), false);
        channels.publish(project, (at(2), at(3)), Vec::new(), Some(1), false);
        channels.publish(project, (at(3), at(4)), Vec::new(), Some(2), false);
        let published: Vec<_> =
            std::iter::from_fn(|| batches.try_recv().ok()).map(|batch| (batch.after, batch.upto)).collect();
        assert_eq!(published, [(at(1), at(2)), (at(2), at(4))]);
    }

    #[test]
    fn the_tail_ends_with_the_last_watcher() {
        let (mut channels, project) = (Channels::default(), Uuid::from_u128(1));
        let batches = channels.subscribe(project);
        assert!(channels.needs_tail() && !channels.needs_tail());
        assert_eq!(channels.watched(), [project]);
        drop(batches);
        assert!(channels.watched().is_empty() && channels.needs_tail());
    }
}

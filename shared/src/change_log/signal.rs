//! Wakes the readers of a change log early. Without it, readers find every change by polling.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::redis_store::RedisStore;

/// How often readers poll without having been woken.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Wakes readers in this process and, through Redis, in all others.
#[derive(Clone)]
pub struct Signal {
    woken: watch::Sender<()>,
    announce: Arc<Notify>,
}

impl Signal {
    /// The signal of a service's change log. Needs a tokio runtime; its tasks end with the last handle.
    pub fn new(redis: &RedisStore, service: &'static str) -> Self {
        let (woken, _) = watch::channel(());
        let announce = Arc::new(Notify::new());
        tokio::spawn(publish(redis.clone(), service, Arc::downgrade(&announce)));
        let mut messages = redis.subscribe(vec![redis.changes_channel(service)]);
        let listener = woken.clone();
        tokio::spawn(async move {
            while messages.recv().await.is_some() {
                if listener.receiver_count() == 0 && listener.sender_count() == 1 {
                    return;
                }
                listener.send_replace(());
            }
        });
        Self { woken, announce }
    }

    /// Wakes the readers after a commit. Does not wait; many announcements at once become few messages.
    pub fn announce(&self) {
        self.woken.send_replace(());
        self.announce.notify_one();
    }

    /// A listener for one reader.
    pub fn listen(&self) -> Listener {
        Listener(self.woken.subscribe())
    }
}

/// Waits for announcements on behalf of one reader.
pub struct Listener(watch::Receiver<()>);

impl Listener {
    /// Waits until there may be something new, at most half a second.
    pub async fn wait(&mut self) {
        let _woken_or_time_to_look = tokio::time::timeout(POLL_INTERVAL, self.0.changed()).await;
    }
}

async fn publish(redis: RedisStore, service: &'static str, announce: std::sync::Weak<Notify>) {
    while let Some(notify) = announce.upgrade() {
        let waited = tokio::time::timeout(POLL_INTERVAL, notify.notified()).await;
        drop(notify);
        if waited.is_ok() {
            // Readers elsewhere find the change by polling when Redis is away.
            let _unreachable = redis.wake(service).await;
        }
    }
}

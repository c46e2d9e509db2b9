//! Wakes the readers of a change log early. Without it, readers find every change by polling.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

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

    /// A listener for one reader, which reads at most once in this time: under load, many commits with one read.
    pub fn listen(&self, min_interval: Duration) -> Listener {
        Listener { woken: self.woken.subscribe(), min_interval, last_wait: None }
    }
}

/// Waits for announcements on behalf of one reader.
pub struct Listener {
    woken: watch::Receiver<()>,
    min_interval: Duration,
    /// When the last wait ended.
    last_wait: Option<Instant>,
}

impl Listener {
    /// Waits until there may be something new, at most half a second, and until the last wait is long enough ago: a
    /// change that comes alone is read at once.
    pub async fn wait(&mut self) {
        let _woken_or_time_to_look = timeout(POLL_INTERVAL, self.woken.changed()).await;
        if let Some(last_wait) = self.last_wait {
            sleep_until(last_wait + self.min_interval).await;
        }
        // What was announced meanwhile is read now.
        self.woken.mark_unchanged();
        self.last_wait = Some(Instant::now());
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const MIN_INTERVAL: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn an_announcement_alone_wakes_at_once_and_many_wake_once_in_the_interval() {
        let (sender, woken) = watch::channel(());
        let mut listener = Listener { woken, min_interval: MIN_INTERVAL, last_wait: None };
        assert!(listener.wait().now_or_never().is_none(), "nothing is announced");
        sender.send_replace(());
        assert!(listener.wait().now_or_never().is_some());

        let last_wait = Instant::now();
        for _ in 0..10 {
            sender.send_replace(());
        }
        listener.wait().await;
        assert!(last_wait.elapsed() >= MIN_INTERVAL, "{:?}", last_wait.elapsed());
        assert!(!listener.woken.has_changed().unwrap(), "one wait is for all announcements");
    }
}

//! Until when a call may hold what it holds. A client that does not read its answer stops the task that sends it: no
//! deadline inside of that task is looked at any more. So the task itself ends at a time that the call sets, which resets
//! its stream and frees what is queued for it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Longer than any connection lives.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

tokio::task_local! {
    static CURRENT: Arc<TaskDeadline>;
}

/// The end of a task that serves a call.
pub(super) struct TaskDeadline {
    began: Instant,
    /// Milliseconds after `began`.
    end: AtomicU64,
}

impl TaskDeadline {
    fn new() -> Self {
        Self { began: Instant::now(), end: AtomicU64::new(milliseconds(NEVER)) }
    }

    /// The life of the task that this is called in; `None` in a task that serves no call.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    pub(super) fn end_at(&self, end: Instant) {
        self.end.store(milliseconds(end.saturating_duration_since(self.began)), Ordering::Relaxed);
    }

    /// Lets the task go on: the call is over, and its connection may have others.
    pub(super) fn clear_deadline(&self) {
        self.end.store(milliseconds(NEVER), Ordering::Relaxed);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end() <= Instant::now()
    }

    fn end(&self) -> Instant {
        self.began + Duration::from_millis(self.end.load(Ordering::Relaxed))
    }

    /// The alarm is only moved when it must ring earlier: an end that is put off again and again costs nothing.
    fn poll_ended(&self, mut alarm: Pin<&mut Sleep>, task: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.end() < alarm.deadline() {
                alarm.as_mut().reset(self.end());
            }
            ready!(alarm.as_mut().poll(task));
            if self.has_ended() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(self.end());
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Does the work until the end that is set inside of it.
pub(super) async fn run_until_deadline(work: impl Future) {
    let life = Arc::new(TaskDeadline::new());
    let mut work = pin!(CURRENT.scope(life.clone(), work));
    let mut alarm = pin!(sleep_until(life.end()));
    poll_fn(|task| match work.as_mut().poll(task) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => life.poll_ended(alarm.as_mut(), task),
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_ends_at_the_last_end_that_was_set() {
        let began = Instant::now();
        run_until_deadline(async {
            let life = TaskDeadline::current().unwrap();
            life.end_at(began + Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(50)).await;
            life.end_at(began + Duration::from_millis(300));
            std::future::pending::<()>().await;
        })
        .await;
        assert!(began.elapsed() >= Duration::from_millis(295), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn an_end_that_comes_nearer_counts() {
        let work = run_until_deadline(async {
            let life = TaskDeadline::current().unwrap();
            life.end_at(Instant::now() + Duration::from_secs(600));
            tokio::time::sleep(Duration::from_millis(50)).await;
            life.end_at(Instant::now() + Duration::from_millis(50));
            std::future::pending::<()>().await;
        });
        tokio::time::timeout(Duration::from_secs(30), work).await.unwrap();
    }

    #[tokio::test]
    async fn an_end_that_is_lifted_does_not_count() {
        let (done, mut is_done) = tokio::sync::oneshot::channel();
        run_until_deadline(async {
            let life = TaskDeadline::current().unwrap();
            life.end_at(Instant::now() + Duration::from_millis(50));
            tokio::task::yield_now().await;
            life.clear_deadline();
            tokio::time::sleep(Duration::from_millis(100)).await;
            done.send(()).unwrap();
        })
        .await;
        assert!(is_done.try_recv().is_ok());
    }
}

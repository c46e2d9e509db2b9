//! Load: callers that each wait for an answer before they call again, or calls at a fixed rate.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::BoxFuture;
use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Status;

/// Latencies are kept to three significant digits.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Makes one call.
pub(super) trait Call: Fn() -> BoxFuture<'static, Result<(), Status>> + Send + Sync + 'static {}

impl<F: Fn() -> BoxFuture<'static, Result<(), Status>> + Send + Sync + 'static> Call for F {}

/// Of the calls of one measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latencies {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// One measurement.
pub(super) struct Sample {
    pub(super) calls: u64,
    pub(super) per_second: f64,
    pub(super) latencies: Latencies,
}

impl Latencies {
    fn of(histogram: &Histogram<u64>) -> Self {
        let quantile = |part| Duration::from_nanos(histogram.value_at_quantile(part));
        Self { p50: quantile(0.5), p99: quantile(0.99) }
    }
}

/// So many callers, each of which calls again when it is answered.
pub(super) async fn closed_loop(callers: usize, time: Duration, call: impl Call) -> anyhow::Result<Sample> {
    let (call, start) = (Arc::new(call), Instant::now());
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let call = call.clone();
        running.spawn(async move {
            let mut histogram = Histogram::<u64>::new(SIGNIFICANT_DIGITS)?;
            while start.elapsed() < time {
                let began = Instant::now();
                call().await?;
                record(&mut histogram, began.elapsed())?;
            }
            anyhow::Ok(histogram)
        });
    }
    let mut all = Histogram::<u64>::new(SIGNIFICANT_DIGITS)?;
    while let Some(histogram) = running.join_next().await {
        all.add(histogram?.context("a call failed")?)?;
    }
    let took = start.elapsed();
    Ok(Sample {
        calls: all.len(),
        per_second: all.len() as f64 / took.as_secs_f64(),
        latencies: Latencies::of(&all),
    })
}

/// Calls at a fixed rate, whether or not earlier ones are answered. Each latency counts from the moment when the call was
/// due, so that a server that stalls does not hide it by being asked less.
pub(super) async fn open_loop(rate: u32, time: Duration, call: impl Call) -> anyhow::Result<Latencies> {
    let mut due = schedule(rate, time);
    let mut running = JoinSet::new();
    while let Some(due) = due.recv().await {
        let answer = call();
        running.spawn(async move { answer.await.map(|()| due.elapsed()) });
    }
    let mut histogram = Histogram::<u64>::new(SIGNIFICANT_DIGITS)?;
    while let Some(latency) = running.join_next().await {
        record(&mut histogram, latency?.context("a call failed")?)?;
    }
    Ok(Latencies::of(&histogram))
}

/// The moments at which calls are due, each when it comes. A thread of its own sleeps more exactly than the runtime's
/// timer, which counts milliseconds.
fn schedule(rate: u32, time: Duration) -> mpsc::UnboundedReceiver<Instant> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (start, interval) = (Instant::now(), Duration::from_secs(1) / rate);
    thread::spawn(move || {
        let mut due = start;
        while due < start + time {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(due).is_err() {
                return;
            }
            due += interval;
        }
    });
    receiver
}

fn record(histogram: &mut Histogram<u64>, latency: Duration) -> anyhow::Result<()> {
    Ok(histogram.record(u64::try_from(latency.as_nanos())?)?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt;

    use super::*;

    const STALL: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn at_a_fixed_rate_a_stall_counts_for_every_call_that_was_due_meanwhile() {
        let stalled = Arc::new(tokio::sync::Mutex::new(()));
        let is_first = Arc::new(AtomicBool::new(true));
        let call = move || {
            let (stalled, is_first) = (stalled.clone(), is_first.clone());
            async move {
                let _turn = stalled.lock().await;
                if is_first.swap(false, Ordering::Relaxed) {
                    tokio::time::sleep(STALL).await;
                }
                Ok(())
            }
            .boxed()
        };
        let latencies = open_loop(1_000, STALL, call).await.unwrap();
        assert!(latencies.p50 > STALL / 4, "{latencies:?}");
    }

    #[tokio::test]
    async fn callers_that_wait_for_answers_call_as_often_as_they_are_answered() {
        let call = || tokio::time::sleep(Duration::from_millis(10)).map(Ok).boxed();
        let sample = closed_loop(4, Duration::from_millis(300), call).await.unwrap();
        assert!(
            sample.calls <= 4 * 31 && sample.latencies.p50 >= Duration::from_millis(10),
            "{}",
            sample.calls
        );
    }
}

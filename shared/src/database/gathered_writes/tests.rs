//! Gathered writes over a function that is made up.

use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::caller::Session;

const FAILING: &str = "failing";
const REFUSED: &str = "refused";
const OMITTED: &str = "omitted";
const PANICKING: &str = "panicking";
const UNCONFIRMED: &str = "unconfirmed";

/// A function that writes what it is told, when it is let, and counts the sizes of its calls.
struct Fixture {
    writes: GatheredWrites<GatheredWrite>,
    sizes: Arc<Mutex<Vec<usize>>>,
    permits: Arc<Semaphore>,
}

fn call(writes: Vec<GatheredWrite>) -> CallOutcome<GatheredWrite> {
    let has = |kind: &str| writes.iter().any(|write| write.input == kind);
    assert!(!has(PANICKING), "as the test wants it");
    if has(FAILING) {
        return CallOutcome::RolledBack(Error::DeadlineExceeded);
    }
    if has(UNCONFIRMED) {
        return CallOutcome::Unavailable("away".to_owned());
    }
    let numbered = || writes.iter().enumerate();
    let refused: Vec<usize> =
        numbered().filter(|(_, w)| w.input == REFUSED).map(|(index, _)| index).collect();
    if refused.is_empty() {
        let made = numbered().filter(|(_, write)| write.input != OMITTED);
        CallOutcome::Committed(made.map(|(index, write)| (index, write.clone())).collect())
    } else {
        CallOutcome::Refused(refused)
    }
}

fn fixture(permits: usize) -> Fixture {
    let permits = Arc::new(Semaphore::new(permits));
    let sizes = Arc::<Mutex<Vec<usize>>>::default();
    let (gate, log) = (permits.clone(), sizes.clone());
    let function = move |writes: Vec<GatheredWrite>| {
        let (gate, log) = (gate.clone(), log.clone());
        async move {
            log.lock().unwrap().push(writes.len());
            gate.acquire().await.unwrap().forget();
            call(writes)
        }
        .boxed()
    };
    Fixture { writes: GatheredWrites::calling(Box::new(function), 8), sizes, permits }
}

type Written = Result<Option<GatheredWrite>>;

impl Fixture {
    /// Starts a write by a caller of this number in the queue of this number.
    fn start(&self, caller: u128, queue: u128, input: &str) -> JoinHandle<Written> {
        let (writes, input) = (self.writes.clone(), json!(input));
        let caller = Caller::User(Session {
            session_id: Uuid::nil(),
            user_id: Uuid::from_u128(caller),
            expires_at: chrono::Utc::now(),
            scopes: None,
        });
        tokio::spawn(async move { writes.write(&caller, Uuid::from_u128(queue), input).await })
    }

    /// Sends as many calls of a queue as may be in flight, with a write each; they wait for permits.
    async fn fill_calls_in_flight(&self) {
        for caller in 0..2 {
            drop(self.start(caller, 1, "first"));
            settle().await;
        }
    }

    /// Starts writes in one queue while the calls in flight wait; they go together.
    async fn gather(&self, inputs: &[&str]) -> Vec<JoinHandle<Written>> {
        self.fill_calls_in_flight().await;
        let start = |(caller, input): (usize, &&str)| self.start(caller as u128, 1, input);
        let started = inputs.iter().enumerate().map(start).collect();
        settle().await;
        self.permits.add_permits(1000);
        started
    }

    fn sizes(&self) -> Vec<usize> {
        self.sizes.lock().unwrap().clone()
    }
}

/// Lets every other task go on as far as it can: on one thread, each has had its turn after a few.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn outcomes(started: Vec<JoinHandle<Written>>) -> Vec<Written> {
    futures::future::join_all(started).await.into_iter().map(|joined| joined.unwrap()).collect()
}

#[tokio::test]
async fn a_write_alone_goes_at_once_and_what_comes_meanwhile_goes_together() {
    let fixture = fixture(0);
    let started = fixture.gather(&["a", "b", "c", "d"]).await;
    for (caller, written) in outcomes(started).await.into_iter().enumerate() {
        assert_eq!(written.unwrap().unwrap().user_id, Uuid::from_u128(caller as u128), "its own row");
    }
    assert_eq!(fixture.sizes(), [1, 1, 4]);
    assert!(fixture.writes.0.queues().is_empty(), "an idle queue takes no room");
}

#[tokio::test]
async fn queues_do_not_wait_for_each_other() {
    let fixture = fixture(0);
    for queue in 0..5 {
        drop(fixture.start(1, queue, "a"));
    }
    settle().await;
    assert_eq!(fixture.sizes(), [1; 5]);
}

#[tokio::test]
async fn no_call_has_more_writes_than_allowed() {
    let fixture = fixture(0);
    let started = fixture.gather(&["a"; 20]).await;
    assert!(outcomes(started).await.into_iter().all(|written| written.unwrap().is_some()));
    assert_eq!(fixture.sizes(), [1, 1, 8, 8, 4]);
}

#[tokio::test]
async fn what_is_refused_or_left_out_is_made_alone_and_the_others_are_written() {
    let fixture = fixture(0);
    let started = fixture.gather(&["a", REFUSED, "b", OMITTED]).await;
    let written: Vec<bool> = outcomes(started).await.into_iter().map(|row| row.unwrap().is_some()).collect();
    assert_eq!(written, [true, false, true, false]);
    assert_eq!(fixture.sizes(), [1, 1, 4, 3], "nothing of the refused call stayed");
}

#[tokio::test]
async fn after_a_failure_each_is_made_alone_and_later_ones_go_together_again() {
    let fixture = fixture(0);
    let started = fixture.gather(&["a", FAILING, "b"]).await;
    assert!(outcomes(started).await.into_iter().all(|written| written.unwrap().is_none()));
    assert!(fixture.start(1, 1, "c").await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn a_commit_that_is_not_confirmed_is_an_error_for_all() {
    let fixture = fixture(0);
    let started = fixture.gather(&["a", UNCONFIRMED]).await;
    for written in outcomes(started).await {
        assert!(matches!(written, Err(Error::Unavailable { dependency: "postgresql", .. })));
    }
}

#[tokio::test]
async fn a_write_that_is_given_up_is_not_sent() {
    let fixture = fixture(0);
    fixture.fill_calls_in_flight().await;
    let kept = fixture.start(1, 1, "kept");
    let given_up = fixture.start(1, 1, "given up");
    settle().await;
    given_up.abort();
    settle().await;
    fixture.permits.add_permits(100);
    assert!(kept.await.unwrap().unwrap().is_some());
    assert_eq!(fixture.sizes(), [1, 1, 1]);
}

#[tokio::test]
async fn more_than_may_wait_are_made_alone() {
    let fixture = fixture(0);
    let started = fixture.gather(&vec!["a"; MAX_WAITING_WRITES + 3]).await;
    let written = outcomes(started).await.into_iter().filter(|written| matches!(written, Ok(Some(_))));
    assert_eq!(written.count(), MAX_WAITING_WRITES);
}

#[tokio::test]
async fn a_panic_ends_no_more_than_its_call() {
    let fixture = fixture(100);
    for _ in 0..2 * MAX_CALLS_IN_FLIGHT {
        assert!(fixture.start(1, 1, PANICKING).await.unwrap().is_err());
    }
    assert!(fixture.start(1, 1, "a").await.unwrap().unwrap().is_some());
}

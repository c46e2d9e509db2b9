//! A flood of sign-ins beside people who are signed in.

use crate::fixtures::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto::identity::v1 as pb;
use testkit::*;
use tonic::Status;
use tonic_types::StatusExt as _;

/// Who sign in at the same time, each from an address of their own, again and again: more than may wait.
const FLOODERS: usize = 100;
/// How long they hold back when they are turned away: a quarter of what they are told.
const IMPATIENCE: Duration = Duration::from_millis(250);
const READS: usize = 200;
/// What a read may take beside the flood: so many times what it takes without, and half a second on a machine that has
/// much else to do. Without a bound on how many are hashed at once it takes seconds.
const MOST_TIMES_IDLE: u32 = 20;
const ALWAYS_FINE: Duration = Duration::from_millis(500);

/// What became of the flood so far.
#[derive(Default)]
struct Flood {
    is_over: AtomicBool,
    passwords_looked_at: AtomicUsize,
    turned_away: AtomicUsize,
}

impl Flood {
    async fn go_on(&self, suite_side: Actor, number: usize) {
        let mut auth = suite_side.auth();
        let address = format!("10.0.0.{number}");
        for round in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let guess = login(&format!("nobody-{number}-{round}"), "a wrong password");
            let refusal = auth.login(from(&address, guess)).await.unwrap_err();
            match reason_of(&refusal).as_str() {
                "INVALID_CREDENTIALS" => drop(self.passwords_looked_at.fetch_add(1, Ordering::Relaxed)),
                // Their turn did not come in time, on a busy machine: nobody looked at their password.
                "DEADLINE_EXCEEDED" => {}
                _ => {
                    is_told_when_to_come_again(&refusal);
                    self.turned_away.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(IMPATIENCE).await;
                }
            }
        }
    }

    async fn stands(&self) {
        let full = async {
            while self.turned_away.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(TIMEOUT, full).await.is_ok(), "nobody is turned away");
    }

    fn passwords_looked_at(&self) -> usize {
        self.passwords_looked_at.load(Ordering::Relaxed)
    }
}

fn is_told_when_to_come_again(refusal: &Status) {
    assert_eq!(summary(refusal), "RESOURCE_EXHAUSTED OVERLOADED");
    assert!(refusal.get_details_retry_info().unwrap().retry_delay.unwrap() >= Duration::from_secs(1));
}

/// How long signed-in reads take, one after the other.
struct Reads {
    median: Duration,
    /// 99 of 100 take no longer.
    p99: Duration,
}

async fn reads(actor: &Actor) -> Reads {
    let mut auth = actor.auth();
    let mut taken = Vec::with_capacity(READS);
    for _ in 0..READS {
        let start = Instant::now();
        auth.who_am_i(pb::WhoAmIRequest {}).await.unwrap();
        taken.push(start.elapsed());
    }
    taken.sort();
    Reads { median: taken[READS / 2], p99: taken[READS * 99 / 100] }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_is_refused_and_sessions_are_served() {
    let suite = behind_a_proxy().await;
    let olga = suite.user("olga").await;
    let idle = reads(&olga).await;

    let flood = Arc::new(Flood::default());
    let mut flooders = tokio::task::JoinSet::new();
    for number in 0..FLOODERS {
        let (flood, flooder) = (Arc::clone(&flood), suite.anonymous());
        flooders.spawn(async move { flood.go_on(flooder, number).await });
    }
    flood.stands().await;
    let before = flood.passwords_looked_at();
    let beside = reads(&olga).await;
    let looked_at = flood.passwords_looked_at() - before;
    flood.is_over.store(true, Ordering::Relaxed);
    flooders.join_all().await;

    println!("{READS} signed-in reads, idle: median {:?}, 99 of 100 within {:?}", idle.median, idle.p99);
    println!("{READS} beside the flood: median {:?}, 99 of 100 within {:?}", beside.median, beside.p99);
    println!(
        "meanwhile {looked_at} passwords; {} were turned away",
        flood.turned_away.load(Ordering::Relaxed)
    );
    let most = ALWAYS_FINE.max(idle.p99 * MOST_TIMES_IDLE);
    assert!(beside.p99 <= most, "99 of 100 reads within {:?}, which may be {most:?}", beside.p99);
    assert!(looked_at < READS, "{looked_at} passwords were looked at while {READS} reads were answered");
    assert!(flood.passwords_looked_at() > 0, "nobody's password was looked at");
}

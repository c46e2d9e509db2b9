//! Whether there is such an account does not show in the time of an answer.

use crate::fixtures::*;
use crate::harness::harness;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use proto::identity::v1 as pb;
use testkit::*;

/// Pairs of calls that are compared by their medians.
const PAIRS: usize = 20;
/// How far the medians may be apart on a busy machine: a hash that is left out makes more than this. What takes less time
/// is counted: see [`the_same_is_written`].
const MOST: f64 = 2.0;

/// Calls for a known and an unknown account in turns, of which each comes first as often. The clock goes on between, so
/// that no limit is reached.
async fn compare(suite: &Suite, known: impl AsyncFn(usize), unknown: impl AsyncFn(usize)) {
    let (mut of_known, mut of_unknown) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS + 2 {
        suite.options.clock.advance(TimeDelta::minutes(16));
        let (known, unknown) = if pair % 2 == 0 {
            (time(known(pair)).await, time(unknown(pair)).await)
        } else {
            let unknown = time(unknown(pair)).await;
            (time(known(pair)).await, unknown)
        };
        // The first ones also make connections and prepare statements.
        if pair >= 2 {
            of_known.push(known);
            of_unknown.push(unknown);
        }
    }
    let (known, unknown) = (median(of_known), median(of_unknown));
    let ratio = known.max(unknown).as_secs_f64() / known.min(unknown).as_secs_f64();
    println!("known {known:?}, unknown {unknown:?}");
    assert!(ratio < MOST, "known {known:?}, unknown {unknown:?}");
}

/// Every call, whether for a known account or not, leaves a code and an event.
async fn the_same_is_written(suite: &Suite, event: &str) {
    let calls = i64::try_from(2 * (PAIRS + 2)).unwrap();
    let events =
        format!("identity.change_log WHERE entity = 'security_event' AND new_values ->> 'kind' = '{event}'");
    assert_eq!([suite.count("identity.account_codes").await, suite.count(&events).await], [calls; 2]);
}

async fn time(call: impl Future<Output = ()>) -> Duration {
    let start = Instant::now();
    call.await;
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
async fn a_wrong_password_takes_as_long_as_an_unknown_account() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    let try_login = async |name: &str| {
        suite.anonymous().auth().login(login(name, "a wrong password")).await.unwrap_err();
    };
    compare(&suite, async |_| try_login("olga").await, async |n| try_login(&format!("nobody{n}")).await)
        .await;
}

#[tokio::test]
async fn a_password_reset_request_takes_as_long_for_an_unknown_address() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    let ask = async |name: &str| {
        let request = pb::RequestPasswordResetRequest { email: format!("{name}@example.org") };
        suite.anonymous().auth().request_password_reset(request).await.unwrap();
    };
    compare(&suite, async |_| ask("olga").await, async |n| ask(&format!("nobody{n}")).await).await;
    the_same_is_written(&suite, "password_reset_requested").await;
}

#[tokio::test]
async fn begin_sign_up_takes_as_long_for_a_taken_address() {
    let suite = harness().start().await;
    let _olga = suite.user("olga").await;
    let ask = async |name: &str| {
        begin_sign_up(&suite, &format!("{name}@example.org")).await;
    };
    compare(&suite, async |_| ask("olga").await, async |n| ask(&format!("nobody{n}")).await).await;
    the_same_is_written(&suite, "sign_up_requested").await;
}

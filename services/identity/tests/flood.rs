//! A flood of sign-ins beside people who are signed in.

use std::time::{Duration, Instant};

use shared::proto::identity::v1 as pb;
use suite::testing::*;
use tonic_types::StatusExt as _;

use crate::login;

/// More than wait for their turn at the same time.
const FLOOD: usize = 150;
const READS: usize = 200;

/// How long signed-in reads take, one after the other, shortest first.
async fn reads(actor: &Actor) -> Vec<Duration> {
    let mut auth = actor.auth();
    let mut taken = Vec::with_capacity(READS);
    for _ in 0..READS {
        let start = Instant::now();
        auth.who_am_i(pb::WhoAmIRequest {}).await.unwrap();
        taken.push(start.elapsed());
    }
    taken.sort();
    taken
}

fn summary_of(taken: &[Duration]) -> String {
    format!("median {:?}, 99 of 100 within {:?}", taken[READS / 2], taken[READS * 99 / 100])
}

/// The times are printed and not judged: they are the machine's as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_is_turned_away_and_people_who_are_signed_in_are_served() {
    let suite = Suite::start().await;
    let olga = suite.user("olga").await;
    let idle = reads(&olga).await;

    let mut flood = tokio::task::JoinSet::new();
    for number in 0..FLOOD {
        let mut auth = suite.anonymous().auth();
        flood.spawn(async move { auth.login(login(&format!("nobody{number}"), "a wrong password")).await });
    }
    let beside = reads(&olga).await;
    let was_flooded = !flood.is_empty();
    let answers = flood.join_all().await;

    println!("signed-in reads, idle: {}", summary_of(&idle));
    println!("signed-in reads, beside the flood: {}", summary_of(&beside));
    assert!(was_flooded);
    let refusals: Vec<_> = answers.into_iter().map(Result::unwrap_err).collect();
    let overloaded: Vec<_> = refusals.iter().filter(|refusal| reason_of(refusal) == "OVERLOADED").collect();
    assert!(!overloaded.is_empty(), "nobody was turned away");
    for refusal in overloaded {
        assert_eq!(refusal.code(), tonic::Code::ResourceExhausted);
        assert!(refusal.get_details_retry_info().unwrap().retry_delay.unwrap() >= Duration::from_secs(1));
    }
    assert!(refusals.iter().any(|refusal| reason_of(refusal) == "BAD_CREDENTIALS"));
}

//! Sessions that have ended are forgotten.

use std::time::Instant;

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use suite::services;
use suite::testing::*;

use crate::{PATIENCE, by_hand};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[tokio::test]
async fn a_session_is_forgotten_a_day_after_its_end_and_no_sooner() {
    let suite = Suite::start().await;
    let [_olga, _gus, _eva] = suite.guests(["olga", "gus", "eva"]).await;
    let end = |name: &str, ago: &str| {
        format!(
            "UPDATE identity.user_sessions SET expires_at = now() - interval '{ago}', \
             refresh_expires_at = now() - interval '{ago}' \
             WHERE user_id = (SELECT id FROM identity.users WHERE username = '{name}')"
        )
    };
    by_hand(&suite, &end("olga", "25 hours")).await;
    by_hand(&suite, &end("gus", "23 hours")).await;

    // Each replica looks as it starts.
    let replica = services::start(&suite.options, services::listen([0; 4]).await.unwrap()).unwrap();

    let mut conn = suite.admin().await;
    let start = Instant::now();
    loop {
        let left: Count =
            sql_query("SELECT count(*) FROM identity.user_sessions").get_result(&mut conn).await.unwrap();
        if left.count == 2 {
            break;
        }
        assert!(left.count == 3 && start.elapsed() < PATIENCE, "{} sessions are left", left.count);
    }
    replica.stop().await.unwrap();
}

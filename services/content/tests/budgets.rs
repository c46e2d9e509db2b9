//! Round trips to PostgreSQL, counted by what they take on a slow link.

use std::time::{Duration, Instant};

use shared::proto::content::v1 as pb;
use suite::testing::*;

use crate::scene::{read, write};

const ROUND_TRIP: Duration = Duration::from_millis(60);

/// The fewest round trips of several calls: the first ones prepare statements.
async fn fewest(mut call: impl AsyncFnMut()) -> u128 {
    let mut fewest = u128::MAX;
    for _ in 0..12 {
        let start = Instant::now();
        call().await;
        fewest = fewest.min(start.elapsed().as_millis() / ROUND_TRIP.as_millis());
    }
    fewest
}

#[tokio::test]
async fn reading_takes_one_round_trip_and_writing_two() {
    let suite = Suite::start_with_slow_database(ROUND_TRIP).await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let document = olga.document(&project, "plan", "one").await;
    let list = pb::ListDocumentsRequest { project_id: project.id.clone(), ..Default::default() };

    let get = fewest(async || drop(read(&olga, &document.id).await.unwrap())).await;
    let list = fewest(async || drop(olga.documents().list_documents(list.clone()).await.unwrap())).await;
    let create = fewest(async || drop(olga.document(&project, "plan", "text").await)).await;
    let mut number = 0;
    let update = fewest(async || {
        number += 1;
        write(&olga, &document.id, &format!("text {number}"), "").await.unwrap();
    })
    .await;
    assert_eq!((get, list, create, update), (1, 1, 2, 2));
}

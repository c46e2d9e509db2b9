//! Uploads that are cut, by the client and by the machine.

use std::time::Duration;

use futures::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::*;
use tokio::sync::oneshot;
use tonic::Code;

use crate::fixtures::{
    Team, count, download, noise, recorded_files, stored_files, team_with_max_bytes, until,
};
use crate::resumable_uploads::{chunks, complete, create, get, hash, send, upload_request};

const CUTS: usize = 100;
const FILE_BYTES: usize = 20 * 1024 * 1024 + 77;

/// Sends some bytes, and goes away without ending the stream.
async fn send_and_disconnect(who: &Actor, id: &str, offset: usize, bytes: &[u8]) {
    let (all_sent, went) = oneshot::channel();
    let end = stream::once(async move {
        all_sent.send(()).unwrap();
        std::future::pending().await
    });
    let mut uploads = who.attachments();
    let call = uploads.upload_chunks(stream::iter(chunks(id, offset, bytes)).chain(end));
    tokio::select! {
        // Another stream of the same upload that has not ended yet may have been quicker.
        _ = call => {}
        _ = went => {}
    }
}

/// Sends what is left until all is there, whatever streams that were cut still bring.
pub async fn send_the_rest(who: &Actor, id: &str, bytes: &[u8]) {
    loop {
        let offset = get(who, id).await.unwrap().committed_offset as usize;
        if offset == bytes.len() {
            return;
        }
        match send(who, id, offset, &bytes[offset..]).await {
            Ok(_) => {}
            Err(refusal) => assert_eq!(reason_of(&refusal), "UPLOAD_OFFSET_MISMATCH", "{refusal:?}"),
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_interrupted_a_hundred_times_completes() {
    let s = team_with_max_bytes(FILE_BYTES).await;
    let bytes = noise(FILE_BYTES);
    let mut random = StdRng::seed_from_u64(5);
    let upload = create(&s.mia, upload_request(&s, FILE_BYTES)).await.unwrap();
    let mut last = 0;
    let mut moves = 0;
    for _ in 0..CUTS {
        let offset = get(&s.mia, &upload.id).await.unwrap().committed_offset as usize;
        assert!(offset >= last, "what is committed stays");
        moves += usize::from(offset > last);
        last = offset;
        // Sometimes with bytes that are there already.
        let from = random.random_range(offset.saturating_sub(1_000)..=offset);
        let to = (from + random.random_range(0..600_000)).min(FILE_BYTES);
        send_and_disconnect(&s.mia, &upload.id, from, &bytes[from..to]).await;
    }
    assert!(moves > 20, "only {moves} of {CUTS} cut streams brought something");
    send_the_rest(&s.mia, &upload.id, &bytes).await;
    let attachment = complete(&s.mia, &upload.id, &hash(&bytes)).await.unwrap();
    assert!(download(&s.gus, &attachment.id, 0, 0).await.unwrap().1 == bytes);
    let parts = count(&s.suite, "stored_parts WHERE state = 'stored'").await;
    assert_eq!(parts, 3, "many cuts do not make many parts");
    let (_, middle, _) = download(&s.gus, &attachment.id, 8_388_600, 8_388_700).await.unwrap();
    assert!(middle == bytes[8_388_600..16_777_300], "a range over several parts");
}

#[tokio::test]
async fn bytes_that_arrived_before_an_interruption_are_kept() {
    let s = team_with_max_bytes(FILE_BYTES).await;
    let bytes = noise(FILE_BYTES);
    let upload = create(&s.mia, upload_request(&s, FILE_BYTES)).await.unwrap();
    // More than fits in the windows of the connection, so that some of it has been taken.
    send_and_disconnect(&s.mia, &upload.id, 0, &bytes[..12 * 1024 * 1024]).await;
    until("kept", async || get(&s.mia, &upload.id).await.unwrap().committed_offset > 0).await;
}

#[tokio::test]
async fn two_streams_of_one_upload_do_not_mix() {
    let s = team_with_max_bytes(FILE_BYTES).await;
    let bytes = noise(FILE_BYTES);
    let upload = create(&s.mia, upload_request(&s, FILE_BYTES)).await.unwrap();
    let outcomes = futures::future::join_all((0..4).map(|_| send(&s.mia, &upload.id, 0, &bytes))).await;
    let refused = outcomes.into_iter().filter_map(Result::err);
    for refusal in refused {
        assert_eq!(summary(&refusal), "FAILED_PRECONDITION UPLOAD_OFFSET_MISMATCH");
    }
    send_the_rest(&s.mia, &upload.id, &bytes).await;
    let attachment = complete(&s.mia, &upload.id, &hash(&bytes)).await.unwrap();
    assert!(download(&s.gus, &attachment.id, 0, 0).await.unwrap().1 == bytes);
}

/// Completes at the same time as often as wished; all get the same attachment.
#[tokio::test]
async fn concurrent_completions_create_one_attachment() {
    let s = team_with_max_bytes(FILE_BYTES).await;
    let upload = create(&s.mia, upload_request(&s, 3)).await.unwrap();
    send(&s.mia, &upload.id, 0, b"abc").await.unwrap();
    let made = futures::future::join_all((0..8).map(|_| complete(&s.mia, &upload.id, ""))).await;
    let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    assert!(made.iter().all(|attachment| attachment == &made[0]));
    assert_eq!(count(&s.suite, "file_attachments").await, 1);
}

/// After everything has been collected, the folder and the table tell the same.
pub async fn assert_store_matches_table(s: &Team) {
    let suite = &s.suite;
    let days = chrono::TimeDelta::days(2);
    suite.options.clock.advance(days);
    until("expired", async || count(suite, "uploads WHERE state = 'open'").await == 0).await;
    let blobs = "blobs b WHERE released_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM content.file_attachments f \
                 WHERE f.blob_id = b.id)";
    let start = std::time::Instant::now();
    while count(suite, blobs).await > 0 {
        // A deletion may be noted only now, and its grace begin.
        suite.options.clock.advance(days);
        assert!(start.elapsed() < CALL_TIMEOUT, "blobs are not collected");
    }
    suite.options.clock.advance(days);
    until("collected", async || count(suite, "stored_parts WHERE state <> 'stored'").await == 0).await;
    until("the folder has what the table tells of", async || {
        let recorded: Vec<String> = recorded_files(suite).await.into_iter().map(|(path, _)| path).collect();
        stored_files(suite) == recorded
    })
    .await;
}

/// How long one call may take while its service is being killed.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Whether a refusal means that the service has gone.
pub fn is_gone(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal | Code::DeadlineExceeded
    )
}

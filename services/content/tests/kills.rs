//! The service is killed in the middle of its work, again and again; then the folder and the table still agree.

use content::storage::StorageOptions;
use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use proto::content::v1 as pb;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::*;
use tonic::Status;

use crate::fixtures::{
    Team, count, download, header, noise, recorded_files, stored_files, team_with_max_bytes, until,
    until_nothing_is_kept, upload,
};
use crate::interrupted_uploads::{CALL_TIMEOUT, assert_store_matches_table, is_gone, send_the_rest};
use crate::resumable_uploads::{complete, create, get, hash, send, upload_request};

const ROOM: usize = 20 * 1024 * 1024;
const KILLS: usize = 40;

async fn replica(s: &Team) -> ServiceProcess {
    ServiceProcess::start(&s.suite, env!("CARGO_BIN_EXE_content"), "content").await
}

/// All that happens to files: one is uploaded in pieces, which takes several parts, another in one stream; both
/// become attachments, one of equal bytes; and one is deleted.
async fn work(
    who: &Actor,
    admin: &Actor,
    s: &Team,
    request: &pb::CreateUploadRequest,
    bytes: &[u8],
) -> Result<(), Status> {
    let made = create(who, request.clone()).await?;
    let mut offset = get(who, &made.id).await?.committed_offset as usize;
    while offset < bytes.len() {
        let to = (offset + 5_000_000).min(bytes.len());
        offset = send(who, &made.id, offset, &bytes[offset..to]).await?.committed_offset as usize;
    }
    complete(who, &made.id, &hash(bytes)).await?;
    let small = upload(who, header(&s.project), &bytes[..70_000], 9_999).await?;
    let request = pb::DeleteAttachmentRequest { attachment_id: small.id, ..Default::default() };
    admin.attachments().delete_attachment(request).await?;
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_killed_at_any_time_leaves_no_garbage() {
    let s = team_with_max_bytes(ROOM).await;
    let mut random = StdRng::seed_from_u64(11);
    let bytes = noise(18 * 1024 * 1024);
    let mut requests = vec![upload_request(&s, bytes.len())];
    for _ in 0..KILLS {
        let replica = replica(&s).await;
        let (mia, olga) =
            (s.mia.calling(Service::Content, &replica.url), s.olga.calling(Service::Content, &replica.url));
        let delay = Duration::from_millis(random.random_range(0..900));
        let request = requests.last().unwrap().clone();
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(CALL_TIMEOUT, work(&mia, &olga, &s, &request, &bytes)) => Some(outcome.unwrap()),
            () = tokio::time::sleep(delay) => None,
        };
        replica.kill();
        match outcome {
            Some(Ok(())) => requests.push(crate::resumable_uploads::upload_request(&s, bytes.len())),
            Some(Err(refusal)) => {
                let is_conflict = reason_of(&refusal) == "UPLOAD_OFFSET_MISMATCH";
                assert!(is_conflict || is_gone(refusal.code()), "{refusal:?}");
            }
            None => {}
        }
    }
    // What the replicas began is finished by the one that lives: every upload arrives.
    for request in &requests {
        let made = create(&s.mia, request.clone()).await.unwrap();
        if get(&s.mia, &made.id).await.unwrap().state() == pb::UploadState::Open {
            send_the_rest(&s.mia, &made.id, &bytes).await;
        }
        let attachment = complete(&s.mia, &made.id, &hash(&bytes)).await.unwrap();
        assert!(download(&s.gus, &attachment.id, 0, 0).await.unwrap().1 == bytes);
    }
    assert_store_matches_table(&s).await;
    assert_eq!(
        count(&s.suite, "stored_parts p JOIN content.blobs b ON b.id = p.blob_id WHERE b.size > 70000").await,
        3
    );
}

/// Holds a lock that the service runs into, so that it can be killed exactly there.
async fn held_up(s: &Team, lock: &str) -> AsyncPgConnection {
    let mut conn = s.suite.admin_of("content").await;
    conn.batch_execute(&format!("BEGIN; {lock}")).await.unwrap();
    conn
}

async fn waits_for_a_lock(s: &Team, statement: &str) -> bool {
    let waiting = format!(
        "change_log_horizon, pg_stat_activity a WHERE a.datname = current_database() AND a.wait_event_type = 'Lock' \
         AND a.query LIKE '%{statement}%'"
    );
    count(&s.suite, &waiting).await > 0
}

/// Kills a replica while it waits in this statement, which then may or may not have its effect.
async fn killed_in(s: &Team, statement: &str, lock: &str, call: impl AsyncFnOnce(Actor) -> bool) {
    let replica = replica(s).await;
    let who = s.mia.calling(Service::Content, &replica.url);
    let mut lock = held_up(s, lock).await;
    tokio::select! {
        finished = call(who) => panic!("it did not wait for the lock, and ended with {finished}"),
        () = until(statement, async || waits_for_a_lock(s, statement).await) => {}
    }
    replica.kill();
    lock.batch_execute("COMMIT").await.unwrap();
    until("over", async || !waits_for_a_lock(s, statement).await).await;
}

#[tokio::test]
async fn an_upload_survives_a_kill_between_its_steps() {
    let s = team_with_max_bytes(ROOM).await;
    let bytes = noise(3_000_000);
    let made = create(&s.mia, upload_request(&s, bytes.len())).await.unwrap();
    send(&s.mia, &made.id, 0, &bytes[..1_000_000]).await.unwrap();
    let a_row = format!("SELECT 1 FROM content.uploads WHERE id = '{}' FOR UPDATE", made.id);

    // Before a part is announced.
    killed_in(&s, "register_part", &a_row, async |who| {
        send(&who, &made.id, 1_000_000, &bytes[1_000_000..]).await.is_ok()
    })
    .await;
    // After the part was written, before it is committed. A part that is announced waits for nothing but this.
    let part_is_there = stored_files(&s.suite).len();
    killed_in(
        &s,
        "commit_part",
        "SELECT 1 FROM content.uploads WHERE committed_size = 1000000 FOR KEY SHARE",
        async |who| send(&who, &made.id, 1_000_000, &bytes[1_000_000..]).await.is_ok(),
    )
    .await;
    assert!(stored_files(&s.suite).len() > part_is_there, "the part was written");
    send_the_rest(&s.mia, &made.id, &bytes).await;
    // While it becomes an attachment.
    killed_in(&s, "complete_upload", &a_row, async |who| {
        complete(&who, &made.id, &hash(&bytes)).await.is_ok()
    })
    .await;
    let attachment = complete(&s.mia, &made.id, &hash(&bytes)).await.unwrap();
    assert!(download(&s.gus, &attachment.id, 0, 0).await.unwrap().1 == bytes);
    assert_store_matches_table(&s).await;
    assert_eq!(stored_files(&s.suite).len(), 1);
}

/// Kills a replica after it has written a first part, before it commits it.
async fn killed_before_its_first_commit(s: &Team) {
    let made = create(&s.mia, upload_request(s, 10)).await.unwrap();
    killed_in(
        s,
        "commit_part",
        "SELECT 1 FROM content.uploads WHERE committed_size = 0 FOR KEY SHARE",
        async |who| send(&who, &made.id, 0, b"0123456789").await.is_ok(),
    )
    .await;
}

async fn nothing_is_left(s: &Team) {
    assert_store_matches_table(s).await;
    assert!(stored_files(&s.suite).is_empty() && recorded_files(&s.suite).await.is_empty());
}

#[tokio::test]
async fn a_part_that_was_written_and_not_committed_is_collected() {
    let s = team_with_max_bytes(ROOM).await;
    killed_before_its_first_commit(&s).await;
    assert_eq!(stored_files(&s.suite).len(), 1);
    nothing_is_left(&s).await;
}

#[tokio::test]
async fn a_part_that_was_registered_and_not_written_is_collected() {
    let s = team_with_max_bytes(ROOM).await;
    killed_before_its_first_commit(&s).await;
    // As if killed a step earlier: the row is there, and no object.
    for file in stored_files(&s.suite) {
        std::fs::remove_file(s.suite.options.own::<StorageOptions>().storage_directory.join(file)).unwrap();
    }
    assert_eq!(recorded_files(&s.suite).await.len(), 1);
    nothing_is_left(&s).await;
}

#[tokio::test]
async fn an_object_that_is_already_deleted_does_not_stop_the_collector() {
    let s = team_with_max_bytes(ROOM).await;
    let made = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    until("stored", async || stored_files(&s.suite).len() == 1).await;
    // As if killed in between: the object is gone, and its row is there.
    let path = s.suite.options.own::<StorageOptions>().storage_directory.join(&stored_files(&s.suite)[0]);
    std::fs::remove_file(path).unwrap();
    let request = pb::DeleteAttachmentRequest { attachment_id: made.id, ..Default::default() };
    s.olga.attachments().delete_attachment(request).await.unwrap();
    assert_store_matches_table(&s).await;
    until_nothing_is_kept(&s.suite).await;
}

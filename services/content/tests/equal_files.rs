//! Equal files are stored once, and nobody is told.

use diesel_async::SimpleAsyncConnection;
use local_servers::suite::Role;
use proto::content::v1 as pb;
use testkit::*;

use crate::fixtures::{
    count, download, header, noise, pass_grace_period, stored_files, team, team_with_max_bytes, to_project,
    until, upload,
};
use crate::interrupted_uploads::assert_store_matches_table;
use crate::resumable_uploads::{complete, create, hash, new_upload, request_for, send, upload_request};

#[tokio::test]
async fn ten_concurrent_uploads_of_equal_bytes_store_one_object() {
    let s = team().await;
    let bytes = noise(600_000);
    let uploads = (0..10).map(|n| {
        let (s, bytes) = (&s, &bytes);
        async move {
            if n % 2 == 0 {
                return upload(&s.mia, header(&s.project), bytes, 70_000).await.unwrap();
            }
            let resumable = create(&s.mia, upload_request(s, bytes.len())).await.unwrap();
            send(&s.mia, &resumable.id, 0, bytes).await.unwrap();
            complete(&s.mia, &resumable.id, &hash(bytes)).await.unwrap()
        }
    });
    let made = futures::future::join_all(uploads).await;
    until("one object", async || stored_files(&s.suite).len() == 1).await;
    assert_eq!((count(&s.suite, "blobs").await, count(&s.suite, "file_attachments").await), (1, 10));
    for attachment in &made {
        assert!(download(&s.gus, &attachment.id, 0, 0).await.unwrap().1 == bytes);
    }
    assert_store_matches_table(&s).await;
    assert_eq!(stored_files(&s.suite).len(), 1);
}

#[tokio::test]
async fn knowing_a_hash_does_not_give_access_to_the_bytes() {
    let s = team().await;
    let secret = upload(&s.mia, header(&s.project), b"secret", 6).await.unwrap();
    let other = s.sam.project("elsewhere").await;
    let request = request_for(pb::Upload {
        target: to_project(&other.id),
        sha256: secret.sha256.clone(),
        ..new_upload(&s, 6)
    });
    // All bytes must be sent, and the right ones.
    let probe = create(&s.sam, request).await.unwrap();
    assert_eq!(probe.committed_offset, 0);
    let incomplete = complete(&s.sam, &probe.id, &secret.sha256).await.unwrap_err();
    assert_eq!(summary(&incomplete), "FAILED_PRECONDITION UPLOAD_INCOMPLETE");
    send(&s.sam, &probe.id, 0, b"guess!").await.unwrap();
    let wrong = complete(&s.sam, &probe.id, &secret.sha256).await.unwrap_err();
    assert_eq!(summary(&wrong), "DATA_LOSS CHECKSUM_MISMATCH");

    // PostgreSQL tells the role of requests nothing about blobs, and no part of what one may not see.
    let mut conn = s.suite.connect_as(Role::requests_of("content")).await;
    assert!(conn.batch_execute("SELECT 1 FROM content.blobs").await.is_err());
    for writing in ["UPDATE content.uploads SET state = 'completed'", "DELETE FROM content.stored_parts"] {
        assert!(conn.batch_execute(writing).await.is_err(), "{writing}");
    }
    conn.batch_execute(&format!("SET app.current_user_id = '{}'", s.sam.id)).await.unwrap();
    let leaks = "DO $$ BEGIN IF EXISTS (SELECT 1 FROM content.stored_parts p JOIN content.file_attachments f USING (blob_id)) \
                 OR (SELECT count(*) FROM content.stored_parts) > 1 THEN RAISE 'leak'; END IF; END $$";
    conn.batch_execute(leaks).await.unwrap();
}

/// Deletions whose grace is over, and uploads of the same bytes, all at once and again and again.
#[tokio::test]
async fn the_collector_never_deletes_a_blob_that_a_new_upload_uses() {
    let s = team_with_max_bytes(1_000_000).await;
    let bytes = noise(50_000);
    for _ in 0..12 {
        let doomed = upload(&s.mia, header(&s.project), &bytes, 50_000).await.unwrap();
        let request = pb::DeleteAttachmentRequest { attachment_id: doomed.id, ..Default::default() };
        s.olga.attachments().delete_attachment(request).await.unwrap();
        until("noted", async || count(&s.suite, "blobs WHERE released_at IS NOT NULL").await > 0).await;
        let uploads = (0..4).map(|n| {
            let (s, bytes) = (&s, &bytes);
            async move {
                if n == 1 {
                    pass_grace_period(&s.suite);
                }
                upload(&s.mia, header(&s.project), bytes, 50_000).await.unwrap()
            }
        });
        let made = futures::future::join_all(uploads).await;
        until("looked at", async || {
            // The deletion may be noted only now, and its grace begin.
            pass_grace_period(&s.suite);
            count(&s.suite, "blobs WHERE released_at IS NOT NULL").await == 0
        })
        .await;
        for attachment in made {
            assert!(download(&s.gus, &attachment.id, 0, 0).await.unwrap().1 == bytes);
            let request = pb::DeleteAttachmentRequest { attachment_id: attachment.id, ..Default::default() };
            s.olga.attachments().delete_attachment(request).await.unwrap();
        }
    }
    assert_store_matches_table(&s).await;
    until("nothing left", async || stored_files(&s.suite).is_empty()).await;
}

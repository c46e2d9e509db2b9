//! Equal files are stored once, and nobody is told.

use diesel_async::SimpleAsyncConnection;
use local_servers::suite::Role;
use proto::content::v1 as pb;
use testkit::*;

use crate::fixtures::{
    count, download, header, let_the_grace_pass, noise, scene, scene_with_room, stored_files, until, upload,
};
use crate::resuming::folder_and_table_agree;
use crate::uploads::{complete, create, hash, send, wish};

#[tokio::test]
async fn ten_uploads_of_equal_bytes_at_the_same_time_make_one_object() {
    let s = scene().await;
    let bytes = noise(600_000);
    let uploads = (0..10).map(|n| {
        let (s, bytes) = (&s, &bytes);
        async move {
            if n % 2 == 0 {
                return upload(&s.mia, header(&s.project), bytes, 70_000).await.unwrap();
            }
            let resumable = create(&s.mia, wish(s, bytes.len())).await.unwrap();
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
    folder_and_table_agree(&s).await;
    assert_eq!(stored_files(&s.suite).len(), 1);
}

#[tokio::test]
async fn a_hash_gives_nobody_the_bytes() {
    let s = scene().await;
    let secret = upload(&s.mia, header(&s.project), b"secret", 6).await.unwrap();
    let other = s.sam.project("elsewhere").await;
    let wish =
        pb::CreateUploadRequest { entity_id: other.id.clone(), sha256: secret.sha256.clone(), ..wish(&s, 6) };
    // All bytes are asked for, and the right ones.
    let probe = create(&s.sam, wish).await.unwrap();
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
async fn the_collector_never_takes_what_an_upload_has_just_begun_to_use() {
    let s = scene_with_room(1_000_000).await;
    let bytes = noise(50_000);
    for _ in 0..12 {
        let doomed = upload(&s.mia, header(&s.project), &bytes, 50_000).await.unwrap();
        let wish = pb::DeleteAttachmentRequest { attachment_id: doomed.id };
        s.olga.attachments().delete_attachment(wish).await.unwrap();
        until("noted", async || count(&s.suite, "blobs WHERE released_at IS NOT NULL").await > 0).await;
        let uploads = (0..4).map(|n| {
            let (s, bytes) = (&s, &bytes);
            async move {
                if n == 1 {
                    let_the_grace_pass(&s.suite);
                }
                upload(&s.mia, header(&s.project), bytes, 50_000).await.unwrap()
            }
        });
        let made = futures::future::join_all(uploads).await;
        until("looked at", async || {
            // The deletion may be noted only now, and its grace begin.
            let_the_grace_pass(&s.suite);
            count(&s.suite, "blobs WHERE released_at IS NOT NULL").await == 0
        })
        .await;
        for attachment in made {
            assert!(download(&s.gus, &attachment.id, 0, 0).await.unwrap().1 == bytes);
            let wish = pb::DeleteAttachmentRequest { attachment_id: attachment.id };
            s.olga.attachments().delete_attachment(wish).await.unwrap();
        }
    }
    folder_and_table_agree(&s).await;
    until("nothing left", async || stored_files(&s.suite).is_empty()).await;
}

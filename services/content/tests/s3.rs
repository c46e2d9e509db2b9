//! The same over a bucket: a real server that speaks S3, in a process of its own.

use crate::harness::{bucket_options, harness};
use content::storage::StorageOptions;
use proto::content::v1 as pb;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::*;

use crate::fixtures::{
    download, header, noise, pass_grace_period, recorded_files, team_on, until, upload,
    wait_for_recorded_deletions,
};
use crate::interrupted_uploads::send_the_rest;
use crate::resumable_uploads::{complete, create, hash, send, upload_request};

#[tokio::test]
async fn files_are_stored_in_a_bucket_as_in_a_directory() {
    const SIZE: usize = 17 * 1024 * 1024 + 5;
    let bucket = Bucket::start().await;
    let suite = harness()
        .start_with(|options| {
            options.own_mut::<StorageOptions>().bucket = bucket_options(&bucket);
            options.own_mut::<StorageOptions>().limits.max_attachment_bytes = SIZE as u64;
        })
        .await;
    let s = team_on(suite).await;
    let bytes = noise(SIZE);

    let resumable = create(&s.mia, upload_request(&s, SIZE)).await.unwrap();
    let mut random = StdRng::seed_from_u64(3);
    let mut offset = 0;
    for _ in 0..6 {
        let to = (offset + random.random_range(1..4_000_000)).min(SIZE);
        offset =
            send(&s.mia, &resumable.id, offset, &bytes[offset..to]).await.unwrap().committed_offset as usize;
    }
    send_the_rest(&s.mia, &resumable.id, &bytes).await;
    let one = complete(&s.mia, &resumable.id, &hash(&bytes)).await.unwrap();
    let two = upload(&s.mia, header(&s.project), &bytes, 500_000).await.unwrap();
    assert!(download(&s.gus, &one.id, 0, 0).await.unwrap().1 == bytes);
    let (_, range, _) = download(&s.gus, &two.id, 8_000_000, 9_000_000).await.unwrap();
    assert!(range == bytes[8_000_000..17_000_000]);

    let agree = async || {
        let recorded: Vec<_> = recorded_files(&s.suite).await;
        recorded.iter().all(|(_, state)| state == "stored")
            && bucket.objects() == recorded.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
    };
    s.suite.options.clock.advance(chrono::TimeDelta::days(2));
    until("bucket and table agree", agree).await;
    assert_eq!(bucket.objects().len(), 3);
    for id in [one.id, two.id] {
        let request = pb::DeleteAttachmentRequest { attachment_id: id, ..Default::default() };
        s.olga.attachments().delete_attachment(request).await.unwrap();
    }
    wait_for_recorded_deletions(&s.suite).await;
    pass_grace_period(&s.suite);
    until("nothing left", async || bucket.objects().is_empty()).await;
    until("no rows left", async || recorded_files(&s.suite).await.is_empty()).await;
}

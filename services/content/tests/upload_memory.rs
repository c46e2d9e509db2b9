//! What uploads hold in memory: one address cannot take all of it.

use futures::{StreamExt, stream};
use testkit::*;

use crate::fixtures::{noise, team_on, until};
use crate::harness::harness;
use crate::resumable_uploads::{cancel, chunks, create, get, send, upload_request};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_stalled_upload_counts_until_it_ends_and_a_refused_one_keeps_what_arrived() {
    // A quarter, 12 MiB, is for one address: a part of 8 MiB, and not another.
    let limit = |options: &mut SuiteOptions| options.common.limits.max_bytes_in_flight = 48 * MIB as u64;
    let s = team_on(harness().start_with(limit).await).await;
    let bytes = noise(7 * MIB);
    let stalled = create(&s.mia, upload_request(&s, bytes.len())).await.unwrap();
    let messages = stream::iter(chunks(&stalled.id, 0, &bytes)).chain(stream::pending());
    let mut uploads = s.mia.attachments();
    let stalled_call = tokio::spawn(async move { uploads.upload_chunks(messages).await });

    until("refused", async || {
        let upload = create(&s.mia, upload_request(&s, bytes.len())).await.unwrap();
        match send(&s.mia, &upload.id, 0, &bytes).await {
            // The stalled one has not been counted yet.
            Ok(_) => {
                cancel(&s.mia, &upload.id).await.unwrap();
                false
            }
            Err(refusal) => {
                assert_eq!(summary(&refusal), "RESOURCE_EXHAUSTED OVERLOADED");
                assert!(get(&s.mia, &upload.id).await.unwrap().committed_offset > 0);
                true
            }
        }
    })
    .await;

    stalled_call.abort();
    let upload = create(&s.mia, upload_request(&s, bytes.len())).await.unwrap();
    until("accepted", async || {
        let offset = usize::try_from(get(&s.mia, &upload.id).await.unwrap().committed_offset).unwrap();
        send(&s.mia, &upload.id, offset, &bytes[offset..]).await.is_ok()
    })
    .await;
}

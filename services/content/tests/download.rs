use expect_test::expect;
use testkit::*;

use crate::fixtures::{download, header, noise, team, until, upload};

#[tokio::test]
async fn any_range_of_a_file_is_downloaded() {
    let s = team().await;
    let bytes = noise(600_000);
    let id = upload(&s.mia, header(&s.project), &bytes, 100_000).await.unwrap().id;
    for (offset, length, expected) in [
        (0, 10, &bytes[..10]),
        (599_990, 0, &bytes[599_990..]),
        (262_143, 262_146, &bytes[262_143..524_289]),
        (599_999, i64::MAX, &bytes[599_999..]),
        (600_000, 0, &[]),
    ] {
        let (attachment, part, _) = download(&s.gus, &id, offset, length).await.unwrap();
        assert!(part == expected, "{offset} {length}");
        assert_eq!(attachment.file_size, 600_000);
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_is_refused() {
    let s = team().await;
    let id = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap().id;
    let beyond = download(&s.mia, &id, 4, 0).await.unwrap_err();
    assert_eq!(violations(&beyond), ["offset"]);
    let garbage = download(&s.mia, "x", -1, -1).await.unwrap_err();
    assert_eq!(violations(&garbage), ["attachment_id", "offset", "length"]);
}

#[tokio::test]
async fn strangers_download_only_from_public_projects() {
    let s = team().await;
    let id = upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap().id;
    let nobody = s.suite.anonymous();
    let by_stranger = download(&s.sam, &id, 0, 0).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let by_nobody = download(&nobody, &id, 0, 0).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_nobody));
    let unknown = download(&s.mia, &new_id(), 0, 0).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&unknown));

    s.publish_project().await;
    until("public", async || download(&nobody, &id, 0, 0).await.is_ok()).await;
    assert_eq!(download(&nobody, &id, 0, 0).await.unwrap().1, b"abc");
}

//! `dafnck files` as a process: copies of attachments at a second place.

use crate::harness::{bucket_options, harness};
use std::fs;
use std::path::{Path, PathBuf};

use ::content::storage::Storage;
use ::content::storage::{BucketOptions, FileLimits, StorageOptions};
use dafnck::backup::copies::{ConcurrentRunError, Copies, CopyReader};
use dafnck::backup::files::sync;
use diesel_async::SimpleAsyncConnection;
use futures::stream;
use proto::content::v1 as content;
use proto::content::v1::download_attachment_response;
use proto::content::v1::upload_attachment_request::Part;
use proto::project::v1::Project;
use tempfile::TempDir;
use testkit::{Actor, Bucket, Suite};

use crate::dafnck::{CommandOutput, dafnck};

const DAMAGED: &str = "not all copies are as they should be:\n";

/// Uploads a file of these bytes to a project.
pub async fn upload(who: &Actor, project: &Project, bytes: &'static str) -> content::Attachment {
    let messages = stream::iter(upload_messages(project, bytes));
    who.attachments().upload_attachment(messages).await.unwrap().into_inner()
}

/// The messages that upload a file to a project.
pub fn upload_messages(project: &Project, bytes: &'static str) -> [content::UploadAttachmentRequest; 2] {
    let header = content::UploadHeader {
        target: Some(content::ContentTarget {
            target: Some(content::content_target::Target::ProjectId(project.id.clone())),
        }),
        filename: "plan.txt".to_owned(),
        ..Default::default()
    };
    let parts = [Part::Header(header), Part::Chunk(bytes.into())];
    parts.map(|part| content::UploadAttachmentRequest { part: Some(part) })
}

/// What a download brings.
async fn download(who: &Actor, attachment: &content::Attachment) -> Result<Vec<u8>, tonic::Status> {
    let request =
        content::DownloadAttachmentRequest { attachment_id: attachment.id.clone(), ..Default::default() };
    let mut stream = who.attachments().download_attachment(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(message) = stream.message().await? {
        if let Some(download_attachment_response::Part::Chunk(chunk)) = message.part {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes)
}

/// A suite with two attachments, and where its copies go.
struct Fixture {
    suite: Suite,
    olga: Actor,
    attachments: [content::Attachment; 2],
    copies: Vec<(&'static str, String)>,
}

impl Fixture {
    async fn with(copies: Vec<(&'static str, String)>) -> Self {
        let suite = harness().start().await;
        let olga = suite.guest("olga").await;
        let project = olga.project("apollo").await;
        let attachments = [upload(&olga, &project, "up").await, upload(&olga, &project, "and down").await];
        Self { suite, olga, attachments, copies }
    }

    fn store(&self) -> &Path {
        &self.suite.options.own::<StorageOptions>().storage_directory
    }

    async fn files(&self, arguments: &[&str], with_database: bool) -> CommandOutput {
        let mut variables: Vec<(&str, &str)> =
            self.copies.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.push(("DAFNCK_STORAGE_DIRECTORY", self.store().to_str().unwrap()));
        let url = self.suite.admin_url_of("content");
        if with_database {
            variables.push(("DAFNCK_ADMIN_URL", url.expose()));
        }
        dafnck(&[&["files"], arguments].concat(), &variables).await
    }

    async fn succeeds(&self, arguments: &[&str], with_database: bool) -> String {
        let ran = self.files(arguments, with_database).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out
    }

    /// Loses everything, has it back, and finds a copy that is `lost` by then.
    async fn is_lost_and_restored(&self, lose: impl FnOnce() -> String) {
        let kept = self.succeeds(&["sync"], false).await;
        assert_eq!(kept, "2 copies; 2 new with 10 bytes, 0 repaired, 0 removed\n");
        let again = self.succeeds(&["sync"], false).await;
        assert_eq!(again, "2 copies; 0 new with 0 bytes, 0 repaired, 0 removed\n");
        let checked = self.succeeds(&["check"], true).await;
        assert!(
            checked.ends_with("2 objects with 10 bytes are referred to, 0 are younger than that\n"),
            "{checked}"
        );

        fs::remove_dir_all(self.store()).unwrap();
        fs::create_dir(self.store()).unwrap();
        download(&self.olga, &self.attachments[0]).await.unwrap_err();
        let restored = self.succeeds(&["restore"], true).await;
        assert_eq!(restored, "restored 2 objects with 10 bytes\n");
        for (attachment, bytes) in self.attachments.iter().zip(["up", "and down"]) {
            assert_eq!(download(&self.olga, attachment).await.unwrap(), bytes.as_bytes());
        }

        let lost = lose();
        let check = self.files(&["check"], false).await;
        assert_eq!(check.code, Some(1));
        assert!(check.err.contains(DAMAGED) && check.err.contains(&lost), "{check:?}");
        let repaired = self.succeeds(&["sync"], false).await;
        assert_eq!(repaired, "2 copies; 0 new with 0 bytes, 1 repaired, 0 removed\n");
        self.succeeds(&["check"], true).await;
    }
}

/// Where copies go that are in a bucket.
fn in_bucket(bucket: &Bucket) -> Vec<(&'static str, String)> {
    vec![
        ("DAFNCK_COPY_URL", "s3://files/suite".to_owned()),
        ("DAFNCK_COPY_ENDPOINT", bucket.endpoint()),
        ("DAFNCK_COPY_ACCESS_KEY_ID", "id".to_owned()),
        ("DAFNCK_COPY_SECRET_ACCESS_KEY", "key".to_owned()),
    ]
}

/// The first file below a directory.
fn first_below(directory: &Path) -> PathBuf {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    if paths[0].is_dir() { first_below(&paths[0]) } else { paths.remove(0) }
}

#[tokio::test]
async fn attachments_come_back_from_a_directory_and_a_damaged_copy_is_named() {
    let directory = TempDir::new().unwrap();
    let copies = directory.path().join("copies");
    let fixture = Fixture::with(vec![("DAFNCK_COPY_DIRECTORY", copies.to_str().unwrap().to_owned())]).await;
    let early = fixture.files(&["check"], false).await;
    assert!(early.code == Some(1) && early.err.contains("holds no copies of files"), "{early:?}");
    let damage = || {
        let path = first_below(&copies.join("files"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(&path, bytes).unwrap();
        let name = path.strip_prefix(copies.join("files")).unwrap().display().to_string();
        format!("the copy of {name} is damaged")
    };
    fixture.is_lost_and_restored(damage).await;
}

#[tokio::test]
async fn attachments_come_back_from_a_bucket_and_a_lost_copy_is_named() {
    let bucket = Bucket::start().await;
    let fixture = Fixture::with(in_bucket(&bucket)).await;
    let lose = || {
        let name = bucket.objects().into_iter().find(|name| name.starts_with("files/")).unwrap();
        bucket.delete(&name);
        format!("the copy of {} is missing", name.strip_prefix("files/").unwrap())
    };
    fixture.is_lost_and_restored(lose).await;
    assert!(bucket.objects().contains(&"files.manifest".to_owned()));
}

/// A store in a directory, with one object.
async fn store_with(directory: &TempDir, name: &str) -> Storage {
    let store = Storage::open(&StorageOptions {
        storage_directory: directory.path().to_owned(),
        bucket: BucketOptions::default(),
        limits: FileLimits::default(),
    });
    let store = store.unwrap();
    store.put(name, name.as_bytes().to_vec()).await.unwrap();
    store
}

#[tokio::test]
async fn of_two_runs_in_one_bucket_none_forgets_what_the_other_has_copied() {
    let bucket = Bucket::start().await;
    let [one, other] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [one, other] = [store_with(&one, "parts/one").await, store_with(&other, "parts/other").await];
    let now = chrono::Utc::now();
    let begin = async || Copies::in_bucket(&bucket_options(&bucket)).await.unwrap();
    // The second begins before the first has ended, and ends later.
    let [mut first, mut second] = [begin().await, begin().await];

    sync(&one, &mut first, now).await.unwrap();
    let overtaken = sync(&other, &mut second, now).await.unwrap_err();
    sync(&one, &mut first, now).await.expect("the first may go on");

    assert!(overtaken.is::<ConcurrentRunError>(), "{overtaken:#}");
    sync(&other, &mut begin().await, now).await.unwrap();
    let kept = CopyReader::in_bucket(&bucket_options(&bucket)).await.unwrap();
    assert_eq!(kept.entries.keys().collect::<Vec<_>>(), ["parts/one", "parts/other"]);
    for name in ["parts/one", "parts/other"] {
        assert_eq!(kept.read(name).await.unwrap(), name.as_bytes());
    }
}

#[tokio::test]
async fn of_two_processes_at_once_in_one_bucket_both_succeed() {
    let bucket = Bucket::start().await;
    let fixture = Fixture::with(in_bucket(&bucket)).await;
    let ran = futures::future::join_all((0..3).map(|_| fixture.files(&["sync"], false))).await;
    for ran in ran {
        assert!(ran.code == Some(0) && ran.out.starts_with("2 copies; "), "{ran:?}");
    }
    let checked = fixture.succeeds(&["check"], true).await;
    assert!(checked.contains("2 objects with 10 bytes are referred to, 0 are younger"), "{checked}");
}

#[tokio::test]
async fn a_copy_outlives_its_object_by_31_days_and_what_is_younger_than_the_copies_is_not_missed() {
    let directory = TempDir::new().unwrap();
    let fixture =
        Fixture::with(vec![("DAFNCK_COPY_DIRECTORY", directory.path().to_str().unwrap().to_owned())]).await;
    fixture.succeeds(&["sync"], false).await;
    fs::remove_file(first_below(fixture.store())).unwrap();
    fixture.succeeds(&["sync"], false).await;
    let manifest = directory.path().join("files.manifest");
    let seen = |days: i64| {
        let gone_at = chrono::Utc::now() - chrono::TimeDelta::days(days);
        let text = fs::read_to_string(&manifest).unwrap();
        let lines = text.lines().map(|line| {
            let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
            if entry.get("gone_at").is_some() {
                entry["gone_at"] = gone_at.to_rfc3339().into();
            }
            format!("{entry}\n")
        });
        fs::write(&manifest, lines.collect::<String>()).unwrap();
    };
    seen(30);
    assert_eq!(
        fixture.succeeds(&["sync"], false).await,
        "2 copies; 0 new with 0 bytes, 0 repaired, 0 removed\n"
    );
    seen(32);
    assert_eq!(
        fixture.succeeds(&["sync"], false).await,
        "1 copies; 0 new with 0 bytes, 0 repaired, 1 removed\n"
    );

    // Of what the database refers to, one has no copy: missed if it was there at the last copying, not if it came later.
    let mut admin = fixture.suite.admin_of("content").await;
    let earlier = "UPDATE content.stored_parts SET changed_at = now() - interval '1 hour'";
    admin.batch_execute(earlier).await.unwrap();
    let missed = fixture.files(&["check"], true).await;
    assert!(missed.code == Some(1) && missed.err.contains("is not in the backup"), "{missed:?}");
    let later = "UPDATE content.stored_parts SET changed_at = now() + interval '1 minute'";
    admin.batch_execute(later).await.unwrap();
    let checked = fixture.succeeds(&["check"], true).await;
    assert!(
        checked.ends_with("1 objects with 8 bytes are referred to, 1 are younger than that\n")
            || checked.ends_with("1 objects with 2 bytes are referred to, 1 are younger than that\n"),
        "{checked}"
    );

    let stale = chrono::Utc::now() - chrono::TimeDelta::hours(27);
    fs::write(directory.path().join("files.kept"), stale.to_rfc3339()).unwrap();
    let stale = fixture.files(&["check"], false).await;
    assert!(stale.code == Some(1) && stale.err.contains("for more than 26 hours"), "{stale:?}");
}

#[tokio::test]
async fn who_does_not_say_where_the_copies_go_is_told() {
    let nowhere = dafnck(&["files", "sync"], &[]).await;
    assert_eq!(nowhere.code, Some(2));
    assert!(nowhere.err.contains("--copy-directory"), "{nowhere:?}");
    let both = dafnck(&["files", "check", "--copy-directory", "a", "--copy-url", "s3://b"], &[]).await;
    assert_eq!(both.code, Some(2), "{both:?}");
}

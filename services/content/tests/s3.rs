//! The same over a bucket: a real server that speaks S3, in a process of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use shared::local;
use shared::proto::content::v1 as pb;
use shared::storage::BucketOptions;
use suite::testing::*;

use crate::resuming::send_the_rest;
use crate::scene::{
    deletions_noted, download, header, let_the_grace_pass, noise, recorded_files, scene_on, until, upload,
};
use crate::uploads::{complete, create, hash, send, wish};

const SERVER: &str = "moto-5.2.1";
const PACKAGES: [&str; 5] = ["moto==5.2.1", "flask", "flask-cors", "py-partiql-parser", "PyYAML"];
const START_LIMIT: Duration = Duration::from_secs(120);
/// Ends the server when its standard input ends, which it does with this process, however that ends.
const GUARDED: &str = r#""$@" & pid=$!; cat >/dev/null; kill -9 $pid; wait"#;

struct Bucket {
    guard: Child,
    port: u16,
}

impl Bucket {
    async fn start() -> Self {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache");
        let packages =
            local::python_packages(&cache, SERVER, &PACKAGES, |step| eprintln!("{step}")).await.unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let guard = Command::new("/bin/sh")
            .args([
                "-c",
                GUARDED,
                "sh",
                "python3",
                "-m",
                "moto.server",
                "-H",
                "127.0.0.1",
                "-p",
                &port.to_string(),
            ])
            .env("PYTHONPATH", packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bucket = Self { guard, port };
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(start.elapsed() < START_LIMIT, "the server does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bucket.request("PUT /files");
        bucket
    }

    fn options(&self) -> BucketOptions {
        BucketOptions {
            storage_url: Some("s3://files/suite".to_owned()),
            storage_endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            storage_region: None,
            storage_access_key_id: Some("id".to_owned()),
            storage_secret_access_key: Some("key".into()),
        }
    }

    fn request(&self, line: &str) -> String {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let head = "Host: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close";
        write!(connection, "{line} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// Names of the objects below the prefix.
    fn objects(&self) -> Vec<String> {
        let listed = self.request("GET /files?list-type=2");
        let mut names: Vec<String> = listed
            .split("<Key>suite/")
            .skip(1)
            .map(|rest| rest.split("</Key>").next().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
    }
}

#[tokio::test]
async fn files_live_in_a_bucket_as_they_do_in_a_folder() {
    const SIZE: usize = 17 * 1024 * 1024 + 5;
    let bucket = Bucket::start().await;
    let suite = Suite::start_with(|options| {
        options.storage.bucket = bucket.options();
        options.storage.limits.max_attachment_bytes = SIZE as u64;
    })
    .await;
    let s = scene_on(suite).await;
    let bytes = noise(SIZE);

    let resumable = create(&s.mia, wish(&s, SIZE)).await.unwrap();
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
        let wish = pb::DeleteAttachmentRequest { attachment_id: id };
        s.olga.attachments().delete_attachment(wish).await.unwrap();
    }
    deletions_noted(&s.suite).await;
    let_the_grace_pass(&s.suite);
    until("nothing left", async || bucket.objects().is_empty()).await;
    until("no rows left", async || recorded_files(&s.suite).await.is_empty()).await;
}

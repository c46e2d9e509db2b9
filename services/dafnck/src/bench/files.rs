//! Files: upload and download beside `cp` on the same disk.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use proto::content::v1 as content;
use proto::content::v1::attachment_service_client::AttachmentServiceClient;
use proto::content::v1::content_target::Target;
use proto::content::v1::download_attachment_response::Part as Downloaded;
use proto::content::v1::upload_attachment_request::Part;
use tokio::process::Command;

use super::figure::{Figure, median};
use super::suite::{BenchSuite, Fixtures};

const MEGABYTE: usize = 1 << 20;
const REPEATS: usize = 3;

/// MiB per second of `cp` and `sync`, of an upload and of a download.
pub(super) async fn measure(
    suite: &BenchSuite,
    fixtures: &Fixtures,
    megabytes: usize,
) -> anyhow::Result<Vec<Figure>> {
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for turn in 0..REPEATS {
        // No two are alike: equal bytes are stored once.
        let bytes: Vec<u8> = (0..megabytes * MEGABYTE).map(|index| (index % 251 + turn) as u8).collect();
        let copied = copy(suite.directory(), &bytes).await?;
        let began = Instant::now();
        let attachment_id = upload(suite, fixtures, bytes).await?;
        let uploaded = began.elapsed();
        let began = Instant::now();
        let received = download(suite, fixtures, attachment_id).await?;
        ensure!(received == megabytes * MEGABYTE, "the download has another size");
        for (rates, took) in rates.iter_mut().zip([copied, uploaded, began.elapsed()]) {
            rates.push(megabytes as f64 / took.as_secs_f64());
        }
    }
    let names = ["cp and sync", "upload", "download"];
    let figure = |(name, rates): (&str, Vec<f64>)| {
        Figure::new(format!("{name}, {megabytes} MiB"), median(rates).unwrap_or_default(), "MiB/s")
    };
    Ok(names.into_iter().zip(rates).map(figure).collect())
}

/// How long it takes to copy a file with these bytes until the copy is on the disk, as an upload is.
async fn copy(directory: &Path, bytes: &[u8]) -> anyhow::Result<Duration> {
    let [from, to] = ["from", "to"].map(|name| directory.join(name));
    std::fs::write(&from, bytes)?;
    let began = Instant::now();
    let copied = Command::new("cp").arg("--").arg(&from).arg(&to).status().await?;
    ensure!(copied.success(), "cp failed");
    std::fs::File::open(&to)?.sync_all()?;
    Ok(began.elapsed())
}

async fn upload(suite: &BenchSuite, fixtures: &Fixtures, bytes: Vec<u8>) -> anyhow::Result<String> {
    let target = content::ContentTarget { target: Some(Target::ProjectId(fixtures.project_id.clone())) };
    let header = content::UploadHeader {
        target: Some(target),
        filename: "benchmark.bin".to_owned(),
        ..Default::default()
    };
    let chunks: Vec<_> = bytes.chunks(MEGABYTE).map(|chunk| Part::Chunk(chunk.to_vec().into())).collect();
    let parts = std::iter::once(Part::Header(header)).chain(chunks);
    let messages = parts.map(|part| content::UploadAttachmentRequest { part: Some(part) });
    let request = fixtures.request(futures::stream::iter(messages.collect::<Vec<_>>()));
    let mut client = AttachmentServiceClient::new(suite.services().content.next());
    Ok(client.upload_attachment(request).await?.into_inner().id)
}

/// The bytes that came.
async fn download(suite: &BenchSuite, fixtures: &Fixtures, attachment_id: String) -> anyhow::Result<usize> {
    let request = content::DownloadAttachmentRequest { attachment_id, ..Default::default() };
    let mut client = AttachmentServiceClient::new(suite.services().content.next());
    let mut stream = client.download_attachment(fixtures.request(request)).await?.into_inner();
    let mut received = 0;
    while let Some(message) = stream.message().await? {
        match message.part.context("an empty message")? {
            Downloaded::Attachment(_) => {}
            Downloaded::Chunk(chunk) => received += chunk.len(),
        }
    }
    Ok(received)
}

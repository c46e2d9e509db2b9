//! The bytes of attachments: each once, under a name made of their hash, so that equal content has equal paths. A file
//! appears when it is whole and has the hash that its name tells.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, ensure};
use proto::content::admin::v1::ExportFileRequest;
use proto::content::admin::v1::content_admin_service_client::ContentAdminServiceClient;
use sha2::{Digest, Sha256};
use shared::server::MAX_MESSAGE_BYTES;
use shared::siblings::{Sibling, SiblingChannel, Siblings};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tonic::{Code, Status};

use super::line_writer::{directory_of, is_standard_output};
use super::report::Report;
use crate::call_error::explain;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// The directory of the files.
pub(super) struct Files {
    /// The directory of the export.
    root: PathBuf,
    /// As paths in the export begin.
    directory: String,
    client: ContentAdminServiceClient<SiblingChannel>,
    /// The hashes that are there: some hundred bytes each.
    kept: HashSet<String>,
}

impl Files {
    /// In a directory beside the export, to which the import can find its way back.
    pub(super) fn beside(export: &Path, directory: &Path, services: &Siblings) -> anyhow::Result<Self> {
        let plain = directory.components().all(|part| matches!(part, Component::Normal(_)));
        let text = directory.to_str().filter(|text| plain && !text.is_empty());
        let directory = text.with_context(|| {
            format!("the directory {} must be one inside of the directory of the file", directory.display())
        })?;
        let root = if is_standard_output(export) { Path::new(".") } else { directory_of(export) };
        let client = ContentAdminServiceClient::new(services.channel(Sibling::Content))
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let directory = directory.trim_end_matches('/').to_owned();
        Ok(Self { root: root.to_owned(), directory, client, kept: HashSet::new() })
    }

    /// Sees to it that the bytes with this hash are there, and tells their path. `None` if the service has them no longer.
    pub(super) async fn keep(&mut self, hash: &str, report: &mut Report) -> anyhow::Result<Option<String>> {
        let (start, _) = hash.split_at_checked(2).context("a service told a malformed hash")?;
        let path = format!("{}/{start}/{hash}", self.directory);
        if self.kept.contains(hash) {
            return Ok(Some(path));
        }
        let target = self.root.join(&path);
        let bytes = match whole(&target, hash).await? {
            Some(bytes) => Some(bytes),
            None => self.fetch(hash, &target).await.with_context(|| format!("the file {path}"))?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        report.count_file(bytes);
        self.kept.insert(hash.to_owned());
        Ok(Some(path))
    }

    /// Fetches bytes, and tells how many; `None` if they are gone.
    async fn fetch(&self, hash: &str, target: &Path) -> anyhow::Result<Option<u64>> {
        let request = ExportFileRequest { sha256: hash.to_owned() };
        let mut chunks = match self.client.clone().export_file(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(explain(status)),
        };
        let temporary = begin(target.to_owned()).await?;
        let mut file = tokio::fs::File::from_std(temporary.reopen()?);
        let (mut sum, mut bytes) = (Sha256::new(), 0);
        while let Some(answer) = chunks.message().await.map_err(told_short)? {
            sum.update(&answer.chunk);
            bytes += answer.chunk.len() as u64;
            file.write_all(&answer.chunk).await?;
        }
        ensure!(hex::encode(sum.finalize()) == hash, "its bytes do not have the hash that they should have");
        file.sync_all().await?;
        temporary.persist(target).map_err(|error| error.error)?;
        Ok(Some(bytes))
    }
}

fn told_short(status: Status) -> anyhow::Error {
    explain(status).context("the service did not tell it to the end")
}

async fn begin(target: PathBuf) -> anyhow::Result<NamedTempFile> {
    let made = tokio::task::spawn_blocking(move || {
        let directory = directory_of(&target);
        std::fs::create_dir_all(directory)?;
        tempfile::Builder::new().prefix(".export-").tempfile_in(directory)
    });
    Ok(made.await??)
}

/// The size of a file that is there and has this hash.
async fn whole(path: &Path, hash: &str) -> anyhow::Result<Option<u64>> {
    let (path, hash) = (path.to_owned(), hash.to_owned());
    tokio::task::spawn_blocking(move || {
        let Ok(mut file) = File::open(&path) else { return Ok(None) };
        let (mut sum, mut size, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK_BYTES]);
        loop {
            let read = file.read(&mut chunk).with_context(|| format!("cannot read {}", path.display()))?;
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            sum.update(bytes);
            size += bytes.len() as u64;
        }
        Ok((hex::encode(sum.finalize()) == hash).then_some(size))
    })
    .await?
}

//! PassSender files: one call for each, the header first and then the bytes.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use proto::content::admin::v1::content_admin_service_client::ContentAdminServiceClient;
use proto::content::admin::v1::import_attachment_request::Part;
use proto::content::admin::v1::{ImportAttachmentRequest, ImportedAttachment};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use shared::siblings::SiblingChannel;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::file::Origin;
use super::pass;
use super::report::Refusal;
use super::streams::PassSender;
use crate::call_error::{explain, reason_of};
use crate::interchange::line::{self, Kind};

/// Bytes in a message; services take 1 MiB.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNKS_AHEAD: usize = 4;
/// Refusals of one attachment; with any other code the import cannot go on.
const REFUSALS: [Code; 6] = [
    Code::InvalidArgument,
    Code::NotFound,
    Code::AlreadyExists,
    Code::FailedPrecondition,
    Code::OutOfRange,
    Code::PermissionDenied,
];

/// The fields of a line.
type Fields = Map<String, Value>;
type Client = ContentAdminServiceClient<SiblingChannel>;

/// Sends all attachments of the file, one after the other.
pub(super) async fn send(sending: &mut PassSender<'_>, client: &Client) -> anyhow::Result<()> {
    let (sender, mut receiver) = mpsc::channel(1);
    let Origin { file, directory, .. } = sending.origin;
    let (file, directory) = (file.clone(), directory.clone());
    let reading = tokio::task::spawn_blocking(move || {
        pass::visit(&file, Kind::Attachment, |number, line| sender.blocking_send((number, line)).ok())
    });
    while let Some((number, line)) = receiver.recv().await {
        if let Err(reason) = send_one(sending, client, &directory, number, line).await? {
            sending.report.refuse(Refusal { kind: Some(Kind::Attachment), line: number, reason });
        }
        sending.progress.advance(1);
    }
    reading.await?
}

/// Refuses a line whose bytes are not to be had.
pub(super) fn check(directory: &Path, number: u64, fields: Fields) -> Result<(), String> {
    open(directory, number, Ok(fields)).map(drop)
}

/// The inner error refuses this attachment, the outer one ends the import.
async fn send_one(
    sending: &mut PassSender<'_>,
    client: &Client,
    directory: &Path,
    number: u64,
    line: Result<Fields, String>,
) -> anyhow::Result<Result<(), String>> {
    let directory = directory.to_owned();
    let opened = tokio::task::spawn_blocking(move || open(&directory, number, line)).await?;
    let (header, bytes) = match opened {
        Ok(opened) => opened,
        Err(reason) => return Ok(Err(reason)),
    };
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let reading = tokio::task::spawn_blocking(move || read(header, bytes, &sender));
    let answer = client.clone().import_attachment(ReceiverStream::new(receiver)).await;
    if let Err(error) = reading.await? {
        return Ok(Err(format!("the file cannot be read: {error}")));
    }
    match answer.map(|answer| answer.into_inner().result) {
        Ok(Some(result)) => sending.report.take(Kind::Attachment, result),
        Ok(None) => return Ok(Err("the service gave no result".to_owned())),
        Err(status) if is_refusal(&status) => return Ok(Err(reason_of(&status))),
        Err(status) => return Err(explain(status)),
    }
    Ok(Ok(()))
}

fn is_refusal(status: &Status) -> bool {
    REFUSALS.contains(&status.code())
}

type Bytes = Box<dyn Read + Send>;

fn open(
    directory: &Path,
    number: u64,
    line: Result<Fields, String>,
) -> Result<(ImportedAttachment, Bytes), String> {
    let mut fields = line?;
    let source = source(&mut fields)?;
    let mut attachment: ImportedAttachment = line::decode(Kind::Attachment, fields, number)?;
    let (sum, bytes): (Option<String>, Bytes) = match source {
        Source::Inline(bytes) => (Some(hex::encode(Sha256::digest(&bytes))), Box::new(Cursor::new(bytes))),
        Source::File(path) => {
            let path = inside(directory, &path)?;
            let sum = attachment.sha256.is_empty().then(|| sum_of(&path)).transpose()?;
            (sum, Box::new(open_file(&path)?))
        }
    };
    if attachment.sha256.is_empty() {
        attachment.sha256 = sum.unwrap_or_default();
    }
    Ok((attachment, bytes))
}

enum Source {
    Inline(Vec<u8>),
    File(String),
}

/// Takes out of a line what tells where the bytes are, which is no part of the message.
fn source(fields: &mut Fields) -> Result<Source, String> {
    let mut text =
        |name: &str, other_name: &str| match fields.remove(name).or_else(|| fields.remove(other_name)) {
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{name} is no text")),
            None => Ok(None),
        };
    match (text("contentBase64", "content_base64")?, text("path", "path")?) {
        (Some(text), None) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .map(Source::Inline)
            .map_err(|error| format!("contentBase64 is not base64: {error}")),
        (None, Some(path)) => Ok(Source::File(path)),
        _ => Err("needs either path or contentBase64".to_owned()),
    }
}

/// A file somebody else wrote must not name files of this machine that are none of its own.
fn inside(directory: &Path, path: &str) -> Result<PathBuf, String> {
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let real = |path: &Path| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
    let outside = || format!("the path {path} leads out of the file's directory");
    let found = if plain { real(&directory.join(path))? } else { return Err(outside()) };
    found.starts_with(real(directory)?).then_some(found).ok_or_else(outside)
}

fn open_file(path: &Path) -> Result<File, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let is_file = file.metadata().is_ok_and(|found| found.is_file());
    is_file.then_some(file).ok_or_else(|| format!("{} is no file", path.display()))
}

fn sum_of(path: &Path) -> Result<String, String> {
    let mut sum = Sha256::new();
    let read = chunks(open_file(path)?, |chunk| {
        sum.update(&chunk);
        Some(())
    });
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(hex::encode(sum.finalize()))
}

fn read(
    header: ImportedAttachment,
    bytes: Bytes,
    sender: &mpsc::Sender<ImportAttachmentRequest>,
) -> std::io::Result<()> {
    let send = |part| sender.blocking_send(ImportAttachmentRequest { part: Some(part) }).ok();
    if send(Part::Header(header)).is_none() {
        return Ok(());
    }
    chunks(bytes, |chunk| send(Part::Chunk(chunk.into())))
}

/// Calls with one chunk after the other until told to stop by `None`.
fn chunks(mut bytes: impl Read, mut with: impl FnMut(Vec<u8>) -> Option<()>) -> std::io::Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        bytes.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() || with(chunk).is_none() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_inside_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), "a").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", directory.path().join("link")).unwrap();
        assert!(inside(directory.path(), "a").is_ok());
        for path in ["../a", "/etc/hostname", "link", "missing", "."] {
            assert!(inside(directory.path(), path).is_err(), "{path}");
        }
    }

    #[test]
    fn bytes_come_from_one_place_only() {
        let attachment = |path: Option<&str>, content: Option<&str>| {
            let mut fields = Fields::new();
            let given = [("path", path), ("contentBase64", content)];
            fields.extend(given.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
            fields
        };
        let open = |fields| open(Path::new(""), 1, Ok(fields)).map(|(header, _)| header.sha256);
        assert_eq!(
            open(attachment(None, Some("YWJj"))).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        for wrong in
            [attachment(None, None), attachment(Some("a"), Some("YWJj")), attachment(None, Some("%"))]
        {
            assert!(open(wrong).is_err());
        }
    }
}

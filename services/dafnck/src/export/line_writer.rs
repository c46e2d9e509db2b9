//! Where the lines go: a file that appears when it is whole, or standard output. Writing waits on a thread of its own, so
//! that a slow disk or reader holds up no connection; a few blocks wait for it, and no more.

use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::output::OutputClosed;

/// Bytes that are gathered for one write.
const BLOCK_BYTES: usize = 256 * 1024;
/// Blocks that wait to be written.
const BLOCKS_AHEAD: usize = 4;

/// The lines on their way.
pub(super) struct LineWriter {
    block: Vec<u8>,
    blocks: mpsc::Sender<Vec<u8>>,
    writing: JoinHandle<anyhow::Result<Target>>,
}

enum Target {
    File { temporary: NamedTempFile, path: PathBuf, replace: bool },
    StandardOutput,
}

/// The directory of a file.
pub(super) fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether the lines go to standard output.
pub(super) fn is_standard_output(file: &Path) -> bool {
    file.as_os_str() == OsStr::new("-")
}

impl LineWriter {
    /// Begins to write. Nothing is to be seen under the file's name before the end.
    pub(super) fn create(file: &Path, replace: bool) -> anyhow::Result<Self> {
        let target = if is_standard_output(file) {
            Target::StandardOutput
        } else {
            ensure!(
                replace || !file.exists(),
                "{} is there already; --replace takes its place",
                file.display()
            );
            let temporary = tempfile::Builder::new().prefix(".export-").tempfile_in(directory_of(file));
            let temporary = temporary.with_context(|| format!("cannot write {}", file.display()))?;
            Target::File { temporary, path: file.to_owned(), replace }
        };
        let (blocks, receiver) = mpsc::channel(BLOCKS_AHEAD);
        let writing = tokio::task::spawn_blocking(move || target.write(receiver));
        Ok(Self { block: Vec::with_capacity(BLOCK_BYTES), blocks, writing })
    }

    /// Writes a line.
    pub(super) async fn write(&mut self, line: &str) -> anyhow::Result<()> {
        self.block.extend_from_slice(line.as_bytes());
        self.block.push(b'\n');
        if self.block.len() < BLOCK_BYTES {
            return Ok(());
        }
        self.flush().await
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES));
        if self.blocks.send(block).await.is_ok() {
            return Ok(());
        }
        // The writer has ended: it says why.
        match (&mut self.writing).await? {
            Err(error) => Err(error),
            Ok(_) => bail!("the lines were not written to the end"),
        }
    }

    /// Makes the file appear.
    pub(super) async fn finish(mut self) -> anyhow::Result<()> {
        self.flush().await?;
        drop(self.blocks);
        let target = self.writing.await??;
        tokio::task::spawn_blocking(|| target.appear()).await?
    }

    /// Leaves nothing behind.
    pub(super) async fn abandon(self) {
        drop(self.blocks);
        if !self.writing.is_finished() {
            let _nothing_to_tell = self.writing.await;
        }
    }
}

impl Target {
    fn write(self, mut blocks: mpsc::Receiver<Vec<u8>>) -> anyhow::Result<Self> {
        let mut out: Box<dyn Write> = match &self {
            Self::File { temporary, .. } => Box::new(temporary.as_file()),
            Self::StandardOutput => Box::new(BufWriter::new(io::stdout().lock())),
        };
        while let Some(block) = blocks.blocking_recv() {
            out.write_all(&block).map_err(|error| self.failed(error))?;
        }
        out.flush().map_err(|error| self.failed(error))?;
        drop(out);
        Ok(self)
    }

    fn appear(self) -> anyhow::Result<()> {
        let cannot = self.cannot();
        let Self::File { temporary, path, replace } = self else { return Ok(()) };
        temporary.as_file().sync_all().with_context(|| cannot.clone())?;
        let appeared = if replace { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        appeared.map_err(|error| error.error).with_context(|| cannot.clone())?;
        let directory = std::fs::File::open(directory_of(&path));
        directory.and_then(|directory| directory.sync_all()).context(cannot)
    }

    fn failed(&self, error: io::Error) -> anyhow::Error {
        if matches!(self, Self::StandardOutput) && error.kind() == io::ErrorKind::BrokenPipe {
            return OutputClosed.into();
        }
        anyhow::Error::new(error).context(self.cannot())
    }

    fn cannot(&self) -> String {
        match self {
            Self::File { path, .. } => format!("cannot write {}", path.display()),
            Self::StandardOutput => "cannot write to standard output".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"type":"member"}"#;

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_file_appears_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("export.jsonl");
        let mut output = LineWriter::create(&path, false).unwrap();
        output.write(LINE).await.unwrap();
        assert!(!path.exists());
        output.finish().await.unwrap();
        assert_eq!(names(directory.path()), ["export.jsonl"]);
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("}\n"));
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut output = LineWriter::create(&directory.path().join("export.jsonl"), false).unwrap();
        output.write(LINE).await.unwrap();
        output.abandon().await;
        assert!(names(directory.path()).is_empty());
    }

    #[tokio::test]
    async fn what_is_interrupted_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut output = LineWriter::create(&directory.path().join("export.jsonl"), false).unwrap();
        output.write(LINE).await.unwrap();
        assert_eq!(names(directory.path()).len(), 1);
        drop(output);
        let gone = async {
            while !names(directory.path()).is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_there_stays_unless_it_is_to_be_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("export.jsonl");
        let late = LineWriter::create(&path, false).unwrap();
        std::fs::write(&path, "mine").unwrap();
        let refusal = LineWriter::create(&path, false).map(|_| ()).unwrap_err();
        assert!(refusal.to_string().contains("is there already"), "{refusal}");
        late.finish().await.unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        LineWriter::create(&path, true).unwrap().finish().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        assert_eq!(names(directory.path()), ["export.jsonl"]);
    }
}

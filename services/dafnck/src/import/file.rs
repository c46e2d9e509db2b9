//! Reading a file line by line, knowing where each line is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, ensure};

/// The longest line; a larger attachment is given by its path.
pub const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// A line that is not empty.
pub(super) struct RawLine<'a> {
    /// From 1.
    pub(super) number: u64,
    /// Where it begins, in bytes.
    pub(super) offset: u64,
    /// The line, or why it cannot be read.
    pub(super) json: Result<&'a [u8], String>,
}

/// Reads a file in bounded memory.
pub(super) struct Lines {
    reader: BufReader<File>,
    buffer: Vec<u8>,
    number: u64,
    offset: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot read {}", path.display());
        let file = File::open(path).with_context(cannot)?;
        ensure!(
            file.metadata().with_context(cannot)?.is_file(),
            "{} is read several times, so it must be a file",
            path.display()
        );
        Ok(Self { reader: BufReader::new(file), buffer: Vec::new(), number: 0, offset: 0 })
    }

    /// The next line.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<RawLine<'_>>> {
        loop {
            let (offset, length) = (self.offset, self.read_line()?);
            if length == 0 {
                return Ok(None);
            }
            self.offset += length;
            self.number += 1;
            if !self.buffer.trim_ascii().is_empty() {
                let too_long = || format!("the line is longer than {} MiB", MAX_LINE_BYTES >> 20);
                let json =
                    if length > MAX_LINE_BYTES { Err(too_long()) } else { Ok(self.buffer.trim_ascii()) };
                return Ok(Some(RawLine { number: self.number, offset, json }));
            }
        }
    }

    /// The line that begins at an offset, read before.
    pub(super) fn at(&mut self, offset: u64) -> anyhow::Result<&[u8]> {
        self.reader.seek(SeekFrom::Start(offset))?;
        self.read_line()?;
        Ok(self.buffer.trim_ascii())
    }

    /// Reads a line into the buffer; of one that is too long only the beginning. Returns its length.
    fn read_line(&mut self) -> anyhow::Result<u64> {
        self.buffer.clear();
        self.buffer.shrink_to(1024 * 1024);
        let mut length =
            (&mut self.reader).take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut self.buffer)? as u64;
        if length > MAX_LINE_BYTES && self.buffer.last() != Some(&b'\n') {
            length += self.reader.skip_until(b'\n')? as u64;
        }
        Ok(length)
    }
}

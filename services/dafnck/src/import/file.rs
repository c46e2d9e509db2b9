//! Reading a file line by line, knowing where each line is.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::NamedTempFile;

/// The longest line; a larger attachment is given by its path.
pub const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// What some editors write before the first line of a file in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is imported, as a file that can be read several times, and where files beside it are looked for.
pub(super) struct Origin {
    pub(super) file: PathBuf,
    pub(super) directory: PathBuf,
    /// Goes away with this.
    _copy: Option<NamedTempFile>,
}

impl Origin {
    /// Copies what is no file, as standard input (`-`) or a pipe.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == OsStr::new("-") {
            return Self::copy(io::stdin().lock(), PathBuf::from("."));
        }
        let cannot = || format!("cannot read {}", path.display());
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        let kind = std::fs::metadata(path).with_context(cannot)?.file_type();
        ensure!(!kind.is_dir(), "{} is a directory", path.display());
        if kind.is_file() {
            return Ok(Self { file: path.to_owned(), directory, _copy: None });
        }
        Self::copy(File::open(path).with_context(cannot)?, directory)
    }

    fn copy(mut from: impl Read, directory: PathBuf) -> anyhow::Result<Self> {
        let mut copy = NamedTempFile::new().context("cannot keep a copy of the input")?;
        io::copy(&mut from, &mut copy).context("cannot keep a copy of the input")?;
        Ok(Self { file: copy.path().to_owned(), directory, _copy: Some(copy) })
    }
}

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
        let mut reader = BufReader::new(File::open(path).with_context(cannot)?);
        let start = reader.fill_buf().with_context(cannot)?;
        ensure!(!is_utf_16(start), "the input is in UTF-16; save it in UTF-8");
        let offset = if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        reader.consume(offset);
        Ok(Self { reader, buffer: Vec::new(), number: 0, offset: offset as u64 })
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

/// Whether a file begins as one in UTF-16, by its byte order mark or by the zero byte of its first character: a line in
/// UTF-8 has none.
fn is_utf_16(start: &[u8]) -> bool {
    matches!(start, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(content: &[u8]) -> anyhow::Result<Lines> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Lines::open(file.path())
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let mut lines = open(b"\xef\xbb\xbf{\"a\":1}\n{}\n").unwrap();
        let first = lines.next().unwrap().unwrap();
        assert_eq!((first.number, first.json), (1, Ok(&b"{\"a\":1}"[..])));
        let offset = first.offset;
        let second = lines.next().unwrap().unwrap();
        assert_eq!((second.number, second.json), (2, Ok(&b"{}"[..])));
        assert_eq!(lines.at(offset).unwrap(), b"{\"a\":1}");
    }

    #[test]
    fn a_file_in_utf_16_is_refused_as_a_whole() {
        let text: Vec<u16> = "{\"type\": \"task\"}\n".encode_utf16().collect();
        let little: Vec<u8> = text.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = text.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for content in [[b"\xff\xfe", &little[..]].concat(), [b"\xfe\xff", &big[..]].concat(), little, big] {
            let refusal = open(&content).err().unwrap().to_string();
            assert!(refusal.ends_with(" is in UTF-16; save it in UTF-8"), "{refusal}");
        }
        assert!(open(b"").unwrap().next().unwrap().is_none());
    }
}

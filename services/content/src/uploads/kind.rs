//! The kind of a file, told from how it starts. What a client claims is not asked.

/// From how many of its first bytes the kind of a file is told.
const SNIFFED_BYTES: usize = 8 * 1024;

/// The MIME type of a file that begins with these bytes.
pub(super) fn mime_type(bytes: &[u8]) -> &'static str {
    let start = bytes.get(..SNIFFED_BYTES).unwrap_or(bytes);
    let known = infer::get(start).map(|kind| kind.mime_type());
    known.unwrap_or(if is_text(start) { "text/plain" } else { "application/octet-stream" })
}

/// Whether the bytes are UTF-8, of which the last character may be cut, without control characters that text
/// does not have.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            let (valid, _cut) = start.split_at_checked(error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_from_the_bytes() {
        assert_eq!(mime_type(b"\x89PNG\r\n\x1a\n0000"), "image/png");
        assert_eq!(mime_type(b"%PDF-1.7 ..."), "application/pdf");
        assert_eq!(mime_type("grüße\n".as_bytes()), "text/plain");
        assert_eq!(mime_type(b"gr\xc3"), "text/plain");
        assert_eq!(mime_type(b"a\0b"), "application/octet-stream");
        assert_eq!(mime_type(b"\xff\xfe\xfd"), "application/octet-stream");
    }
}

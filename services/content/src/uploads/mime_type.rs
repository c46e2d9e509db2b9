//! Detects the media type of a file from its first bytes. What a client claims does not matter.

/// How many bytes are inspected.
const INSPECTED_BYTES: usize = 8 * 1024;

pub(super) fn detect(bytes: &[u8]) -> &'static str {
    let start = bytes.get(..INSPECTED_BYTES).unwrap_or(bytes);
    let known = infer::get(start).map(|kind| kind.mime_type());
    known.unwrap_or(if is_text(start) { "text/plain" } else { "application/octet-stream" })
}

/// Whether the bytes are UTF-8, maybe with an incomplete last character, and without control characters that do not
/// occur in texts.
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
    fn the_media_type_is_detected_from_the_bytes() {
        assert_eq!(detect(b"\x89PNG\r\n\x1a\n0000"), "image/png");
        assert_eq!(detect(b"%PDF-1.7 ..."), "application/pdf");
        assert_eq!(detect("grüße\n".as_bytes()), "text/plain");
        assert_eq!(detect(b"gr\xc3"), "text/plain");
        assert_eq!(detect(b"a\0b"), "application/octet-stream");
        assert_eq!(detect(b"\xff\xfe\xfd"), "application/octet-stream");
    }
}

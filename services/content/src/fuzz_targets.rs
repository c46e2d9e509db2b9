//! What reads the bytes of others; see [`shared::fuzz_targets`] for the others.

use std::time::{Duration, Instant};

use prost::Message as _;
use proto::content::v1 as pb;

use crate::attachments::safe_filename;
use crate::attachments::wire::DownloadInput;
use crate::editing::wire::PreviewEditInput;
use crate::texts::diff::{Unit, diff};
use crate::texts::{patch, unified};

const FAR_FUTURE: Duration = Duration::from_secs(60);

/// Unified diffs, applied to a text: the first byte is the length of the text. What they make of it is what a diff of both
/// makes, too.
pub fn unified_diff(bytes: &[u8]) {
    let Some((&length, rest)) = bytes.split_first() else { return };
    let (base, given) = rest.split_at(rest.len().min(length.into()));
    let (base, given) = (String::from_utf8_lossy(base), String::from_utf8_lossy(given));
    let Ok(patched) = patch::apply_unified(&base, &given) else { return };
    let mut written = String::new();
    for hunk in diff(&base, &patched, Unit::Lines, 3, Instant::now() + FAR_FUTURE).hunks {
        unified::write(&hunk, &mut written);
    }
    match written.is_empty() {
        true => assert_eq!(base, patched),
        false => assert_eq!(patch::apply_unified(&base, &written), Ok(patched)),
    }
}

/// Edits of documents as messages, applied to a text.
pub fn document_edit(bytes: &[u8]) {
    let Ok(request) = pb::PreviewDocumentEditRequest::decode(bytes) else { return };
    if let Ok(PreviewEditInput { edit, .. }) = request.try_into() {
        let _outcome = edit.apply("one\ntwo\nthree\n", Some("one\ntwo\n"), Instant::now() + FAR_FUTURE);
    }
}

/// Ranges of downloads: never reversed.
pub fn download_range(bytes: &[u8]) {
    let Ok(request) = pb::DownloadAttachmentRequest::decode(bytes) else { return };
    if let Ok(DownloadInput { range, .. }) = request.try_into() {
        assert!(0 <= range.start && range.start <= range.end, "{range:?}");
    }
}

/// Names of files: safe to save under, and safe as they are.
pub fn filename(bytes: &[u8]) {
    let safe = safe_filename(&String::from_utf8_lossy(bytes));
    assert_eq!(safe_filename(&safe), safe);
    assert!(!safe.is_empty() && safe.len() <= 255 && !safe.contains(['/', '\\', '\0', '\n']), "{safe:?}");
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn foreign_bytes_are_read_or_refused() {
        replay("unified_diff", super::unified_diff);
        replay("document_edit", super::document_edit);
        replay("download_range", super::download_range);
        replay("filename", super::filename);
    }
}

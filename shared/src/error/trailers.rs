//! What of an error fits into the trailers of a response. Clients refuse headers and trailers of more than 8 KiB (Java; the
//! soft limit of C++ and Python) and then report that instead of the error.
//!
//! The details travel in base64, a third longer; the message travels percent-encoded and once more within the details.

use std::collections::HashMap;

use tonic_types::FieldViolation;

/// Most violations in an error.
const MAX_VIOLATIONS: usize = 50;
/// The violations of an error, in bytes.
const MAX_VIOLATIONS_BYTES: usize = 4_000;
/// Tags and lengths of one violation, in bytes.
const VIOLATION_OVERHEAD_BYTES: usize = 9;
/// A field or description of a violation, in bytes.
const MAX_VIOLATION_TEXT_BYTES: usize = 500;
/// The message of an error, in bytes.
const MAX_MESSAGE_BYTES: usize = 300;
/// All values in an error's metadata, in bytes.
const MAX_METADATA_BYTES: usize = 2_000;

/// The first violations; if some are left out, a last one without a field says how many.
pub(super) fn cut_violations(violations: &[FieldViolation]) -> Vec<FieldViolation> {
    let mut bytes_left = MAX_VIOLATIONS_BYTES;
    let mut kept = Vec::new();
    for violation in violations.iter().take(MAX_VIOLATIONS) {
        let violation = FieldViolation::new(
            cut(&violation.field, MAX_VIOLATION_TEXT_BYTES),
            cut(&violation.description, MAX_VIOLATION_TEXT_BYTES),
        );
        let bytes = violation.field.len() + violation.description.len() + VIOLATION_OVERHEAD_BYTES;
        let Some(left) = bytes_left.checked_sub(bytes) else { break };
        bytes_left = left;
        kept.push(violation);
    }
    let left_out = violations.len() - kept.len();
    if left_out > 0 {
        kept.push(FieldViolation::new("", format!("and {left_out} more")));
    }
    kept
}

/// A message, or the id of a resource.
pub(super) fn cut_message(message: &str) -> String {
    cut(message, MAX_MESSAGE_BYTES)
}

/// Cuts long lists of ids (of a long cycle) between two ids, and marks the cut.
pub(super) fn cut_metadata(pairs: Vec<(&'static str, String)>) -> HashMap<String, String> {
    let share = MAX_METADATA_BYTES / pairs.len().max(1);
    let cut_list = |value: String| {
        if value.len() <= share {
            return value;
        }
        let kept = prefix(&value, share);
        format!("{},...", kept.rsplit_once(',').map_or(kept, |(whole, _)| whole))
    };
    pairs.into_iter().map(|(key, value)| (key.to_owned(), cut_list(value))).collect()
}

fn cut(text: &str, max: usize) -> String {
    if text.len() <= max { text.to_owned() } else { format!("{}...", prefix(text, max)) }
}

/// At most so many bytes from the start, in whole characters.
fn prefix(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tonic::Status;
    use tonic_types::StatusExt as _;
    use uuid::Uuid;

    use super::*;
    use crate::error::{Error, ErrorReason};

    /// Java's default limit on the headers or trailers of a response.
    const MAX_TRAILERS_BYTES: usize = 8_192;
    /// What HTTP/2 counts for a field beside its name and value (RFC 9113, section 10.5.1).
    const FIELD_OVERHEAD_BYTES: usize = 32;

    fn trailers_bytes(error: Error) -> usize {
        let mut trailers = http::HeaderMap::new();
        Status::from(error).add_header(&mut trailers).unwrap();
        trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD_BYTES).sum()
    }

    fn violations(count: usize, text: &str) -> Vec<FieldViolation> {
        (0..count).map(|_| FieldViolation::new(text, text)).collect()
    }

    #[test]
    fn the_largest_errors_fit_into_the_trailers_of_every_client() {
        let long = || "\u{202e}".repeat(10_000);
        let metadata = || vec![("a", long()), ("b", long()), ("c", "x,".repeat(10_000))];
        let reason = ErrorReason::SecondFactorNotEnabled;
        for error in [
            Error::Invalid(violations(1_000, "must be a UUID")),
            Error::Invalid(violations(1_000, &long())),
            Error::not_found("invitation", long()),
            Error::InvalidFor { reason, message: long(), metadata: metadata() },
            Error::Precondition { reason, message: long(), metadata: metadata() },
            Error::PermissionDenied { reason, message: long(), metadata: metadata() },
        ] {
            let error = Error::Item { index: usize::MAX, source: Box::new(error) };
            let text = format!("{error:.60?}");
            assert!(trailers_bytes(error) < MAX_TRAILERS_BYTES, "{text}");
        }
    }

    #[test]
    fn violations_that_do_not_fit_are_counted() {
        let shown = |count, text| {
            let status = Status::from(Error::Invalid(violations(count, text)));
            status.get_details_bad_request().unwrap().field_violations
        };
        assert_eq!(shown(MAX_VIOLATIONS, "short").len(), MAX_VIOLATIONS);
        for (count, text, kept) in [(1_000, "short", MAX_VIOLATIONS), (60, &*"x".repeat(400), 4)] {
            let shown = shown(count, text);
            assert_eq!(shown.len(), kept + 1);
            assert_eq!(shown[kept].description, format!("and {} more", count - kept));
        }
    }

    #[test]
    fn long_lists_are_cut_between_two_ids() {
        let id = Uuid::nil().to_string();
        let cut = |value: String| cut_metadata(vec![("ids", value)]).remove("ids").unwrap();
        let long = cut(vec![id.as_str(); 500].join(","));
        assert!(long.len() <= MAX_METADATA_BYTES + 4 && long.ends_with(&format!("{id},...")));
        assert_eq!(cut("short".to_owned()), "short");
    }
}

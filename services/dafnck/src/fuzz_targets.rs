//! What reads the bytes of others; see [`shared::fuzz_targets`] for the others.

use prost::Message as _;

use crate::interchange::line;

/// Lines of an import: what is accepted is written and read again as the same.
pub fn import_line(bytes: &[u8]) {
    let (Ok(kind), Ok(fields)) = (line::kind_of(bytes), line::fields_of(bytes)) else { return };
    let Ok(message) = line::decode_dynamic(kind, fields) else { return };
    let written = line::encode(kind, &message).map_err(|error| error.to_string());
    let read = written.and_then(|fields| line::decode_dynamic(kind, fields));
    // As bytes, in which NaN equals itself.
    assert_eq!(read.map(|message| message.encode_to_vec()), Ok(message.encode_to_vec()));
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    #[test]
    fn foreign_bytes_are_read_or_refused() {
        super::replay::replay("import_line", super::import_line);
    }
}

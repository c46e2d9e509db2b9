//! What reads the bytes of others; see [`shared::fuzz_targets`] for the others.

use prost::Message as _;
use proto::task::v1 as pb;
use shared::validation::Violations;

use crate::lists;
use crate::task_keys::TaskKey;

/// Filters of tasks.
pub fn task_filter(bytes: &[u8]) {
    let Ok(filter) = pb::TaskFilter::decode(bytes) else { return };
    let _filter = lists::wire::filter(&mut Violations::new(), filter);
}

/// Keys of tasks: what is read is written in the same way.
pub fn task_key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = text.parse::<TaskKey>() {
        assert_eq!(key.to_string().parse::<TaskKey>().ok(), Some(key));
    }
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn foreign_bytes_are_read_or_refused() {
        replay("task_filter", super::task_filter);
        replay("task_key", super::task_key);
    }
}

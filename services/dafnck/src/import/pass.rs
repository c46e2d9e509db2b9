//! One pass over the file: the lines of one kind, in batches.
//!
//! Lines are sent as they are found, but for two: versions of a document go by their numbers, and subtasks and replies
//! after their parents. Of those only the place is kept; they are read again in the right order at the end of the pass.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use prost::Message;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::file::Lines;
use super::report::{Refusal, Report};
use crate::interchange::line::{self, Kind, fields_of, kind_of};

/// Items in a batch, and its size: services take 1,000 and 4 MiB.
const MAX_BATCH_ITEMS: usize = 500;
const MAX_BATCH_BYTES: usize = 3 * 1024 * 1024;
/// What a field's key and length add to an item.
const ITEM_OVERHEAD_BYTES: usize = 8;
/// Deeper subtasks are taken for a circle.
const MAX_DEPTH: usize = 10_000;

/// The lines of one kind.
pub(super) struct ImportPass<Item> {
    /// Lines of other kinds are passed over.
    pub(super) kind: Kind,
    /// When an item may be sent, if not as it is found.
    pub(super) order: fn(&Item) -> Option<SendOrder>,
}

/// Counts the lines of each kind, and refuses those that are none.
pub(super) fn survey(path: &Path) -> anyhow::Result<(BTreeMap<Kind, u64>, Report)> {
    let mut counts = BTreeMap::new();
    let mut report = Report::default();
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        match line.json.and_then(kind_of) {
            Ok(kind) => *counts.entry(kind).or_default() += 1,
            Err(reason) => report.refuse(Refusal { kind: None, line: line.number, reason }),
        }
    }
    Ok((counts, report))
}

/// Sends all lines of the pass, and tells which were refused on the way and how many items were sent. Ends early
/// when nobody receives any more.
pub(super) fn produce<Item: Message + Default>(
    path: &Path,
    pass: ImportPass<Item>,
    sender: &mpsc::Sender<Vec<Item>>,
) -> anyhow::Result<(Report, u64)> {
    let kind = pass.kind;
    let mut producer =
        Producer { pass, sender, batch: Vec::new(), bytes: 0, sent: 0, report: Report::default() };
    let mut lines = Lines::open(path)?;
    let mut waiting = Vec::new();
    while let Some(line) = lines.next()? {
        let Ok(json) = line.json else { continue };
        if kind_of(json) != Ok(kind) {
            continue;
        }
        let item = decode(kind, json, line.number);
        match item.as_ref().ok().and_then(producer.pass.order) {
            Some(place) => waiting.push(DeferredLine { place, number: line.number, offset: line.offset }),
            None if producer.add(line.number, item).is_none() => return Ok(producer.end()),
            None => {}
        }
    }
    sort(&mut waiting);
    for DeferredLine { number, offset, .. } in waiting {
        let item = decode(kind, lines.at(offset)?, number);
        if producer.add(number, item).is_none() {
            break;
        }
    }
    producer.flush();
    Ok(producer.end())
}

fn decode<Item: Message + Default>(kind: Kind, json: &[u8], number: u64) -> Result<Item, String> {
    line::decode(kind, fields_of(json)?, number)
}

/// Calls with the fields of each line of a kind until told to stop by `None`.
pub(super) fn visit(
    path: &Path,
    kind: Kind,
    mut with: impl FnMut(u64, Result<Map<String, Value>, String>) -> Option<()>,
) -> anyhow::Result<()> {
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        let Ok(json) = line.json else { continue };
        if kind_of(json) == Ok(kind) && with(line.number, fields_of(json)).is_none() {
            break;
        }
    }
    Ok(())
}

struct Producer<'a, Item> {
    pass: ImportPass<Item>,
    sender: &'a mpsc::Sender<Vec<Item>>,
    batch: Vec<Item>,
    bytes: usize,
    sent: u64,
    report: Report,
}

impl<Item: Message> Producer<'_, Item> {
    /// `None` when nobody receives.
    fn add(&mut self, line: u64, item: Result<Item, String>) -> Option<()> {
        let sized = item.and_then(|item| match item.encoded_len() + ITEM_OVERHEAD_BYTES {
            bytes if bytes > MAX_BATCH_BYTES => Err(format!("is larger than {} MiB", MAX_BATCH_BYTES >> 20)),
            bytes => Ok((item, bytes)),
        });
        match sized {
            Ok((item, bytes)) => self.push(item, bytes),
            Err(reason) => {
                self.report.refuse(Refusal { kind: Some(self.pass.kind), line, reason });
                Some(())
            }
        }
    }

    fn push(&mut self, item: Item, bytes: usize) -> Option<()> {
        if self.batch.len() == MAX_BATCH_ITEMS || self.bytes + bytes > MAX_BATCH_BYTES {
            self.flush()?;
        }
        self.batch.push(item);
        self.bytes += bytes;
        Some(())
    }

    fn flush(&mut self) -> Option<()> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if batch.is_empty() {
            return Some(());
        }
        self.sent += batch.len() as u64;
        self.sender.blocking_send(batch).ok()
    }

    fn end(self) -> (Report, u64) {
        (self.report, self.sent)
    }
}

/// What decides when a line may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SendOrder {
    Version {
        document: String,
        number: i32,
    },
    /// A subtask or a reply.
    Child {
        id: String,
        parent: String,
    },
}

struct DeferredLine {
    place: SendOrder,
    number: u64,
    offset: u64,
}

fn sort(waiting: &mut [DeferredLine]) {
    let parents: HashMap<String, String> = waiting
        .iter()
        .filter_map(|waiting| match &waiting.place {
            SendOrder::Child { id, parent } => Some((id.clone(), parent.clone())),
            SendOrder::Version { .. } => None,
        })
        .collect();
    waiting.sort_by_cached_key(|waiting| match &waiting.place {
        SendOrder::Version { document, number } => (document.clone(), i64::from(*number), waiting.number),
        SendOrder::Child { id, .. } => (String::new(), depth(&parents, id), waiting.number),
    });
}

/// How many ancestors of an item are waiting themselves.
fn depth(parents: &HashMap<String, String>, child: &str) -> i64 {
    let ancestors = std::iter::successors(parents.get(child), |parent| parents.get(*parent));
    ancestors.take(MAX_DEPTH).map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::import::TASKS;

    fn task(id: u128, parent: Option<u128>, title: &str) -> String {
        let parent = parent.map_or_else(String::new, |parent| format!(r#","parentTaskId":"{parent}""#));
        format!(r#"{{"type":"task","id":"{id}","title":"{title}"{parent}}}"#)
    }

    fn batches(lines: &[String]) -> (Vec<Vec<u64>>, Report) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines.join("\n").as_bytes()).unwrap();
        let (sender, mut receiver) = mpsc::channel(1000);
        let (report, sent) = produce(file.path(), TASKS, &sender).unwrap();
        drop(sender);
        let batches: Vec<Vec<u64>> = std::iter::from_fn(|| receiver.blocking_recv())
            .map(|batch| batch.iter().map(|task| task.line).collect())
            .collect();
        assert_eq!(sent, batches.iter().flatten().count() as u64);
        (batches, report)
    }

    #[test]
    fn a_parent_goes_before_its_subtasks_wherever_it_stands() {
        let lines = [task(3, Some(2), "c"), task(2, Some(1), "b"), String::new(), task(1, None, "a")];
        assert_eq!(batches(&lines).0, [[4, 2, 1]]);
    }

    #[test]
    fn a_circle_of_parents_ends() {
        assert_eq!(batches(&[task(1, Some(2), "a"), task(2, Some(1), "b")]).0, [[1, 2]]);
    }

    #[test]
    fn a_batch_is_limited_in_number_and_size() {
        let many: Vec<String> = (0..501).map(|id| task(id, None, "a")).collect();
        assert_eq!(batches(&many).0.iter().map(Vec::len).collect::<Vec<_>>(), [500, 1]);
        let large: Vec<String> = (0..4).map(|id| task(id, None, &"x".repeat(1024 * 1024))).collect();
        assert_eq!(batches(&large).0, [vec![1, 2], vec![3, 4]]);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_its_line() {
        let lines = [
            task(1, None, &"x".repeat(4 * 1024 * 1024)),
            r#"{"type":"task","colour":1}"#.to_owned(),
            task(2, None, "fine"),
        ];
        let (batches, report) = batches(&lines);
        assert_eq!(batches, [[3]]);
        let refused: Vec<u64> = report.refusals().iter().map(|refusal| refusal.line).collect();
        assert_eq!(refused, [1, 2]);
    }

    #[test]
    fn versions_go_by_their_numbers() {
        let version = |document: u128, number: i32| DeferredLine {
            place: SendOrder::Version { document: document.to_string(), number },
            number: 0,
            offset: 0,
        };
        let mut waiting = [version(2, 1), version(1, 10), version(1, 9)];
        sort(&mut waiting);
        assert_eq!(
            waiting.map(|waiting| waiting.place),
            [version(1, 9), version(1, 10), version(2, 1)].map(|waiting| waiting.place)
        );
    }
}

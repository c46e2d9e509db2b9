//! What became of the lines of a file.

use std::collections::BTreeMap;
use std::fmt;

use proto::common::{ImportOutcome, ImportResult};
use serde::{Serialize, Serializer};

use crate::interchange::line::Kind;

/// Refused lines that are listed; more are only counted, so that a file of any size needs bounded memory.
pub const MAX_LISTED_REFUSALS: usize = 100_000;

/// A refused line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Refusal {
    /// What it is about; `None` when that cannot be read.
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    /// From 1.
    pub line: u64,
    /// Why, in a sentence.
    pub reason: String,
}

/// How many lines of a kind had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// New, and now stored.
    pub created: u64,
    /// Were there already.
    pub unchanged: u64,
    /// Refused.
    pub refused: u64,
    /// Of a dry run: could be read.
    pub readable: u64,
}

/// What became of the lines of a file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Whether nothing was sent.
    pub dry_run: bool,
    /// Of the kinds that the file has.
    #[serde(rename = "kinds")]
    pub tallies: BTreeMap<Kind, Tally>,
    /// Lines whose kind cannot be read.
    pub unreadable: u64,
    #[serde(serialize_with = "sorted")]
    refusals: Vec<Refusal>,
}

impl Report {
    /// Takes in a service's answer.
    pub fn take(&mut self, kind: Kind, result: ImportResult) {
        let tally = self.tallies.entry(kind).or_default();
        match result.outcome() {
            ImportOutcome::Created => tally.created += 1,
            ImportOutcome::Unchanged => tally.unchanged += 1,
            ImportOutcome::Refused | ImportOutcome::Unspecified => {
                self.refuse(Refusal { kind: Some(kind), line: result.line, reason: result.reason });
            }
        }
    }

    /// Notes a refused line.
    pub fn refuse(&mut self, refusal: Refusal) {
        match refusal.kind {
            Some(kind) => self.tallies.entry(kind).or_default().refused += 1,
            None => self.unreadable += 1,
        }
        if self.refusals.len() < MAX_LISTED_REFUSALS {
            self.refusals.push(refusal);
        }
    }

    /// Adds another report to this one.
    pub(super) fn absorb(&mut self, other: Self) {
        for (kind, tally) in other.tallies {
            let sum = self.tallies.entry(kind).or_default();
            sum.created += tally.created;
            sum.unchanged += tally.unchanged;
            sum.refused += tally.refused;
        }
        self.unreadable += other.unreadable;
        let space = MAX_LISTED_REFUSALS.saturating_sub(self.refusals.len());
        self.refusals.extend(other.refusals.into_iter().take(space));
    }

    /// The first [`MAX_LISTED_REFUSALS`] refused lines, by kind and number.
    pub fn refusals(&self) -> Vec<Refusal> {
        let mut refusals = self.refusals.clone();
        refusals.sort();
        refusals
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.unreadable == 0 && self.tallies.is_empty()
    }

    /// The number of refused lines.
    pub fn refused(&self) -> u64 {
        self.unreadable + self.tallies.values().map(|tally| tally.refused).sum::<u64>()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = if self.dry_run { ("readable", "") } else { ("created", "unchanged") };
        writeln!(out, "{:<14}{first:>10}{second:>11}{:>10}", "", "refused")?;
        for (kind, tally) in &self.tallies {
            let Tally { created, unchanged, refused, readable } = tally;
            match self.dry_run {
                true => writeln!(out, "{:<14}{readable:>10}{:>11}{refused:>10}", kind.plural(), "")?,
                false => writeln!(out, "{:<14}{created:>10}{unchanged:>11}{refused:>10}", kind.plural())?,
            }
        }
        if self.unreadable > 0 {
            writeln!(out, "{:<35}{:>10}", "unreadable", self.unreadable)?;
        }
        let refusals = self.refusals();
        if refusals.is_empty() {
            return writeln!(out, "\nNothing was refused.");
        }
        writeln!(out, "\nRefused lines:")?;
        for ((kind, _), group) in grouped(&refusals) {
            write_group(out, kind, &group)?;
        }
        let unlisted = self.refused().saturating_sub(refusals.len() as u64);
        if unlisted > 0 {
            writeln!(out, "  and {unlisted} more")?;
        }
        Ok(())
    }
}

/// Refusals with the same reason, or one that differs in ids only.
fn grouped(refusals: &[Refusal]) -> BTreeMap<(Option<Kind>, String), Vec<&Refusal>> {
    let mut groups = BTreeMap::<_, Vec<&Refusal>>::new();
    for refusal in refusals {
        groups.entry((refusal.kind, without_ids(&refusal.reason))).or_default().push(refusal);
    }
    groups
}

fn write_group(out: &mut fmt::Formatter<'_>, kind: Option<Kind>, group: &[&Refusal]) -> fmt::Result {
    let about = kind.map_or("unreadable", Kind::plural);
    let first = group.first().map(|refusal| refusal.reason.as_str()).unwrap_or_default();
    if group.iter().all(|refusal| refusal.reason == first) {
        let lines: Vec<u64> = group.iter().map(|refusal| refusal.line).collect();
        return writeln!(out, "  {about}: {first}\n    {}", line_numbers(&lines));
    }
    writeln!(out, "  {about}: {} lines, much the same", group.len())?;
    group.iter().try_for_each(|refusal| writeln!(out, "    line {}: {}", refusal.line, refusal.reason))
}

/// `lines 3-5, 9` of ascending numbers.
fn line_numbers(lines: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for line in lines {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *line => *last = *line,
            _ => runs.push((*line, *line)),
        }
    }
    let written = runs.iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        _ => format!("{first}-{last}"),
    });
    let written = written.collect::<Vec<_>>().join(", ");
    if lines.len() == 1 { format!("line {written}") } else { format!("lines {written}") }
}

fn sorted<S: Serializer>(refusals: &[Refusal], serializer: S) -> Result<S::Ok, S::Error> {
    let mut refusals = refusals.to_vec();
    refusals.sort();
    refusals.serialize(serializer)
}

/// A reason with UUIDs taken out.
fn without_ids(reason: &str) -> String {
    let is_id = |word: &str| uuid::Uuid::try_parse(word).is_ok();
    let word_ends = |c: char| !c.is_ascii_hexdigit() && c != '-';
    reason
        .split_inclusive(word_ends)
        .map(|part| {
            let word = part.trim_end_matches(word_ends);
            if is_id(word) { part.replace(word, "…") } else { part.to_owned() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: Option<Kind>, line: u64, reason: &str) -> Refusal {
        Refusal { kind, line, reason: reason.to_owned() }
    }

    #[test]
    fn refused_lines_are_listed_by_reason() {
        let mut report = Report::default();
        report.take(Kind::User, shared::import::created(1));
        report.take(Kind::User, shared::import::unchanged(2));
        for line in [7, 3, 4, 5] {
            report.refuse(refusal(Some(Kind::User), line, "the username is taken"));
        }
        report.refuse(refusal(None, 9, "no JSON"));
        for (line, id) in
            [(12, "00000000-0000-4000-8000-000000000001"), (11, "00000000-0000-4000-8000-000000000002")]
        {
            report.refuse(refusal(Some(Kind::Task), line, &format!("project {id} does not exist")));
        }
        expect_test::expect![[r#"
                             created  unchanged   refused
            users                  1          1         4
            tasks                  0          0         2
            unreadable                                  1

            Refused lines:
              unreadable: no JSON
                line 9
              users: the username is taken
                lines 3-5, 7
              tasks: 2 lines, much the same
                line 11: project 00000000-0000-4000-8000-000000000002 does not exist
                line 12: project 00000000-0000-4000-8000-000000000001 does not exist
        "#]]
        .assert_eq(&report.to_string());
        assert_eq!(report.refused(), 7);
    }
}

//! Reading the directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::records::Moment;

/// A line of `eips.jsonl`. All of it is in memory, because people and projects come from all of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "named as in the file")]
pub struct Proposal {
    pub number: u32,
    pub title: String,
    pub authors: Vec<Author>,
    pub status: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub category: Option<String>,
    pub created: Option<Moment>,
    pub discussions_to: Option<String>,
    pub requires: Vec<u32>,
    pub body: String,
}

/// An author, as a proposal names them.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "named as in the file")]
pub struct Author {
    pub name: String,
    pub handle: Option<String>,
}

/// A line of `history.jsonl.gz`: the versions of a proposal's body, in order.
#[derive(Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "named as in the file")]
pub struct History {
    pub number: u32,
    pub versions: Vec<Version>,
}

/// A version of a body.
#[derive(Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "named as in the file")]
pub struct Version {
    /// Unix seconds.
    pub at: i64,
    /// Name or handle of whoever committed it.
    pub by: String,
    pub summary: String,
    pub body: String,
}

/// A file that belongs to a proposal.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// Number of the proposal.
    pub proposal: u32,
    /// Its name without the number.
    pub name: String,
    /// Its name with the number.
    pub file: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Reads all proposals.
///
/// # Errors
/// When one cannot be read, naming its line.
pub fn read_proposals(directory: &Path) -> anyhow::Result<Vec<Proposal>> {
    let path = directory.join("eips.jsonl");
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut proposals = Vec::new();
    for_each_line(&path, BufReader::new(file), |proposal| {
        proposals.push(proposal);
        Ok(())
    })?;
    Ok(proposals)
}

/// Reads one proposal's history after the other.
///
/// # Errors
/// When one cannot be read, naming its line, or the callee's error.
pub fn for_each_history(
    directory: &Path,
    with: impl FnMut(History) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let path = directory.join("history.jsonl.gz");
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for_each_line(&path, BufReader::new(GzDecoder::new(BufReader::new(file))), with)
}

/// When the first and the last version of each proposal with a history were made.
///
/// # Errors
/// As [`for_each_history`].
pub fn read_edit_times(directory: &Path) -> anyhow::Result<BTreeMap<u32, (Moment, Moment)>> {
    let mut times = BTreeMap::new();
    for_each_history(directory, |history| {
        let edits = || history.versions.iter().filter_map(|version| moment(version.at));
        if let (Some(first), Some(last)) = (edits().min(), edits().max()) {
            times.insert(history.number, (first, last));
        }
        Ok(())
    })?;
    Ok(times)
}

/// The files in `assets`, by name.
///
/// # Errors
/// When the directory cannot be read.
pub fn read_assets(directory: &Path) -> anyhow::Result<Vec<Asset>> {
    let path = directory.join("assets");
    let mut assets = Vec::new();
    for entry in fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))? {
        let path = entry?.path();
        assets.extend(asset(&path));
    }
    assets.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(assets)
}

/// `eip-<number>-<name>`.
fn asset(path: &Path) -> Option<Asset> {
    let file = path.file_name()?.to_str()?;
    let (number, name) = file.strip_prefix("eip-")?.split_once('-')?;
    let proposal = number.parse().ok()?;
    Some(Asset { proposal, name: name.to_owned(), file: file.to_owned(), path: path.to_owned() })
}

/// Unix seconds as a time.
pub fn moment(seconds: i64) -> Option<Moment> {
    DateTime::<Utc>::from_timestamp(seconds, 0).map(Moment)
}

fn for_each_line<T: DeserializeOwned>(
    path: &Path,
    lines: impl BufRead,
    mut with: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for (index, line) in lines.lines().enumerate() {
        let here = || format!("{}, line {}", path.display(), index + 1);
        with(serde_json::from_str(&line.with_context(here)?).with_context(here)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_asset_tells_its_proposal() {
        let asset = |name| asset(Path::new(name)).map(|asset| (asset.proposal, asset.name));
        assert_eq!(asset("x/eip-12-a-b.png"), Some((12, "a-b.png".to_owned())));
        assert_eq!(asset("x/readme.txt"), None);
        assert_eq!(asset("x/eip-one-a.png"), None);
    }
}

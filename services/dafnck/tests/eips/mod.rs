//! Makes a file for `dafnck import` of the Ethereum Improvement Proposals, which are a directory with `eips.jsonl`, `history.jsonl.gz` and `assets/`.
//!
//! | input | output |
//! | --- | --- |
//! | author | user; see [`people`] for who is the same person |
//! | category, or type where there is none | public project; the author with most proposals in it owns it, the others are members |
//! | proposal | task, made by its first author, or by the project's owner when nobody is named |
//! | body | document with one version, or with exactly the versions that the history has |
//! | `requires` | dependency of the proposal on the required one |
//! | `assets/eip-<number>-<name>` | attachment of the task |
//!
//! Ids are made from the input (UUIDv5), so converting and importing again changes nothing. A proposal without a
//! date has that of its first version, else that of the oldest proposal.

mod fields;
pub mod input;
pub mod people;
mod proposals;
mod records;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use dafnck::interchange::line::Kind;
use input::{Asset, Proposal};
use people::People;
use proposals::Proposals;
use records::{Attachment, Line, Target};

/// The namespace of all ids: UUIDv5 of the DNS name `eips.ethereum.org`.
fn id(kind: &str, name: &str) -> Uuid {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"eips.ethereum.org");
    Uuid::new_v5(&namespace, format!("{kind}/{name}").as_bytes())
}

/// How many lines of each kind were written.
pub type Counts = BTreeMap<Kind, u64>;

/// Converts the proposals of a directory into a file. Files to attach are copied into a directory beside it.
pub fn convert(directory: &Path, output: &Path) -> anyhow::Result<Counts> {
    let output_path = output;
    let proposals = input::read_proposals(directory)?;
    let edited = input::read_edit_times(directory)?;
    let people = People::of(&proposals);
    let proposals = Proposals::new(&proposals, &people, &edited)?;
    let mut output = Output::create(output_path)?;
    people
        .users(|author| proposals.first_of(author))
        .into_iter()
        .try_for_each(|user| output.write(Line::User(user)))?;
    proposals.projects().try_for_each(|project| output.write(Line::Project(project)))?;
    proposals.members().try_for_each(|member| output.write(Line::Member(member)))?;
    proposals.tasks().try_for_each(|task| output.write(Line::Task(task)))?;
    proposals.dependencies().try_for_each(|dependency| output.write(Line::Dependency(dependency)))?;
    proposals.documents().try_for_each(|document| output.write(Line::Document(document)))?;
    let mut write_version = |version| output.write(Line::DocumentVersion(version));
    proposals.versions_without_history().try_for_each(&mut write_version)?;
    input::for_each_history(directory, |history| {
        proposals.versions_of(history).into_iter().try_for_each(&mut write_version)
    })?;
    for asset in input::read_assets(directory)? {
        if let Some(proposal) = proposals.numbered(asset.proposal) {
            let line = attach(asset, proposal, &proposals, output_path)?;
            output.write(Line::Attachment(line))?;
        }
    }
    output.finish()
}

/// Copies the file to beside the output: paths in an interchange file stay inside of its directory.
fn attach(
    asset: Asset,
    proposal: &Proposal,
    proposals: &Proposals<'_>,
    output: &Path,
) -> anyhow::Result<Attachment> {
    let stem = output.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let directory = format!("{stem}.files");
    let target = output.parent().unwrap_or(Path::new("")).join(&directory);
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let bytes = fs::read(&asset.path).with_context(|| format!("cannot read {}", asset.path.display()))?;
    fs::write(target.join(&asset.file), &bytes)
        .with_context(|| format!("cannot write {}", target.display()))?;
    Ok(Attachment {
        id: id("attachment", &asset.file),
        target: Target { task_id: id("task", &proposal.number.to_string()) },
        filename: asset.name,
        path: format!("{directory}/{}", asset.file),
        sha256: hex::encode(Sha256::digest(&bytes)),
        uploader_id: proposals.creator(proposal),
        created_at: proposals.created(proposal),
    })
}

struct Output {
    writer: BufWriter<File>,
    counts: Counts,
}

impl Output {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { writer: BufWriter::new(file), counts: Counts::new() })
    }

    fn write(&mut self, line: Line) -> anyhow::Result<()> {
        *self.counts.entry(line.kind()).or_default() += 1;
        serde_json::to_writer(&mut self.writer, &line)?;
        Ok(self.writer.write_all(b"\n")?)
    }

    fn finish(mut self) -> anyhow::Result<Counts> {
        self.writer.flush()?;
        Ok(self.counts)
    }
}

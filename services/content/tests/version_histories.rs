//! Laws over whole histories: each diff that is applied gives the next version, and a restored version says what it
//! said. The histories are made up; with `DAFNCK_EIPS_DIRECTORY`, a directory with the `history.jsonl.gz`,
//! they are those of the Ethereum Improvement Proposals.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use futures::stream;
use proto::content::admin::v1 as import;
use proto::content::v1 as pb;
use proto::content::v1::content_edit::Change;
use serde::Deserialize;
use testkit::*;

use crate::diff_versions::{between, diff, unified};
use crate::edit_content::{edit, send};
use crate::fixtures::{Team, noise, read, team};
use crate::import_documents::imports;

/// The contents of one document, the oldest first.
type History = Vec<String>;

fn made_up() -> Vec<History> {
    let text = |number: usize| -> String {
        let bytes = noise(400 + number);
        let lines = bytes.chunks(7).enumerate().filter(|(place, _)| !(place + bytes.len()).is_multiple_of(5));
        lines
            .map(|(place, chunk)| format!("{place}: {}\n", usize::from(chunk[0] % 3) + chunk.len()))
            .collect()
    };
    vec![(0..12).map(text).collect(), vec![String::new(), "no end".to_owned(), "\r\n\r".to_owned()]]
}

fn of_proposals(directory: &Path) -> Vec<History> {
    #[derive(Deserialize)]
    struct Proposal {
        versions: Vec<Version>,
    }
    #[derive(Deserialize)]
    struct Version {
        body: String,
    }
    let lines =
        BufReader::new(GzDecoder::new(File::open(directory.join("history.jsonl.gz")).unwrap())).lines();
    let proposals = lines.map(|line| serde_json::from_str::<Proposal>(&line.unwrap()).unwrap());
    proposals.map(|proposal| proposal.versions.into_iter().map(|version| version.body).collect()).collect()
}

fn histories() -> Vec<History> {
    match std::env::var_os("DAFNCK_EIPS_DIRECTORY") {
        Some(directory) => of_proposals(Path::new(&directory)),
        None => {
            eprintln!("DAFNCK_EIPS_DIRECTORY is not set: made-up histories, not those of the proposals");
            made_up()
        }
    }
}

/// Imports a history in its order, one version a request, as the largest would not fit together.
async fn import(s: &Team, history: &History) -> String {
    let id = new_id();
    let document = import::ImportedDocument {
        line: 1,
        id: id.clone(),
        project_id: s.project.id.clone(),
        title: "a history".to_owned(),
        author_id: s.mia.id.to_string(),
        ..Default::default()
    };
    let head = import::ImportDocumentsRequest { documents: vec![document], versions: Vec::new() };
    let version = |(number, content): (i32, &String)| import::ImportedDocumentVersion {
        line: 1,
        document_id: id.clone(),
        version_number: number,
        content: content.clone(),
        author_id: s.mia.id.to_string(),
        ..Default::default()
    };
    let versions = (1..).zip(history).map(|numbered| import::ImportDocumentsRequest {
        documents: Vec::new(),
        versions: vec![version(numbered)],
    });
    let requests: Vec<_> = std::iter::once(head).chain(versions).collect();
    let mut answers = imports(s).import_documents(stream::iter(requests)).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.results[0].reason, "");
    }
    id
}

/// The new text as the hunks and the old text alone have it.
fn rebuilt(old: &str, diff: &pb::DocumentDiff) -> String {
    let lines: Vec<&str> = old.split_inclusive('\n').collect();
    let (mut made, mut at) = (String::new(), 0);
    for hunk in &diff.hunks {
        let from = usize::try_from(hunk.from_line - 1).unwrap();
        made.extend(lines[at..from].iter().copied());
        let kept = hunk.parts.iter().filter(|part| part.kind() != pb::DiffPartKind::Deleted);
        made.extend(kept.map(|part| part.text.as_str()));
        at = from + usize::try_from(hunk.from_count).unwrap();
    }
    made.extend(lines[at..].iter().copied());
    made
}

#[tokio::test]
async fn applied_diffs_and_restored_versions_reproduce_a_history() {
    let s = team().await;
    let (mut versions, mut diffs, mut bytes) = (0, 0, 0);
    for history in histories() {
        let original = import(&s, &history).await;
        assert_eq!(read(&s.mia, &original).await.unwrap().content.as_ref(), history.last());
        let mut copy = s.mia.document(&s.project, "a copy", &history[0]).await;
        for (number, pair) in (1..).zip(history.windows(2)) {
            let text = diff(&s.mia, unified(&original, number, number + 1)).await.unwrap();
            assert!(!text.truncated);
            if pair[0] != pair[1] {
                let change = Change::UnifiedDiff(text.unified);
                copy = send(&s.mia, edit(&copy.id, copy.version, change)).await.unwrap();
                diffs += 1;
            }
            assert_eq!(copy.content.as_ref(), Some(&pair[1]), "version {} of {original}", number + 1);
            let words = pb::DiffDocumentVersionsRequest {
                unit: pb::DiffUnit::Words.into(),
                ..between(&original, number, number + 1)
            };
            assert_eq!(rebuilt(&pair[0], &diff(&s.mia, words).await.unwrap()), pair[1]);
        }
        for (number, content) in (1..).zip(&history) {
            let restore = pb::RestoreDocumentVersionRequest {
                document_id: original.clone(),
                version_number: number,
                ..Default::default()
            };
            let restored = s.mia.documents().restore_document_version(restore).await.unwrap().into_inner();
            assert_eq!(restored.content.as_ref(), Some(content));
            assert_eq!(restored.version, i32::try_from(history.len()).unwrap() + number);
            bytes += content.len();
        }
        versions += history.len();
    }
    eprintln!("{versions} versions ({bytes} bytes) imported, compared and restored; {diffs} diffs applied");
}

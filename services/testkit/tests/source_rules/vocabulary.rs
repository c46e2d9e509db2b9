//! Names are the terms of the field: words that once meant something only here do not come back.

use std::path::{Path, PathBuf};

use regex::Regex;

use crate::{files_below, workspace};

const DIRECTORIES: [&str; 6] = ["proto", "services", "shared", "migrations", "deploy", ".github"];
const KINDS: [&str; 8] = ["rs", "proto", "sql", "md", "sh", "toml", "yaml", "yml"];

/// Names that are not used, and what is written instead.
const NAMES: [(&str, &str); 47] = [
    ("AuthApi", "AuthHandler"),
    ("DataPlace", "DataDirectory"),
    ("DirectoryService", "UserLookupService"),
    ("Entrance", "Authorizer"),
    ("Founding", "AccountDraft"),
    ("Ground", "ServiceContext"),
    ("KeptIds", "WrittenIds"),
    ("LocalPlace", "DataDirectory"),
    ("LogPiece", "WalSegment"),
    ("Misfit", "PatchError"),
    ("PATIENCE", "…_TIMEOUT"),
    ("PROJECT_KEY_STAYS", "PROJECT_KEY_IMMUTABLE"),
    ("PictureFormat", "DiagramFormat"),
    ("STATUS_FORBIDS", "INVALID_STATUS_TRANSITION"),
    ("STORE_FULL", "STORAGE_FULL"),
    ("SealedColumn", "EncryptedColumn"),
    ("Surroundings", "Sidecars"),
    ("TaskDirectoryService", "TaskLookupService"),
    ("Tethered", "SupervisedProcess"),
    ("Wish", "…Input or …Request"),
    ("again_and_again", "run_periodically"),
    ("believing", "with_ca"),
    ("connect_as_told", "connect_with_options"),
    ("mod exporting", "export"),
    ("look_for_room", "claim_or_replay"),
    ("maintenance_standing", "maintenance_status"),
    ("second_place", "mirror"),
    ("take_back", "refund"),
    ("turn_over", "rotate"),
    ("weigh_tasks", "task_ids_with_sizes"),
    ("wish", "request or input"),
    ("wishes", "requests or inputs"),
    ("const AGAIN", "…_RETRY_DELAY"),
    ("const LOOK", "…_POLL_INTERVAL"),
    ("const PAUSE", "…_RETRY_DELAY or …_POLL_INTERVAL"),
    ("const SOON", "…_RETRY_DELAY"),
    ("enum Fate", "ChangeTag"),
    ("enum Room", "CreateClaim"),
    ("mod letters", "emails"),
    ("mod operating", "user_administration"),
    ("mod refusals", "constraints"),
    ("mod sealing", "encryption"),
    ("mod signing_in", "auth"),
    ("mod upkeep", "database_metrics"),
    ("struct Entered", "AuthorizedTransaction"),
    ("struct Reaching", "ConnectionInfo"),
    ("struct Told", "WatchBatch"),
];

#[test]
fn names_are_terms_of_the_field() {
    let found: Vec<_> = sources().iter().flat_map(|file| findings(file)).collect();
    assert!(found.is_empty(), "{} names:\n{}", found.len(), found.join("\n"));
}

/// Nouns that end like a participle.
const NOUNS: [&str; 7] = ["Finding", "Framing", "Listing", "Pooling", "Setting", "Sibling", "Feed"];

#[test]
fn types_are_nouns_and_durations_have_a_kind() {
    let participle =
        Regex::new(r"(?m)^\s*(?:pub(?:\([a-z:]+\))? )?(?:struct|enum|type) ([A-Z][a-z]+(?:ed|ing))\b")
            .unwrap();
    let kindless =
        Regex::new(r"(?m)^\s*(?:pub(?:\([a-z:]+\))? )?const ((?:\w+_)?(?:LIMIT|POLL)): Duration\b").unwrap();
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "rs");
    let mut found = Vec::new();
    for file in sources().into_iter().filter(is_rust) {
        let text = std::fs::read_to_string(&file).unwrap();
        let types = participle.captures_iter(&text).filter(|name| !NOUNS.contains(&&name[1]));
        let names = types.chain(kindless.captures_iter(&text)).map(|name| name[1].to_owned());
        found.extend(names.map(|name| format!("{}: {name}", file.display())));
    }
    assert!(found.is_empty(), "{} names:\n{}", found.len(), found.join("\n"));
}

/// Files with text of ours, without this list.
fn sources() -> Vec<PathBuf> {
    let files = DIRECTORIES.iter().flat_map(|name| files_below(&workspace().join(name)));
    let is_text =
        |path: &PathBuf| path.extension().is_some_and(|kind| KINDS.iter().any(|known| kind == *known));
    files.filter(is_text).filter(|path| !path.ends_with("source_rules/vocabulary.rs")).collect()
}

fn findings(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut found = Vec::new();
    for (name, instead) in NAMES {
        for (start, _) in text.match_indices(name) {
            if is_whole_name(&text, start, name) {
                let line = text[..start].matches('\n').count() + 1;
                found.push(format!("{}:{line}: `{name}`, write {instead}", file.display()));
            }
        }
    }
    found
}

/// Whether a name ends where it is found, and begins there or, as in `SignUpWish`, with a word of its own.
fn is_whole_name(text: &str, start: usize, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let follows = |before: char| is_part(before) && !(name == "Wish" && before.is_lowercase());
    !text[..start].ends_with(follows) && !text[start + name.len()..].starts_with(is_part)
}

#[test]
fn a_name_is_not_part_of_another() {
    assert!(is_whole_name("a wish.", 2, "wish"));
    assert!(is_whole_name("SignUpWish", 6, "Wish"));
    assert!(!is_whole_name("Wishful", 0, "Wish"));
    assert!(!is_whole_name("the_wish", 4, "wish"));
}

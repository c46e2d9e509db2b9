//! Names are the field's terms: words that once meant something only here stay away.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use crate::{files_below, workspace};

const DIRECTORIES: [&str; 6] = ["proto", "shared", "services", "migrations", "deploy", ".github"];
const KINDS: [&str; 8] = ["rs", "proto", "sql", "md", "sh", "toml", "yaml", "yml"];

/// Words, as regular expressions, and what to write instead.
const REPLACED: [(&str, &str); 54] = [
    (r"\bGround\b", "ServiceContext"),
    (r"\bEntrance\b", "Authorizer"),
    (r"\bEntered\b", "AuthorizedTransaction"),
    (r"look_for_room", "claim_or_replay"),
    (r"\bRoom::", "CreateClaim"),
    (r"\bSealedColumn\b", "EncryptedColumn"),
    (r"\bsealing::", "encryption"),
    (r"\bProofs\b|\bProven\b|(struct|enum) Proof\b", "PasswordVerifier, VerifiedPassword"),
    (r"\bFounding\b", "AccountDraft"),
    (r"forgive\w*\(", "reset"),
    (r"\btake_back\b", "refund"),
    (r"\b(Task)?DirectoryService\b", "UserLookupService, TaskLookupService"),
    (r"\bTold\b|\bTeller\b|\bPortion\b", "WatchBatch, WatchSender, EventBatch"),
    (r"\bReaching\b", "ConnectionInfo"),
    (r"\bTethered\b", "SupervisedProcess"),
    (r"\bDataPlace\b|\bLocalPlace\b", "DataDirectory"),
    (r"\bSurroundings\b", "Sidecars"),
    (r"second[-_]place", "mirror"),
    (r"\bLogPiece\b", "WalSegment"),
    (r"\bTelling\b", "ExportWriter"),
    (r"\bMoments\b", "Snapshots"),
    (r"weigh_tasks", "task_ids_with_sizes"),
    (r"\bMisfit\b", "PatchError"),
    (r"\bFate\b", "ChangeTag"),
    (r"again_and_again", "run_periodically"),
    (r"turn_over", "rotate"),
    (r"\bbelieving\b", "with_ca"),
    (r"connect_as_told", "connect_with_options"),
    (r"\w*Wish\b|\bwish\b", "the request or input"),
    (r"\bPATIENCE\b", "…_TIMEOUT"),
    (r"\b(AGAIN|LOOK|SOON|PAUSE)\b", "…_RETRY_DELAY, …_POLL_INTERVAL"),
    (r"STATUS_FORBIDS", "INVALID_STATUS_TRANSITION"),
    (r"PROJECT_KEY_STAYS", "PROJECT_KEY_IMMUTABLE"),
    (r"STORE_FULL", "STORAGE_FULL"),
    (r"\bPictureFormat\b", "DiagramFormat"),
    (r"maintenance_standing", "maintenance_status"),
    (r"mod letters\b", "emails"),
    (r"mod signing_in\b", "auth"),
    (r"mod operating\b", "user_administration"),
    (r"mod refusals\b", "constraints"),
    (r"mod gathering\b", "part_buffer"),
    (r"mod intake\b", "upload_session"),
    (r"mod (users/)?exporting\b", "export"),
    (r"mod importing\b", "import"),
    (r"mod keeper\b", "scheduler"),
    (r"mod ledger\b", "manifest"),
    (r"mod around\b", "sidecars"),
    (r"mod upkeep\b", "database_metrics"),
    (r"mod (scene|people|crew)\b", "fixtures"),
    (r"mod (sick_database|sweep|twilight)\b", "what the file tests"),
    (r"Is it well", "Health checks"),
    (r"What there is", "API overview"),
    (r"Forms in production", "Deployment topologies"),
    (r"\bAuthApi\b", "AuthHandler"),
];

static ANY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&REPLACED.map(|(word, _)| word).join("|")).unwrap());

#[test]
fn sources_use_the_terms_of_the_field() {
    let found: Vec<_> = sources().iter().flat_map(|file| findings(file)).collect();
    assert!(found.is_empty(), "{} words:\n{}", found.len(), found.join("\n"));
}

/// Files with text of ours, without this list.
fn sources() -> Vec<PathBuf> {
    let directories = DIRECTORIES.iter().flat_map(|name| files_below(&workspace().join(name)));
    let is_text =
        |path: &PathBuf| path.extension().is_some_and(|kind| KINDS.iter().any(|known| kind == *known));
    directories.filter(is_text).filter(|path| !path.ends_with("source_rules/vocabulary.rs")).collect()
}

fn findings(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let word = ANY.find(line)?.as_str();
            let (_, instead) =
                REPLACED.iter().find(|(replaced, _)| Regex::new(replaced).unwrap().is_match(word))?;
            Some(format!("{}:{}: `{word}`, write: {instead}", file.display(), index + 1))
        })
        .collect()
}

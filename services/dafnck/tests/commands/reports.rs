//! What commands report, as JSON and when they are to be quiet.

use serde_json::Value;
use tokio::process::Command;

use super::unread;
use crate::dafnck::CommandOutput;
use crate::local_suite::Machine;

/// A command that can be run again and again, and the keys of the objects that it prints with `--json`.
const REPORTS: [(&str, &str); 16] = [
    ("health", "ok services"),
    ("doctor", "findings level"),
    ("user list", "email id status username"),
    ("user reactivate olga", "email id status username"),
    ("rotate-keys", "encrypted_count key_id total_count"),
    ("maintain", "jobs rotated_logs"),
    ("end-sessions --dry-run", "api_tokens codes dry_run ended_in_redis sessions"),
    ("end-sessions --yes", "api_tokens codes dry_run ended_in_redis sessions"),
    ("export @/export.jsonl --replace", "file_bytes files left_out written"),
    ("import @/export.jsonl", "dry_run kinds refusals unreadable"),
    ("import @/export.jsonl --dry-run", "dry_run kinds refusals unreadable"),
    ("descriptors @/dafnck.binpb", "files path"),
    ("man @/man", "files path"),
    ("reference @/reference", "files path"),
    ("dev-ca @/certificates", "directory until"),
    ("migrate status", "sets"),
];

/// A command on the data directory, which is not backed up. Its paths are below the machine's directory.
fn on(machine: &Machine, command: &str) -> Command {
    let root = machine.path("").display().to_string();
    let words: Vec<String> = command.split(' ').map(|word| word.replace("@/", &root)).collect();
    let mut command = machine.on("data", &words.iter().map(String::as_str).collect::<Vec<_>>());
    command.env_remove("DAFNCK_BACKUP_DIRECTORY");
    command
}

fn keys(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.join(" ")
}

pub(super) async fn reports_are_objects_of_a_stable_shape(machine: &Machine) {
    for (command, shape) in REPORTS {
        let ran = CommandOutput::run(&mut on(machine, &format!("{command} --json"))).await;
        // The disk of the tests may be full.
        assert!(ran.code == Some(0) || command == "doctor", "{command}: {ran:?}");
        assert_eq!(ran.err, "", "{command}");
        let shapes: Vec<String> = ran.out.lines().map(keys).collect();
        let fits = |found: &String| match command.starts_with("user") {
            // A message of the API leaves out what is not set.
            true => shape.split(' ').all(|key| found.split(' ').any(|word| word == key)),
            false => found == shape,
        };
        assert!(!shapes.is_empty() && shapes.iter().all(fits), "{command}: {shapes:?}");
    }
}

pub(super) async fn quiet_commands_print_only_what_was_asked_for(machine: &Machine) {
    for (command, _) in REPORTS {
        let ran = CommandOutput::run(&mut on(machine, &format!("--quiet {command}"))).await;
        assert_eq!(ran.err, "", "{command}");
        assert_eq!(ran.out.is_empty(), !command.starts_with("user"), "{command}: {ran:?}");
    }
}

pub(super) async fn a_closed_standard_output_ends_a_command_without_a_panic(machine: &Machine) {
    for (command, _) in REPORTS {
        let ran = unread(on(machine, command)).await;
        assert_eq!((ran.code, ran.err.as_str()), (Some(128 + 13), ""), "{command}");
    }
    for command in ["user export olga", "descriptors", "completions bash"] {
        let ran = unread(on(machine, command)).await;
        assert_eq!((ran.code, ran.err.as_str()), (Some(128 + 13), ""), "{command}");
    }
    for command in ["--help", "user --help-all", "--version"] {
        let ran = unread(on(machine, command)).await;
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{command}");
    }
}

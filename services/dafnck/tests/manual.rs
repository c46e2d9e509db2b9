//! Shell completions and manual pages.

use std::collections::BTreeSet;
use std::fs;

use crate::dafnck::dafnck;

/// A few commands, one of them with commands of its own.
const COMMANDS: [&str; 4] = ["run", "backup", "restore", "user"];

#[tokio::test]
async fn completions_are_written_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = dafnck(&["completions", shell], &[]).await;
        assert_eq!(ran.code, Some(0), "{shell}: {}", ran.err);
        for name in COMMANDS {
            assert!(ran.out.contains(name), "{shell}: {name}");
        }
    }
    let unknown = dafnck(&["completions", "tcsh"], &[]).await;
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("possible values"), "{}", unknown.err);
}

#[tokio::test]
async fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    let ran = dafnck(&["man", pages.to_str().unwrap()], &[]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let names: BTreeSet<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in COMMANDS {
        assert!(names.contains(&format!("dafnck-{name}.1")), "{names:?}");
    }
    assert!(fs::read_to_string(pages.join("dafnck.1")).unwrap().contains(".TH dafnck 1"));

    let in_a_file = pages.join("dafnck.1/below");
    let refused = dafnck(&["man", in_a_file.to_str().unwrap()], &[]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("cannot write manual pages"), "{}", refused.err);
}

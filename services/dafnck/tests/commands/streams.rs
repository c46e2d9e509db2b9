//! Import and export through standard input and output, and what is refused there.

use std::fs::{self, File};
use std::process::Stdio;

use uuid::Uuid;

use super::unread;
use crate::dafnck::{CommandOutput, dafnck};
use crate::local_suite::Machine;

/// Imports this text from standard input.
async fn import(machine: &Machine, content: &[u8], arguments: &[&str]) -> CommandOutput {
    let path = machine.path("input.jsonl");
    fs::write(&path, content).unwrap();
    let mut command = machine.on("data", &[&["import", "-"], arguments].concat());
    CommandOutput::run(command.stdin(File::open(path).unwrap())).await
}

pub(super) async fn what_is_exported_to_standard_output_is_imported_from_standard_input(machine: &Machine) {
    let path = machine.path("export.jsonl");
    let file = machine.run("data", &["export", path.to_str().unwrap(), "--replace"]).await;
    assert_eq!((file.code, file.err.as_str()), (Some(0), ""));
    assert!(file.out.contains("projects"), "{file:?}");
    let stream = machine.run("data", &["export"]).await;
    assert_eq!(stream.out, fs::read_to_string(&path).unwrap());
    assert_eq!(stream.err, file.out, "the report stands beside the data");
    let unread = unread(machine.on("data", &["export"])).await;
    assert_eq!((unread.code, unread.err.as_str()), (Some(128 + 13), ""));

    let with_mark = [b"\xef\xbb\xbf", stream.out.as_bytes()].concat();
    let again = import(machine, &with_mark, &["--strict"]).await;
    assert_eq!((again.code, again.err.as_str()), (Some(0), ""), "{again:?}");
    assert!(again.out.contains("Nothing was refused."), "{again:?}");
}

pub(super) async fn lines_that_are_refused_fail_a_strict_import_only(machine: &Machine) {
    let [user, project] = [Uuid::now_v7(), Uuid::now_v7()];
    let lines = format!(
        "[]\n{{\"type\":\"user\",\"id\":\"{user}\",\"email\":\"new@example.org\",\"username\":\"new\"}}\n\
         {{\"type\":\"project\",\"id\":\"{project}\",\"name\":7,\"ownerId\":\"{user}\"}}\n"
    );
    let dry = import(machine, lines.as_bytes(), &["--dry-run", "--strict"]).await;
    assert_eq!(dry.code, Some(3), "{dry:?}");
    assert_eq!(dry.err, "dafnck: 2 lines were refused\n");
    assert!(dry.out.contains("expected an object with a `type`") && !dry.out.contains("struct"), "{dry:?}");
    let absent = machine.run("data", &["user", "export", "new"]).await;
    assert_eq!(
        (absent.code, absent.err.as_str()),
        (Some(1), "dafnck: there is no user `new`\n"),
        "nothing is stored"
    );

    let lenient = import(machine, lines.as_bytes(), &[]).await;
    assert_eq!((lenient.code, lenient.err.as_str()), (Some(0), ""), "{lenient:?}");
    let strict = import(machine, lines.as_bytes(), &["--strict"]).await;
    assert_eq!(strict.code, Some(3), "{strict:?}");
    let present = machine.run("data", &["user", "export", "new"]).await;
    assert!(present.code == Some(0) && present.out.contains("new@example.org"), "{present:?}");

    let utf_16: Vec<u8> = lines.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let refused = import(machine, &utf_16, &[]).await;
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.err.contains("is in UTF-16; save it in UTF-8"), "{refused:?}");
}

pub(super) async fn a_project_that_is_not_there_is_not_exported_as_an_empty_file(machine: &Machine) {
    let (unknown, path) = (Uuid::now_v7().to_string(), machine.path("unknown.jsonl"));
    let ran = machine.run("data", &["export", path.to_str().unwrap(), "--project", &unknown]).await;
    assert_eq!((ran.code, ran.err), (Some(1), format!("dafnck: there is no project {unknown}\n")));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_directory_and_a_missing_file_are_no_input() {
    for (path, words) in [("/", "is a directory"), ("/no/such/file", "No such file")] {
        let ran = dafnck(&["import", path, "--dry-run"], &[]).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{path}");
        assert!(ran.err.contains(words), "{ran:?}");
    }
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_dafnck"));
    let empty =
        CommandOutput::run(command.args(["import", "-", "--dry-run", "--strict"]).stdin(Stdio::null())).await;
    assert_eq!((empty.code, empty.err.as_str()), (Some(0), ""), "{empty:?}");
}

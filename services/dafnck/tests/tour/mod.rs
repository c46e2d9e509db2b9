//! The tours of the documents, as a reader pastes them into a shell, with grpcurl and with `buf curl`: each twice in a row.

mod tools;

use std::fs;
use std::path::Path;
use std::process::Output;

use testkit::{Suite, Topology};

use self::tools::Tool;
use crate::harness::harness;

/// How grpcurl ends when a call answers `FAILED_PRECONDITION`: 64 and the number of the code.
const FAILED_PRECONDITION: i32 = 64 + 9;

/// The shell blocks of a page, from this heading of the second level to the next one, or of all of it.
fn blocks(page: &str, heading: Option<&str>) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap();
    let (mut is_within, mut is_shell, mut found) = (heading.is_none(), false, String::new());
    for line in text.lines() {
        match line {
            "```sh" if is_within => is_shell = true,
            "```" => is_shell = false,
            line if is_shell => found += &format!("{line}\n"),
            line if heading.is_some() && line.starts_with("## ") => {
                is_within = heading == line.strip_prefix("## ")
            }
            _ => {}
        }
    }
    assert!(!found.is_empty(), "{page} has no shell blocks");
    found
}

/// Runs a script with this tool as `grpcurl`, and with the address of this suite.
async fn run(suite: &Suite, tool: &Tool, script: &str) -> Output {
    let mut command = tool.shell();
    command.args(["-euo", "pipefail", "-c", script]);
    command.env("API", suite.gateway_url().trim_start_matches("http://"));
    command.kill_on_drop(true).output().await.unwrap()
}

/// Runs a script that must succeed.
async fn succeed(suite: &Suite, tool: &Tool, script: &str) {
    let Output { status, stdout, stderr } = run(suite, tool, script).await;
    let [out, err] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "{status}\n{out}\n{err}");
}

#[tokio::test]
async fn the_long_tour_runs_twice_in_a_row_with_grpcurl() {
    let suite = harness().with_gateway().start_in(Topology::PLAIN).await;
    let tool = Tool::grpcurl().await;
    for _ in 0..2 {
        succeed(&suite, &tool, &blocks("proto/TOUR.md", None)).await;
    }
}

#[tokio::test]
async fn the_long_tour_runs_with_buf_curl() {
    let suite = harness().with_gateway().start_in(Topology::PLAIN).await;
    succeed(&suite, &Tool::buf_curl().await, &blocks("proto/TOUR.md", None)).await;
}

/// Each tool writes masks in its own way.
#[tokio::test]
async fn masks_name_fields_in_every_spelling_of_the_tools() {
    let suite = harness().with_gateway().start_in(Topology::PLAIN).await;
    let sections = ["Set up", "Accounts and sessions"].map(|heading| blocks("proto/TOUR.md", Some(heading)));
    let grpcurl = [r#"{"paths": ["due_at", "description"]}"#, r#"{"paths": ["dueAt", "description"]}"#];
    let buf_curl = [r#""dueAt,description""#, r#""description,dueAt""#];
    for (tool, masks) in [(Tool::grpcurl().await, grpcurl), (Tool::buf_curl().await, buf_curl)] {
        for mask in masks {
            let script = format!("{}\nMASK='{mask}'\n{}", sections.concat(), include_str!("masks.sh"));
            succeed(&suite, &tool, &script).await;
        }
    }
}

#[tokio::test]
async fn the_tour_of_the_readme_ends_with_the_error_that_it_shows() {
    let suite = harness().with_gateway().start_in(Topology::PLAIN).await;
    let tool = Tool::grpcurl().await;
    let script = blocks("README.md", Some("A short tour")).replace("127.0.0.1:50050", "$API");
    for _ in 0..2 {
        let Output { status, stdout, stderr } = run(&suite, &tool, &script).await;
        let [out, err] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(status.code(), Some(FAILED_PRECONDITION), "{out}\n{err}");
        for words in
            ["Code: FailedPrecondition", "tasks that block this one are open", r#""reason": "TASK_BLOCKED""#]
        {
            assert!(err.contains(words), "{err}");
        }
    }
}

use crate::harness::harness;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use dafnck::interchange::line::Kind;
use proto::task::v1 as task;
use shared::caller::Session;
use testkit::{Actor, Suite};
use uuid::Uuid;

use super::everything::fill;
use super::tables::rows;
use super::{ExportedDirectory, difference, import};

#[tokio::test]
async fn what_is_exported_imported_and_exported_is_the_same_bytes() {
    let (origin, copy) = tokio::join!(harness().start(), harness().start());
    fill(&origin).await;
    let first = ExportedDirectory::of(&origin).await;
    let taken = import(&copy, &first.file()).await;
    assert_eq!(taken.refusals(), []);
    let second = ExportedDirectory::of(&copy).await;

    assert_eq!(difference(&first.text(), &second.text()), None);
    assert_eq!(first.text(), second.text());
    assert_eq!(first.files(), second.files());
    assert_eq!(first.files().len(), 5, "each content once");
    assert_eq!(rows(&origin).await, rows(&copy).await);
    assert!(first.report.left_out.is_empty() && first.report.written.len() == Kind::ALL.len());

    let again = import(&copy, &first.file()).await;
    assert!(again.refusals().is_empty() && again.tallies.values().all(|tally| tally.created == 0));
    assert_eq!(ExportedDirectory::of(&copy).await.text(), first.text());
}

#[tokio::test]
async fn every_field_of_the_format_is_told() {
    let suite = harness().start().await;
    fill(&suite).await;
    let text = ExportedDirectory::of(&suite).await.text();
    let reference = include_str!("../../src/interchange/FORMAT.md");
    let (fields, _) = reference.split_once("## What an export holds").unwrap();
    let only_imported = ["passwordHash", "contentBase64"];
    let fields = fields.split('`').skip(1).step_by(2).filter(|word| {
        let is_name = word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && word.bytes().any(|byte| byte.is_ascii_uppercase());
        is_name && !only_imported.contains(word)
    });
    let missing: Vec<_> = fields.filter(|field| !text.contains(&format!("\"{field}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(
        !text.contains("encrypted:test") && !text.contains("argon2"),
        "neither encrypted names nor hashes"
    );
}

#[tokio::test]
async fn an_import_that_was_cut_off_is_finished_by_another() {
    let (origin, copy) = tokio::join!(harness().start(), harness().start());
    fill(&origin).await;
    let whole = ExportedDirectory::of(&origin).await;
    let text = whole.text();
    let lines: Vec<&str> = text.lines().collect();
    for kept in [lines.len() / 3, lines.len() * 2 / 3] {
        // As if only so many lines had come through, users among them: they stand last.
        let cut = [&lines[lines.len() - kept..], &lines[..kept / 2]].concat().join("\n");
        let file = whole.directory.path().join("cut.jsonl");
        std::fs::write(&file, cut).unwrap();
        import(&copy, &file).await;
    }
    assert_eq!(import(&copy, &whole.file()).await.refusals(), []);
    let again = ExportedDirectory::of(&copy).await;
    assert_eq!(difference(&text, &again.text()), None);
}

#[tokio::test]
async fn numbers_go_on_where_they_were() {
    let (origin, copy) = tokio::join!(harness().start(), harness().start());
    let olga = origin.guest("olga").await;
    let apollo = olga.project("Apollo").await;
    olga.task(&apollo, "first").await;
    let second = olga.task(&apollo, "second").await;
    let gone = task::DeleteTaskRequest { task_id: second.id, ..Default::default() };
    olga.tasks().delete_task(gone).await.unwrap();
    import(&copy, &ExportedDirectory::of(&origin).await.file()).await;

    let there = signed_in(&copy, &olga).await;
    assert_eq!(there.task(&apollo, "third").await.key, "APO-3");
}

/// The same person in another suite, to which sessions do not come along.
async fn signed_in(suite: &Suite, who: &Actor) -> Actor {
    let token = format!("dfs_{:0<43}", Uuid::now_v7().simple().to_string());
    let session = Session {
        session_id: Uuid::now_v7(),
        user_id: who.id,
        expires_at: Utc::now() + TimeDelta::hours(1),
        scopes: None,
    };
    suite.put_session(&token, &session).await.unwrap();
    let mut there = suite.anonymous();
    (there.id, there.session_token) = (who.id, Some(token));
    there
}

#[tokio::test]
async fn one_project_comes_with_whom_it_names_and_no_others() {
    let (origin, copy) = tokio::join!(harness().start(), harness().start());
    fill(&origin).await;
    let [nina, otto] = origin.guests(["nina", "otto"]).await;
    let small = nina.project("Small").await;
    nina.task(&small, "alone").await;
    otto.project("Other").await;

    let exported =
        ExportedDirectory::with(&origin, |options| options.projects = vec![small.id.parse().unwrap()]).await;

    let counts: Vec<_> = exported.report.written.clone().into_iter().collect();
    assert_eq!(counts, [(Kind::User, 1), (Kind::Project, 1), (Kind::TaskCounter, 1), (Kind::Task, 1)]);
    assert_eq!(import(&copy, &exported.file()).await.refusals(), []);
    assert_eq!(ExportedDirectory::of(&copy).await.text(), exported.text());
}

#[tokio::test]
async fn files_that_are_there_are_kept_and_broken_ones_mended() {
    let suite = harness().start().await;
    fill(&suite).await;
    let first = ExportedDirectory::of(&suite).await;
    let broken = first.directory.path().join(first.files().keys().next().unwrap());
    std::fs::write(&broken, "broken").unwrap();
    let untouched = first.directory.path().join(first.files().keys().last().unwrap());
    let before = modified(&untouched);
    let files = ExportedDirectory::of(&suite).await.files();

    let mut again = super::to(&suite, &first.file());
    again.replace = true;
    dafnck::export::run(&again, &dafnck::import::Progress::hidden()).await.unwrap();

    assert_eq!(first.files(), files);
    assert_eq!(modified(&untouched), before);
}

fn modified(path: &Path) -> std::time::SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

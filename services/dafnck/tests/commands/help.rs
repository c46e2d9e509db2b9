//! The help of every command.

use std::collections::{BTreeMap, BTreeSet};

use crate::dafnck::dafnck;

/// Lines and columns of a screen.
const LINES: usize = 50;
const COLUMNS: usize = 100;

async fn help(command: &[String], flag: &str) -> String {
    let words: Vec<&str> = command.iter().map(String::as_str).chain([flag]).collect();
    let ran = dafnck(&words, &[]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{command:?}");
    ran.out
}

/// The commands that a help lists.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("    "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The options of a long help that have a variable, with it.
fn variables(help: &str) -> Vec<(String, String)> {
    let (mut flag, mut found) = (String::new(), Vec::new());
    for line in help.lines().map(str::trim) {
        if let Some(word) =
            line.split(' ').find(|word| word.starts_with("--")).filter(|_| line.starts_with('-'))
        {
            flag = word.split('=').next().unwrap().trim_end_matches('[').to_owned();
        }
        if let Some((_, rest)) = line.split_once("[env: ") {
            found.push((rest.split('=').next().unwrap().to_owned(), flag.clone()));
        }
    }
    found
}

#[tokio::test]
async fn the_help_of_every_command_fits_a_screen_and_points_on() {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let (mut seen, mut flags_of) = (0, BTreeMap::<String, BTreeSet<String>>::new());
    while let Some(command) = commands.pop() {
        let text = help(&command, "--help").await;
        seen += 1;
        let (lines, columns) = (text.lines().count(), text.lines().map(|line| line.chars().count()).max());
        assert!(lines <= LINES, "{command:?} has {lines} lines:\n{text}");
        assert!(columns <= Some(COLUMNS), "{command:?} has {columns:?} columns:\n{text}");
        for option in ["--help-all", "--json", "--quiet", "--data-directory"] {
            assert!(text.contains(option), "{command:?} does not name {option}:\n{text}");
        }
        for (variable, flag) in variables(&help(&command, "--help-all").await) {
            flags_of.entry(variable).or_default().insert(flag);
        }
        let below = listed(&text).into_iter().filter(|name| name != "help");
        commands.extend(below.map(|name| [command.clone(), vec![name]].concat()));
    }
    assert!(seen > 30 && flags_of.len() > 50, "{seen} commands with {} variables", flags_of.len());
    let two_names = flags_of.iter().filter(|(_, flags)| flags.len() > 1);
    assert_eq!(two_names.collect::<Vec<_>>(), [], "one thing has one name");
}

#[tokio::test]
async fn options_of_the_program_stand_before_and_after_a_command_and_no_others_before_it() {
    let nowhere = ["--data-directory", "/no/such/directory"];
    let before = dafnck(&[&nowhere[..], &["--json", "doctor"]].concat(), &[]).await;
    let after = dafnck(&[&["doctor", "--json"], &nowhere[..]].concat(), &[]).await;
    assert_eq!((before.code, &before.err), (after.code, &after.err));
    assert!(before.err.contains("no suite has run on /no/such/directory"), "{before:?}");

    let misplaced = dafnck(&["--ports", "6000", "health"], &[]).await;
    assert_eq!(misplaced.code, Some(2), "{misplaced:?}");
    assert!(misplaced.err.contains("give it after `health`"), "{misplaced:?}");
}

#[tokio::test]
async fn all_options_and_examples_are_in_the_long_help() {
    let import = help(&["import".to_owned()], "--help-all").await;
    for words in ["--tls-certificate", "DAFNCK_TASK_URL", "Exit code 3"] {
        assert!(import.contains(words), "{import}");
    }
    let program = help(&[], "--help").await;
    assert!(program.contains("Exit codes:") && program.contains("  141  "), "{program}");
}

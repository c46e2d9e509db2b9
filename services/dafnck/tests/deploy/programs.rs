//! What the programs accept, by their own command lines.

use std::collections::BTreeMap;
use std::path::Path;

use ::content::storage::StorageOptions;
use clap::{Arg, Args, Command};
use dafnck::backup::BackupOptions;
use dafnck::doctor::DoctorOptions;
use dafnck::files::FilesOptions;
use dafnck::help::arrange;
use dafnck::maintain::MaintainOptions;
use dafnck::migrations::MigrateOptions;
use identity::IdentityOptions;
use project::WebhookOptions;
use shared::config::ServiceOptions;
use shared::mail::MailOptions;

use super::{read, root};

/// Where containers find their secrets.
const SECRETS: &str = "/run/secrets/";

/// The command line of a program, composed as in its `main.rs`.
fn command(program: &str) -> Command {
    let command = Command::new(program.to_owned());
    match program {
        "identity" => {
            MailOptions::augment_args(IdentityOptions::augment_args(ServiceOptions::augment_args(command)))
        }
        "project" => {
            MailOptions::augment_args(WebhookOptions::augment_args(ServiceOptions::augment_args(command)))
        }
        "task" => ServiceOptions::augment_args(command),
        "content" => StorageOptions::augment_args(ServiceOptions::augment_args(command)),
        "migrate" => arrange(MigrateOptions::augment_args(command)),
        "maintain" => arrange(MaintainOptions::augment_args(command)),
        "doctor" => arrange(DoctorOptions::augment_args(command)),
        "backup" => arrange(BackupOptions::augment_args(command)),
        "files" => arrange(FilesOptions::augment_args(command)),
        other => panic!("{other} is no program of ours"),
    }
}

/// Starts the program's command line as if these variables were set: a variable that is no option, a value that is
/// refused and an option that is missing all fail. Secrets come from the directory, by the names of their files.
pub(super) fn accept(program: &str, words: &[&str], variables: &BTreeMap<String, String>, secrets: &Path) {
    let command = command(program);
    let mut line: Vec<String> = [program].iter().chain(words).map(|word| (*word).to_owned()).collect();
    for (variable, value) in variables.iter().filter(|(variable, _)| variable.starts_with("DAFNCK_")) {
        let (flag, is_file) =
            flag_of(&command, variable).unwrap_or_else(|| panic!("{program} has no option for {variable}"));
        let in_container =
            value.strip_prefix(SECRETS).map(|path| secrets.join(path.rsplit('/').next().unwrap()));
        let value = match in_container {
            Some(file) if is_file => read(&file).trim_end().to_owned(),
            Some(file) => file.to_string_lossy().into_owned(),
            None => value.clone(),
        };
        line.extend([format!("--{flag}"), value]);
    }
    if let Err(refusal) = command.try_get_matches_from(line) {
        panic!("{program} does not accept {:?}: {refusal}", variables.keys());
    }
}

/// The flag that a variable stands for, and whether the variable names a file with a secret.
fn flag_of(command: &Command, variable: &str) -> Option<(String, bool)> {
    let of = |name: &str, is_wanted: &dyn Fn(&Arg) -> bool| {
        let mut found = command.get_arguments().filter(|argument| is_wanted(argument));
        found.find(|argument| argument.get_env().is_some_and(|env| env == name)).and_then(Arg::get_long)
    };
    let secret = |argument: &Arg| argument.is_hide_env_values_set();
    let own = of(variable, &|_| true).map(|flag| (flag.to_owned(), false));
    let by_file = || Some((of(variable.strip_suffix("_FILE")?, &secret)?.to_owned(), true));
    let of_subcommand = || command.get_subcommands().find_map(|sub| flag_of(sub, variable));
    own.or_else(by_file).or_else(of_subcommand)
}

#[test]
fn the_configuration_reference_has_every_option_of_every_service() {
    let page = read(&root().join("deploy/README.md"));
    let (_, table) = page.split_once("<!-- options:begin -->").unwrap();
    let (table, _) = table.split_once("<!-- options:end -->").unwrap();
    for program in ["identity", "project", "task", "content"] {
        for flag in command(program).get_arguments().filter_map(Arg::get_long) {
            assert!(table.contains(&format!("`--{flag}`")), "{program} --{flag}");
        }
    }
}

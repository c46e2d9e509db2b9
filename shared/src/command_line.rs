//! The command line of a program: options from flags and `DAFNCK_…` variables, and secrets also from files.
//!
//! Every secret option with a variable `DAFNCK_X` is also read from the file that `DAFNCK_X_FILE` names, which is how
//! Docker and Kubernetes hand secrets to a container: they then stand neither in process lists nor in what
//! `docker inspect` and `kubectl describe` show. A flag goes before the file; variable and file together are refused.
//! Unlike the parser on its own, this one does not quote a malformed secret.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Error, Parser};

use crate::config::Secret;

/// Largest file of a secret, in bytes: a key ring or a URL has a few hundred.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

/// Parses the command line, or ends the process with a message on standard error.
pub fn parse<Cli: Parser>() -> Cli {
    try_parse_with(Cli::command()).unwrap_or_else(|refusal: Error| refusal.exit())
}

/// Parses the command line with a command that differs from that of `Cli` in its help.
///
/// # Errors
/// When it makes no sense, or asks for help.
pub fn try_parse_with<Cli: Parser>(command: Command) -> Result<Cli, Error> {
    prepare(command, &|name| std::env::var_os(name)).and_then(|mut command| {
        let matches = matches(&mut command, std::env::args_os())?;
        refuse_misplaced(&mut command, &matches)?;
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    })
}

/// Refuses an option of the program itself in front of a subcommand, where it would do nothing. Global options may stand
/// in both places.
fn refuse_misplaced(command: &mut Command, matches: &ArgMatches) -> Result<(), Error> {
    let Some(name) = matches.subcommand_name() else { return Ok(()) };
    let subcommand = command.find_subcommand(name);
    // Of these the parser hands values on, also upwards.
    let is_global_below = |id: &str| {
        let mut below = subcommand.into_iter().flat_map(Command::get_arguments);
        below.any(|argument| argument.get_id() == id && argument.is_global_set())
    };
    let is_misplaced = |argument: &&Arg| {
        let id = argument.get_id().as_str();
        let is_given = matches.value_source(id) == Some(ValueSource::CommandLine);
        is_given && !argument.is_global_set() && !is_global_below(id)
    };
    let Some(argument) = command.get_arguments().find(is_misplaced) else { return Ok(()) };
    let refusal =
        format!("{argument} is no option for all commands: give it after `{name}`, if it is one of its own");
    Err(command.error(ErrorKind::ArgumentConflict, refusal))
}

/// A secret without an option of its own, from its variable or its file.
///
/// # Errors
/// When both are given, or the file cannot be read.
pub fn secret_of(variable: &str) -> anyhow::Result<Option<Secret>> {
    let lookup = |name: &str| std::env::var_os(name);
    let given = lookup(variable).and_then(|value| value.into_string().ok());
    let from_file = from_file(variable, given.is_some(), &lookup).map_err(anyhow::Error::msg)?;
    Ok(from_file.or(given).map(Secret::from))
}

/// Gives every secret option, also of subcommands, the text of its file as its default, and mentions it in its help.
fn prepare(command: Command, lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<Command, Error> {
    let taken: Vec<OsString> =
        command.get_arguments().filter_map(|argument| argument.get_env().map(OsStr::to_owned)).collect();
    let mut refusal = None;
    let prepared = command.mut_args(|argument| {
        let Some(variable) =
            secret_variable(&argument).filter(|name| !taken.contains(&file_variable(name).into()))
        else {
            return argument;
        };
        let argument = mention_file(argument, &variable);
        match from_file(&variable, lookup(&variable).is_some(), lookup) {
            Ok(None) => argument,
            Ok(Some(text)) => argument.required(false).default_value(text).hide_default_value(true),
            Err(reason) => {
                refusal.get_or_insert(reason);
                argument
            }
        }
    });
    if let Some(reason) = refusal {
        return Err(Error::raw(ErrorKind::InvalidValue, format!("{reason}\n")));
    }
    let names: Vec<String> = prepared.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().try_fold(prepared, |command, name| {
        let mut outcome = Ok(());
        let command = command.mut_subcommand(name, |sub| {
            prepare(sub.clone(), lookup).unwrap_or_else(|error| {
                outcome = Err(error);
                sub
            })
        });
        outcome.map(|()| command)
    })
}

/// The variable of an option whose value is not to be shown.
fn secret_variable(argument: &Arg) -> Option<String> {
    let variable = argument.get_env().filter(|_| argument.is_hide_env_values_set())?;
    variable.to_str().map(str::to_owned)
}

fn file_variable(variable: &str) -> String {
    format!("{variable}_FILE")
}

fn mention_file(argument: Arg, variable: &str) -> Arg {
    let mention = |help: Option<&StyledStr>| {
        let mut help = help.cloned()?;
        help.push_str(&format!(". {} names a file with it", file_variable(variable)));
        Some(help)
    };
    let (help, long_help) = (mention(argument.get_help()), mention(argument.get_long_help()));
    match (help, long_help) {
        (Some(help), Some(long_help)) => argument.help(help).long_help(long_help),
        (Some(help), None) => argument.help(help),
        _ => argument,
    }
}

/// The text of the variable's file, without the end of its last line.
fn from_file(
    variable: &str,
    is_given: bool,
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<String>, String> {
    let Some(path) = lookup(&file_variable(variable)).map(PathBuf::from) else { return Ok(None) };
    let name = format!("{} ({})", path.display(), file_variable(variable));
    if is_given {
        return Err(format!("give either {variable} or {}, not both", file_variable(variable)));
    }
    let size = std::fs::metadata(&path).map_err(|error| format!("cannot read {name}: {error}"))?.len();
    if size > MAX_SECRET_FILE_BYTES {
        return Err(format!("{name} is larger than {MAX_SECRET_FILE_BYTES} bytes"));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {name}: {error}"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{name} is empty")),
        text => Ok(Some(text.to_owned())),
    }
}

fn matches(command: &mut Command, words: impl IntoIterator<Item = OsString>) -> Result<ArgMatches, Error> {
    let mut secrets = Vec::new();
    command.build();
    name_secrets(command, &mut secrets);
    command.try_get_matches_from_mut(words).map_err(|error| without_secrets(error, &secrets))
}

/// How messages name the secret options of a command and its subcommands.
fn name_secrets(command: &Command, into: &mut Vec<String>) {
    into.extend(
        command.get_arguments().filter(|argument| argument.is_hide_env_values_set()).map(Arg::to_string),
    );
    command.get_subcommands().for_each(|sub| name_secrets(sub, into));
}

fn without_secrets(mut error: Error, secrets: &[String]) -> Error {
    let is_secret = matches!(error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(argument)) if secrets.contains(argument));
    if is_secret {
        error.insert(ContextKind::InvalidValue, ContextValue::String("[redacted]".to_owned()));
    }
    error
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::{Args, CommandFactory, FromArgMatches, Subcommand};
    use tempfile::NamedTempFile;

    use super::*;
    use crate::config::ServiceOptions;

    #[derive(Parser, Debug)]
    struct Cli {
        #[command(subcommand)]
        command: Sub,
    }

    #[derive(Subcommand, Debug)]
    enum Sub {
        Serve(Box<ServiceOptions>),
        Sign(SignOptions),
    }

    #[derive(Args, Debug)]
    struct SignOptions {
        /// A name. No default
        #[arg(long, env = "DAFNCK_NAME")]
        name: String,
    }

    fn file(text: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    /// Parses `words` as if these variables were set.
    fn parse_with(words: &str, variables: &[(&str, OsString)]) -> Result<Cli, Error> {
        let lookup = |name: &str| {
            let mut found = variables.iter().filter(|(variable, _)| *variable == name);
            found.next().map(|(_, value)| value.clone())
        };
        let mut command = prepare(Cli::command(), &lookup)?;
        // The key has spaces of its own.
        let key = words.starts_with("suite serve").then_some(["--service-key", KEY]).into_iter().flatten();
        let matches = matches(&mut command, words.split(' ').chain(key).map(OsString::from))?;
        Cli::from_arg_matches(&matches)
    }

    fn served(parsed: Result<Cli, Error>) -> ServiceOptions {
        match parsed.unwrap().command {
            Sub::Serve(options) => *options,
            Sub::Sign(options) => panic!("{options:?}"),
        }
    }

    const WORDS: &str = "suite serve --listen 127.0.0.1:0 --database-url postgres://u@h/d \
                         --worker-database-url postgres://w@h/d --redis-url redis://h \
                         --principal-keys task:JahmlhL7awba/vCzcBqXOeGmUnYL0nuxLrzgDhQnLJ4=";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIARXSiDqipl8xkLJ1cZAX1FbdPuaEmAcedp6EtGQ4YIp\n-----END PRIVATE KEY-----\n";
    const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-";

    #[test]
    fn a_secret_is_read_from_its_file_without_the_end_of_the_line() {
        let secret = file(&format!("{SECRET}\n"));
        let options = served(parse_with(WORDS, &[("DAFNCK_DERIVATION_SECRET_FILE", secret.path().into())]));
        assert_eq!(options.derivation.derivation_secret.expose(), SECRET);
    }

    #[test]
    fn a_flag_goes_before_a_file() {
        let secret = file(SECRET);
        let words = format!("{WORDS} --derivation-secret {}", SECRET.to_uppercase());
        let options = served(parse_with(&words, &[("DAFNCK_DERIVATION_SECRET_FILE", secret.path().into())]));
        assert_eq!(options.derivation.derivation_secret.expose(), SECRET.to_uppercase());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_no_secret_is_printed() {
        let (secret, short, empty) = (file(SECRET), file("hunter2"), file("\n"));
        let variable = "DAFNCK_DERIVATION_SECRET_FILE";
        for (variables, reason) in [
            (vec![(variable, short.path().into())], "shorter than 32 bytes"),
            (vec![(variable, empty.path().into())], "is empty"),
            (
                vec![(variable, "/no/such/file".into())],
                "cannot read /no/such/file (DAFNCK_DERIVATION_SECRET_FILE)",
            ),
            (
                vec![(variable, secret.path().into()), ("DAFNCK_DERIVATION_SECRET", SECRET.into())],
                "give either DAFNCK_DERIVATION_SECRET or DAFNCK_DERIVATION_SECRET_FILE",
            ),
        ] {
            let refusal = parse_with(WORDS, &variables).unwrap_err().to_string();
            assert!(refusal.contains(reason), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
        let refusal =
            parse_with(&format!("{WORDS} --derivation-secret hunter2"), &[]).unwrap_err().to_string();
        assert!(refusal.contains("[redacted]") && !refusal.contains("hunter2"), "{refusal}");
    }

    #[test]
    fn what_is_no_secret_has_no_file_and_is_quoted() {
        let name = file("Olga");
        assert!(parse_with("suite sign", &[("DAFNCK_NAME_FILE", name.path().into())]).is_err());
        let refusal = parse_with(&WORDS.replace("127.0.0.1:0", "here"), &[]).unwrap_err().to_string();
        assert!(refusal.contains("'here'"), "{refusal}");
    }

    #[test]
    fn the_help_names_the_files() {
        let command = prepare(Cli::command(), &|_| None).unwrap();
        let serve = command.find_subcommand("serve").unwrap();
        let secret = serve.get_arguments().find(|argument| argument.get_id() == "derivation_secret").unwrap();
        let help = secret.get_help().unwrap().to_string();
        assert!(help.ends_with("DAFNCK_DERIVATION_SECRET_FILE names a file with it"), "{help}");
    }
}

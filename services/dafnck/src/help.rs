//! Help that fits a screen: `--help` shows what most people need, and `--help-all` the rest.

use clap::{Arg, ArgAction, Command};

/// The end of the program's help, and of its manual.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done; of doctor: all is well
  1    not done, or not all of it; of doctor: warnings; of health: not ready
  2    the command line makes no sense; of doctor: something is critical
  3    done, but lines were refused (import --strict)
  130  interrupted by Ctrl-C; run and others that go on until then: 0
  141  nobody reads standard output any more

Every command takes --json, --quiet and --data-directory, before or after its
name. `dafnck COMMAND --help` has its options, `--help-all` also the rare ones.";

/// Options with a variable that `--help` shows; all others with one are for `--help-all`. An option without a variable is
/// one of a single command, and always shown.
const COMMON: [&str; 20] = [
    "data_directory",
    "ports",
    "gateway_port",
    "console",
    "databases",
    "tls",
    "mail_url",
    "registration",
    "storage_url",
    "storage_directory",
    "backup_directory",
    "mirror",
    "copy_directory",
    "copy_url",
    "retention_days",
    "admin_url",
    "redis_url",
    "role_passwords",
    "operator_key",
    "metrics_listen",
];

/// Gives the command and all below it both kinds of help.
pub fn arrange(command: Command) -> Command {
    let is_program = command.get_name() == "dafnck";
    let is_group = command.has_subcommands() && !is_program;
    let command = command
        .disable_help_flag(true)
        .arg(Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("Print help"))
        .arg(
            Arg::new("help_all")
                .long("help-all")
                .action(ArgAction::HelpLong)
                .help("Print help with all options, their variables and examples"),
        );
    let command = command.mut_args(|argument| {
        let is_common = argument.get_env().is_none() || COMMON.contains(&argument.get_id().as_str());
        let is_help = argument.get_id().as_str().starts_with("help");
        match argument {
            _ if is_help => argument,
            // They are those of `run`, which has its own help.
            _ if is_program && !argument.is_global_set() => argument.hide(true),
            // Those of a group stand before and after the names of its commands.
            _ if is_group && argument.get_long().is_some() => {
                argument.global(true).hide_short_help(!is_common)
            }
            _ => argument.hide_short_help(!is_common),
        }
    });
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, arrange))
}

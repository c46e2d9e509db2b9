//! `dafnck` as an operator runs it: a process with arguments and variables, what it says, and how it ends.

use std::process::Stdio;

use tokio::process::{Child, Command};

/// How a command ended.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: Option<i32>,
    /// What it said on standard output.
    pub out: String,
    /// And on standard error.
    pub err: String,
}

impl CommandOutput {
    /// Runs a command to its end.
    pub async fn run(command: &mut Command) -> Self {
        let output = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs `dafnck` to its end.
pub async fn dafnck(arguments: &[&str], variables: &[(&str, &str)]) -> CommandOutput {
    CommandOutput::run(&mut command(arguments, variables)).await
}

/// Starts a command that goes on, and says little on standard error.
pub fn start_dafnck(arguments: &[&str], variables: &[(&str, &str)]) -> Child {
    command(arguments, variables).stderr(Stdio::piped()).spawn().unwrap()
}

fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dafnck"));
    command.args(arguments).envs(variables.iter().copied());
    command.current_dir(std::env::temp_dir()).kill_on_drop(true);
    command
}

//! The commands as one tool: what all of them have in common, and how they end.

mod errors;
mod help;
mod reports;
mod streams;
mod suite;
mod terminal;

use std::process::Stdio;

use tokio::process::Command;

use crate::dafnck::CommandOutput;

/// Runs a command whose standard output nobody reads.
async fn unread(mut command: Command) -> CommandOutput {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    // Ours is closed with it.
    drop(command);
    let output = child.wait_with_output().await.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    CommandOutput { code: output.status.code(), out: String::new(), err }
}

/// Runs a command of which nobody can be asked anything.
async fn unattended(mut command: Command) -> CommandOutput {
    CommandOutput::run(command.stdin(Stdio::null())).await
}

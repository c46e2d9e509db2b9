//! `dafnck` as an operator runs it: a process with arguments and variables, what it says, and how it ends.

use tokio::process::Command;

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    /// What it said on standard output.
    pub out: String,
    /// And on standard error.
    pub err: String,
}

/// Runs a command to its end.
pub async fn dafnck(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_dafnck"))
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(std::env::temp_dir())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

//! Commands at a terminal, which Python's `pty` makes: questions, bars, Ctrl-C.

use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::Duration;

use local_servers::tools::on_path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::dafnck::dafnck;
use crate::local_suite::Machine;

const TIMEOUT: Duration = Duration::from_secs(60);
const CTRL_C: &str = "\x03";
/// Runs its arguments at a terminal of this many columns, with standard output somewhere else if `OUT` names a file.
const AT_TERMINAL: &str = "import os, pty, sys; \
    script = 'stty rows 24 cols ' + sys.argv[1] + '; if [ -n \"$OUT\" ]; then exec >\"$OUT\"; fi; exec \"$@\"'; \
    sys.exit(os.waitstatus_to_exitcode(pty.spawn(['sh', '-c', script, 'sh', *sys.argv[2:]])))";

/// A command at a terminal: what it shows, and a keyboard.
struct Terminal {
    process: Child,
    keyboard: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    fn open(command: &Command, columns: u16, variables: &[(&str, &str)]) -> Self {
        let command = command.as_std();
        let mut python = Command::new("python3");
        python.args(["-c", AT_TERMINAL, &columns.to_string()]).arg(command.get_program());
        python.args(command.get_args()).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        python.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        python.envs(variables.iter().copied()).kill_on_drop(true);
        if let Some(directory) = command.get_current_dir() {
            python.current_dir(directory);
        }
        let mut process = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keyboard, screen) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, keyboard, screen, shown: String::new() }
    }

    async fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).await.unwrap();
    }

    /// Waits until it has shown this.
    async fn wait_for(&mut self, words: &str) {
        let shown = tokio::time::timeout(TIMEOUT, async {
            while !self.shown.contains(words) {
                assert!(self.read().await, "it ended before {words}: {}", self.shown);
            }
        });
        assert!(shown.await.is_ok(), "it does not show {words}: {}", self.shown);
    }

    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.screen.read(&mut bytes).await.unwrap();
        self.shown += &String::from_utf8_lossy(&bytes[..count]);
        count > 0
    }

    /// Its exit code, and all that it has shown.
    async fn end(mut self) -> (Option<i32>, String) {
        let ended = tokio::time::timeout(TIMEOUT, async {
            while self.read().await {}
            self.process.wait().await.unwrap().code()
        });
        let code = ended.await.unwrap_or_else(|_| panic!("it does not end"));
        (code, self.shown)
    }
}

/// Whether there can be a terminal.
fn is_possible() -> bool {
    let is_possible = !on_path("python3").is_empty();
    if !is_possible {
        eprintln!("WARNING: no python3: commands at a terminal were NOT tested");
    }
    is_possible
}

/// Each frame of a bar or spinner, without what moves the cursor and the echo of Ctrl-C.
fn frames(shown: &str) -> Vec<String> {
    let control = regex::Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").unwrap();
    let plain = control.replace_all(shown, "").replace("^C", "");
    plain.split(['\r', '\n']).map(str::to_owned).collect()
}

fn has_colors(shown: &str) -> bool {
    regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().is_match(shown)
}

async fn account(machine: &Machine, username: &str) -> String {
    machine.run("data", &["user", "list", "--username", username]).await.out
}

pub(super) async fn who_destroys_is_asked(machine: &Machine) {
    if !is_possible() {
        return;
    }
    let delete = machine.on("data", &["user", "delete", "gus"]);
    for (answer, code, words) in [
        ("n\n", 1, "nothing was changed"),
        ("\n", 1, "nothing was changed"),
        (CTRL_C, 130, "interrupted"),
        ("yes\n", 0, "deleted"),
    ] {
        assert!(account(machine, "gus").await.contains("active"), "before {answer:?}");
        let mut terminal = Terminal::open(&delete, 80, &[]);
        terminal.wait_for("this deletes the account gus. Go on? [y/N] ").await;
        terminal.press(answer).await;
        let (ended, shown) = terminal.end().await;
        assert!(ended == Some(code) && shown.contains(words), "{answer:?}: {ended:?} {shown}");
    }
    let again = machine.run("data", &["user", "reactivate", "gus"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
}

/// Nobody reads the export, so it waits in the middle; its file is only a name for a pipe.
pub(super) async fn a_bar_is_shown_within_the_columns_and_ctrl_c_ends_it(machine: &Machine) {
    if !is_possible() {
        return;
    }
    let pipe = machine.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().await.unwrap().success());
    let _unread = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let out = pipe.to_str().unwrap().to_owned();
    for columns in [24, 100] {
        let mut export = machine.on("data", &["export", "-"]);
        export.current_dir(machine.path(""));
        let mut terminal = Terminal::open(&export, columns, &[("OUT", &out)]);
        terminal.wait_for("tasks").await;
        terminal.press(CTRL_C).await;
        let (code, shown) = terminal.end().await;
        assert!(code == Some(130) && shown.contains("dafnck: interrupted"), "{code:?} {shown}");
        let widest = frames(&shown).iter().map(|frame| frame.chars().count()).max();
        assert!(widest <= Some(usize::from(columns)), "{widest:?} of {columns}: {shown}");
        assert!(!has_colors(&shown) && !shown.contains("0/0"), "{shown}");
    }
}

pub(super) async fn steps_are_shown_at_a_terminal_only(machine: &Machine) {
    if !is_possible() {
        return;
    }
    let import = machine.on("data", &["import", "-", "--dry-run"]);
    let mut terminal = Terminal::open(&import, 80, &[]);
    terminal.wait_for("reading the file…").await;
    terminal.press(CTRL_C).await;
    let (code, shown) = terminal.end().await;
    assert!(code == Some(130) && shown.contains("dafnck: interrupted"), "{code:?} {shown}");
    assert!(!shown.contains("0/0"), "{shown}");
    let quiet = machine.on("data", &["--quiet", "doctor"]);
    let (_, shown) = Terminal::open(&quiet, 80, &[]).end().await;
    assert_eq!(shown, "");
}

#[tokio::test]
async fn colors_are_for_terminals_without_no_color() {
    if !is_possible() {
        return;
    }
    let mut help = Command::new(env!("CARGO_BIN_EXE_dafnck"));
    help.arg("--help");
    let (code, shown) = Terminal::open(&help, 100, &[]).end().await;
    assert!(code == Some(0) && has_colors(&shown), "{shown}");
    let (code, shown) = Terminal::open(&help, 100, &[("NO_COLOR", "1")]).end().await;
    assert!(code == Some(0) && !has_colors(&shown) && shown.contains("Usage:"), "{shown}");
    assert!(!has_colors(&dafnck(&["--help"], &[]).await.out));
}

//! A start that is killed between two of its steps leaves a data directory on which the next start goes on.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::Child;

use crate::local_suite::Machine;

const TIMEOUT: Duration = Duration::from_secs(120);
/// How long into the making of the database it is killed.
const DELAYS: [u64; 5] = [0, 20, 100, 300, 700];
const MAKING: &str = "making the database…";
const LAST_STEP: &str = "starting the services…";

/// A start that has said nothing yet; all that it says comes from one of its outputs.
async fn begin(machine: &Machine, data: &str) -> (Child, Lines<BufReader<impl AsyncRead + use<>>>) {
    let mut command = machine.run_command(data, &[]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, lines)
}

async fn end(machine: &Machine, mut child: Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
    tokio::time::timeout(TIMEOUT, child.wait()).await.expect("it does not end").unwrap();
    machine.servers_have_ended().await;
}

/// Ends a start after so many lines. True if the last of them tells of the last step.
async fn end_after(machine: &Machine, data: &str, lines: usize) -> bool {
    let (child, mut said) = begin(machine, data).await;
    let mut last = String::new();
    for _ in 0..lines {
        last = said.next_line().await.unwrap().expect("it ended by itself");
    }
    end(machine, child, Signal::KILL).await;
    last == LAST_STEP
}

async fn goes_on(machine: &mut Machine, data: &str) {
    machine.start(data).await;
    machine.import(data, "apollo", 1).await;
    machine.stop().await;
}

#[tokio::test]
async fn a_start_that_is_killed_after_any_step_goes_on_the_next_time() {
    let mut machine = Machine::encrypted();
    for lines in 1.. {
        let data = format!("killed-after-{lines}");
        let was_last = end_after(&machine, &data, lines).await;
        goes_on(&mut machine, &data).await;
        if was_last {
            return;
        }
    }
}

#[tokio::test]
async fn a_start_that_ends_while_the_database_is_made_goes_on_the_next_time() {
    let mut machine = Machine::new();
    for (delay, signal) in DELAYS.into_iter().flat_map(|delay| [(delay, Signal::KILL), (delay, Signal::INT)])
    {
        let data = format!("after-{delay}-ms-{}", signal.as_raw());
        let (child, mut said) = begin(&machine, &data).await;
        while said.next_line().await.unwrap().expect("it ended by itself") != MAKING {}
        tokio::time::sleep(Duration::from_millis(delay)).await;
        end(&machine, child, signal).await;
        goes_on(&mut machine, &data).await;
    }
}

//! The workload while processes and servers fail: a call without an answer is made again under the same request id, and
//! is applied once.

use std::time::Duration;

use rand::Rng as _;
use rand::seq::SliceRandom as _;
use testkit::{Service, ServiceProcess, Suite, program};

use super::Workload;
use crate::harness::harness;

const STEPS_BEFORE: usize = 60;
/// Steps during which a fault happens.
const STEPS_PER_FAULT: usize = 15;
/// A fault happens in the midst of these steps.
const MAX_DELAY_MILLISECONDS: u64 = 60;
const ROUNDS: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Fault {
    KillTask,
    KillContent,
    RestartRedis,
    CutPostgres,
}

/// The processes that are killed, beside the suite, on its servers.
struct Processes {
    task: ServiceProcess,
    content: ServiceProcess,
}

impl Processes {
    async fn start(suite: &Suite) -> Self {
        let start = async |name: &'static str| {
            ServiceProcess::start(suite, &program(name).to_string_lossy(), name).await
        };
        Self { task: start(Service::Task.name()).await, content: start(Service::Content.name()).await }
    }

    async fn inject(&mut self, suite: &Suite, fault: Fault) {
        let servers = suite.servers.as_ref().unwrap();
        match fault {
            Fault::KillTask => self.task.kill_and_restart(suite).await,
            Fault::KillContent => self.content.kill_and_restart(suite).await,
            Fault::RestartRedis => {
                servers.stop_redis().await.unwrap();
                servers.start_redis().await.unwrap();
            }
            Fault::CutPostgres => {
                let cut =
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE '%\\_service'";
                suite.execute(cut).await;
            }
        }
    }
}

#[tokio::test]
async fn changes_are_applied_once_while_processes_and_servers_fail() {
    // Shown when the test fails: put it here to see the same again.
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let suite = harness().start_alone().await;
    let mut processes = Processes::start(&suite).await;
    let mut workload = Workload::new(&suite, seed).await;
    for actor in &mut workload.actors {
        *actor = actor.calling(Service::Task, &processes.task.url);
        *actor = actor.calling(Service::Content, &processes.content.url);
    }
    workload.steps(0..STEPS_BEFORE).await;
    workload.has_faults = true;
    let mut number = STEPS_BEFORE;
    for _ in 0..ROUNDS {
        let mut faults = [Fault::KillTask, Fault::KillContent, Fault::RestartRedis, Fault::CutPostgres];
        faults.shuffle(&mut workload.random);
        for fault in faults {
            eprintln!("{fault:?} at step {number}");
            let delay = Duration::from_millis(workload.random.random_range(0..MAX_DELAY_MILLISECONDS));
            let failing = async {
                tokio::time::sleep(delay).await;
                processes.inject(&suite, fault).await;
            };
            tokio::join!(failing, workload.steps(number..number + STEPS_PER_FAULT));
            number += STEPS_PER_FAULT;
            workload.look().await;
        }
    }
}

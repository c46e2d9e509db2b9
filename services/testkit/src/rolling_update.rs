//! A rolling update: processes of a service are replaced one by one while clients write, and no call fails.
//!
//! Clients follow gRPC's retry policy (gRFC A6) for `UNAVAILABLE` and choose processes round robin.
//!
//! `DAFNCK_FORMER_PROGRAMS` names a directory with the programs of an earlier release. The first processes then run
//! these programs, so that both releases serve at the same time on the newer schema.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tonic::{Code, Status};

use super::{Actor, Service, ServiceProcess, Suite, WriteLoad};

/// Processes that serve at the same time.
const REPLICAS: usize = 2;
/// How often each of the processes is replaced.
const ROUNDS: usize = 2;
/// Minimum number of writes between two replacements.
const WRITES_BETWEEN: usize = 25;
/// The policy's `maxAttempts`, `initialBackoff` and `backoffMultiplier`.
const MAX_ATTEMPTS: u32 = 5;
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MULTIPLIER: u32 = 2;

/// Distributes calls over the processes of the service, round robin.
struct Balancer {
    /// One actor per process, whose calls go to that process.
    actors: Mutex<Vec<Actor>>,
    next: AtomicUsize,
}

impl Balancer {
    fn next(&self) -> Actor {
        let actors = self.actors.lock().unwrap();
        actors[self.next.fetch_add(1, Ordering::Relaxed) % actors.len()].clone()
    }

    fn replace(&self, index: usize, actor: Actor) {
        self.actors.lock().unwrap()[index] = actor;
    }

    /// Makes a call with the retry policy.
    async fn call<T>(&self, call: impl AsyncFn(Actor) -> Result<T, Status>) -> Result<T, Status> {
        let mut backoff = INITIAL_BACKOFF;
        for _ in 1..MAX_ATTEMPTS {
            match call(self.next()).await {
                Err(status) if is_unavailable(&status) => {
                    tokio::time::sleep(backoff).await;
                    backoff *= BACKOFF_MULTIPLIER;
                }
                answer => return answer,
            }
        }
        call(self.next()).await
    }
}

/// tonic's client answers `UNKNOWN` for a connection that was reset, where gRPC prescribes `UNAVAILABLE`.
fn is_unavailable(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.message() == "transport error"
}

/// Replaces all processes of a service under a load of writes to this table, which are its only rows. No write may fail.
pub async fn replace_under_load(
    suite: &Suite,
    (service, program): (Service, &str),
    who: &Actor,
    table: &str,
    write: impl AsyncFn(Actor, String) -> Result<String, Status>,
) {
    let at = |replica: &ServiceProcess| who.calling(service, &replica.url);
    let first = former_program(service).unwrap_or_else(|| program.to_owned());
    let start = async |program: &str| ServiceProcess::start(suite, program, service.name()).await;
    let mut replicas: [_; REPLICAS] = [start(&first).await, start(&first).await];
    let balancer =
        Balancer { actors: Mutex::new(replicas.iter().map(at).collect()), next: AtomicUsize::new(0) };
    let load = WriteLoad::new(async |_, request_id: String| {
        balancer.call(async |who| write(who, request_id.clone()).await).await
    });
    let replace = async {
        for index in (0..ROUNDS).flat_map(|_| 0..REPLICAS) {
            load.wait_for_writes(WRITES_BETWEEN).await;
            // The new process serves before the old one is stopped.
            let new = start(program).await;
            balancer.replace(index, at(&new));
            load.wait_for_writes(WRITES_BETWEEN).await;
            std::mem::replace(&mut replicas[index], new).stop().await;
        }
        load.wait_for_writes(WRITES_BETWEEN).await;
        load.stop();
    };
    tokio::join!(load.run(), replace);
    println!("{} writes while the processes of {first} were replaced by those of {program}", load.count());
    assert_eq!(load.verify(suite, table).await, BTreeMap::new(), "calls failed");
}

/// The program of an earlier release, if `DAFNCK_FORMER_PROGRAMS` is set.
fn former_program(service: Service) -> Option<String> {
    let directory = std::env::var_os("DAFNCK_FORMER_PROGRAMS")?;
    Some(Path::new(&directory).join(service.name()).to_str().unwrap().to_owned())
}

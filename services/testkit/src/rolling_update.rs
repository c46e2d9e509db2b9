//! The processes of a service are replaced one after the other while clients write, as a rolling update does: no call
//! fails.
//!
//! The clients do what gRPC's retry policy does (gRFC A6): a call that was answered `UNAVAILABLE` is made again, a few
//! times, with a longer pause each time; and they ask the processes in turn, as a balancer does.
//!
//! `DAFNCK_FORMER_PROGRAMS` names a folder with the programs of an earlier release. The first processes are theirs then, so
//! that the former release serves beside this one, on this one's schema.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tonic::{Code, Status};

use super::{Actor, Service, ServiceProcess, Suite, WriteLoad};

/// Processes that serve side by side.
const PLACES: usize = 2;
/// How often each of the processes is replaced.
const ROUNDS: usize = 2;
/// Writes between two replacements, at least.
const BETWEEN: usize = 25;
/// The policy's `maxAttempts`, `initialBackoff` and `backoffMultiplier`.
const ATTEMPTS: u32 = 5;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MULTIPLIER: u32 = 2;

/// Where somebody calls: a process of the service, and in turn the others.
struct Balancer {
    /// For each process somebody who calls that one.
    places: Mutex<Vec<Actor>>,
    turn: AtomicUsize,
}

impl Balancer {
    fn next(&self) -> Actor {
        let places = self.places.lock().unwrap();
        places[self.turn.fetch_add(1, Ordering::Relaxed) % places.len()].clone()
    }

    fn replace(&self, place: usize, with: Actor) {
        self.places.lock().unwrap()[place] = with;
    }

    /// Makes a call as the retry policy says.
    async fn call<T>(&self, call: impl AsyncFn(Actor) -> Result<T, Status>) -> Result<T, Status> {
        let mut backoff = FIRST_BACKOFF;
        for _ in 1..ATTEMPTS {
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

/// tonic's client calls a connection that was reset `UNKNOWN`, which gRPC's status codes call `UNAVAILABLE`.
fn is_unavailable(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.message() == "transport error"
}

/// Replaces all processes of a service under a load of this person's writes to this table, which are its only rows.
pub async fn replace_under_load(
    suite: &Suite,
    (service, program): (Service, &str),
    who: &Actor,
    table: &str,
    write: impl AsyncFn(Actor, String) -> Result<String, Status>,
) {
    let at = |replica: &ServiceProcess| who.calling(service, &replica.url);
    let first = former(service).unwrap_or_else(|| program.to_owned());
    let start = async |program: &str| ServiceProcess::start(suite, program, service.name()).await;
    let mut replicas: [_; PLACES] = [start(&first).await, start(&first).await];
    let balancer =
        Balancer { places: Mutex::new(replicas.iter().map(at).collect()), turn: AtomicUsize::new(0) };
    let load = WriteLoad::new(async |_, request_id: String| {
        balancer.call(async |who| write(who, request_id.clone()).await).await
    });
    let replace = async {
        for place in (0..ROUNDS).flat_map(|_| 0..PLACES) {
            load.more(BETWEEN).await;
            // The new one first, then the old one is told to go: as a rolling update does.
            let new = start(program).await;
            balancer.replace(place, at(&new));
            load.more(BETWEEN).await;
            std::mem::replace(&mut replicas[place], new).stop().await;
        }
        load.more(BETWEEN).await;
        load.end();
    };
    tokio::join!(load.run(), replace);
    println!("{} writes while the processes of {first} were replaced by those of {program}", load.count());
    assert_eq!(load.verify(suite, table).await, BTreeMap::new(), "calls failed");
}

/// The program of an earlier release, if there is one to try.
fn former(service: Service) -> Option<String> {
    let folder = std::env::var_os("DAFNCK_FORMER_PROGRAMS")?;
    Some(Path::new(&folder).join(service.name()).to_str().unwrap().to_owned())
}

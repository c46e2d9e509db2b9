//! Replicas are replaced one after the other while clients write: no call fails.
//!
//! The clients do what gRPC's retry policy does (gRFC A6): a call that was answered `UNAVAILABLE` is made again, a few
//! times, with a longer pause each time; and they ask the replicas in turn, as a balancer does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shared::proto::task::v1 as pb;
use suite::testing::*;
use tonic::{Code, Status};

const PROGRAM: &str = env!("CARGO_BIN_EXE_task");
/// How often each replica is replaced.
const ROUNDS: usize = 2;
const WRITERS: usize = 4;
/// Tasks that are made between two replacements, at least.
const BETWEEN: usize = 25;
/// The policy's `maxAttempts`, `initialBackoff` and `backoffMultiplier`.
const ATTEMPTS: u32 = 5;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MULTIPLIER: u32 = 2;

/// tonic's client calls a connection that was reset `UNKNOWN`, which gRPC's status codes call `UNAVAILABLE`.
fn is_unavailable(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.message() == "transport error"
}

/// Where the replicas are, and whose turn it is.
struct Balancer {
    places: Mutex<Vec<Actor>>,
    turn: AtomicUsize,
}

impl Balancer {
    fn next(&self) -> Actor {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places[self.turn.fetch_add(1, Ordering::Relaxed) % places.len()].clone()
    }

    fn replace(&self, place: usize, with: Actor) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)[place] = with;
    }

    async fn create(&self, wish: &pb::CreateTaskRequest) -> Result<pb::Task, Status> {
        let mut backoff = FIRST_BACKOFF;
        for _ in 1..ATTEMPTS {
            match self.next().tasks().create_task(wish.clone()).await {
                Err(status) if is_unavailable(&status) => {
                    tokio::time::sleep(backoff).await;
                    backoff *= BACKOFF_MULTIPLIER;
                }
                answer => return answer.map(tonic::Response::into_inner),
            }
        }
        self.next().tasks().create_task(wish.clone()).await.map(tonic::Response::into_inner)
    }
}

#[tokio::test]
async fn no_call_fails_while_every_replica_is_replaced() {
    let suite = Suite::start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let mut replicas =
        [Replica::start(&suite, PROGRAM, "task").await, Replica::start(&suite, PROGRAM, "task").await];
    let at = |replica: &Replica| olga.calling(Service::Task, &replica.url);
    let balancer =
        Balancer { places: Mutex::new(replicas.iter().map(at).collect()), turn: AtomicUsize::new(0) };
    let over = AtomicBool::new(false);
    let made = AtomicUsize::new(0);
    let write = async || {
        while !over.load(Ordering::Relaxed) {
            let wish = pb::CreateTaskRequest {
                request_id: new_id(),
                project_id: project.id.clone(),
                title: "buy milk".to_owned(),
                ..Default::default()
            };
            balancer.create(&wish).await.unwrap();
            made.fetch_add(1, Ordering::Relaxed);
        }
    };
    let replace = async {
        for place in (0..ROUNDS).flat_map(|_| 0..2) {
            // The new one first, then the old one is told to go: as a rolling update does.
            let new = Replica::start(&suite, PROGRAM, "task").await;
            balancer.replace(place, at(&new));
            std::mem::replace(&mut replicas[place], new).stop().await;
            let enough = made.load(Ordering::Relaxed) + BETWEEN;
            while made.load(Ordering::Relaxed) < enough {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        over.store(true, Ordering::Relaxed);
    };

    tokio::join!(futures::future::join_all((0..WRITERS).map(|_| write())), replace);

    let made = made.into_inner();
    assert_eq!(suite.count("task.tasks").await, made as i64, "each call once");
    println!("{made} tasks were made while {} processes were replaced", 2 * ROUNDS);
}

//! Everything at once.

use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tokio::task::JoinSet;

use super::raw::{
    EMPTY_MESSAGE, OPEN_METHOD, OPEN_STREAM, by_hand, frame, outcome, request, send, status_of, whole,
};
use super::*;

const ATTACKER: &str = "127.0.0.2";
const BYSTANDER: &str = "127.0.0.3";
/// Calls of the bystander.
const CALLS: usize = 300;
/// As many of each kind of attack are under way.
const ATTACKS: usize = 20;
/// Calls of the bystander before the attack, to compare with.
const IDLE_CALLS: usize = 100;
/// What the 99th percentile of the bystander's calls may be under attack, or this multiple of what it is before; on a machine
/// that runs more than it has processors for, more by the factor of [`MachineLoad`].
const MAX_ATTACKED: Duration = Duration::from_millis(50);
const MAX_SLOWDOWN: u32 = 3;
/// What the attacks may add to the memory of the process, in KiB: far more than the server's limits allow together, since
/// attackers and other tests are in the same process.
const MAX_GROWTH_KIB: u64 = 256 * 1024;

fn small() -> LimitOptions {
    LimitOptions {
        max_concurrent_requests: 32,
        max_bytes_in_flight: 8 * 1024 * 1024,
        max_connections: 200,
        max_connections_per_peer: 60,
        request_body_seconds: 1,
        stall_seconds: 1,
        first_request_seconds: 1,
        authentication_failures_per_second: 5,
        ..LimitOptions::default()
    }
}

/// Repeats an attack for as long as the set lives.
fn repeat<Attack: Future<Output = ()> + Send>(
    attacks: &mut JoinSet<()>,
    attack: impl Fn(usize) -> Attack + Clone + Send + 'static,
) {
    for number in 0..ATTACKS {
        let attack = attack.clone();
        attacks.spawn(async move {
            loop {
                attack(number).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
    }
}

fn attack(server: &RunningServer) -> JoinSet<()> {
    let mut attacks = JoinSet::new();
    let channel = server.channel_from(ATTACKER);
    let body_of = |path: &'static str, beginning: Vec<u8>| {
        let channel = channel.clone();
        move |_| {
            let (channel, beginning) = (channel.clone(), beginning.clone());
            async move {
                let (sender, body) = by_hand();
                sender.send(beginning.into()).unwrap();
                let head = request(path).header("grpc-timeout", "30S");
                let _ended = status_of(send(channel, head.body(body).unwrap()).await).await;
            }
        }
    };
    repeat(&mut attacks, body_of(OPEN_METHOD, vec![0; 3]));
    repeat(&mut attacks, body_of(OPEN_METHOD, frame(0, 4_000_000, b"a")));
    repeat(&mut attacks, body_of(OPEN_STREAM, frame(0, 60_000, b"a")));

    let unknown_tokens = channel.clone();
    repeat(&mut attacks, move |number| {
        let header = format!("Bearer {}", token(u8::try_from(number).unwrap()));
        let head = request(OPEN_METHOD).header("authorization", header);
        let (channel, request) = (unknown_tokens.clone(), head.body(whole(EMPTY_MESSAGE.to_vec())).unwrap());
        async move { drop(status_of(send(channel, request).await).await) }
    });
    let address = server.address().to_owned();
    repeat(&mut attacks, move |_| {
        let address = address.clone();
        async move {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(format!("{ATTACKER}:0").parse().unwrap()).unwrap();
            let Ok(mut silent) = socket.connect(address.parse().unwrap()).await else { return };
            let _closed = silent.read(&mut [0; 1]).await;
        }
    });
    attacks
}

/// Calls once and returns how long that took.
async fn timed(bystander: &Channel) -> Duration {
    let start = Instant::now();
    assert_eq!(outcome(bystander.clone(), OPEN_METHOD, EMPTY_MESSAGE.to_vec()).await, "Ok ");
    start.elapsed()
}

fn percentile_99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Measures how late the machine wakes a thread that wants nothing, which is no fault of the server.
struct MachineLoad {
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<Duration>>,
}

impl MachineLoad {
    const NAP: Duration = Duration::from_millis(5);

    fn measure() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let until = is_over.clone();
        let thread = std::thread::spawn(move || {
            let mut delays = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let start = Instant::now();
                std::thread::sleep(Self::NAP);
                delays.push(start.elapsed() - Self::NAP);
            }
            delays
        });
        Self { is_over, thread }
    }

    /// 1 on an idle machine, 2 on one that is as late as the nap is long.
    fn factor(self) -> f64 {
        self.is_over.store(true, Ordering::Relaxed);
        1.0 + percentile_99(self.thread.join().unwrap()).div_duration_f64(Self::NAP)
    }
}

/// The resident memory of this process, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn all_attacks_of_one_address_at_once_fail_no_call_of_others() {
    let server = RunningServer::start_with(small()).await;
    let mut bystander = server.channel_from(BYSTANDER);
    let mut idle = Vec::new();
    for _ in 0..IDLE_CALLS {
        idle.push(timed(&bystander).await);
    }
    let (memory, load) = (resident_kib(), MachineLoad::measure());
    let (began, attacks) = (Instant::now(), attack(&server));
    let (mut attacked, mut peak) = (Vec::new(), memory);
    for call in 0..CALLS {
        // Again and again a new connection.
        if call % 50 == 0 {
            bystander = server.channel_from(BYSTANDER);
        }
        attacked.push(timed(&bystander).await);
        peak = peak.max(resident_kib());
        assert!(server.ask("hello").await.is_ok(), "{call}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Of the unknown tokens, few are looked up: 25 at once and 5 a second.
    let allowed = 25 + 5 * (began.elapsed().as_secs() + 1);
    let lookups = server.lookups.load(Ordering::SeqCst);
    assert!(lookups as u64 <= allowed, "{lookups} of {allowed}");
    drop(attacks);
    let (idle, attacked, growth) = (percentile_99(idle), percentile_99(attacked), peak - memory);
    let factor = load.factor();
    let allowed = MAX_ATTACKED.max(idle * MAX_SLOWDOWN).mul_f64(factor);
    let figures =
        format!("p99: idle {idle:?}, under attack {attacked:?}, allowed {allowed:?} with factor {factor:.1}");
    eprintln!("{figures}; memory {memory} KiB and {growth} KiB more");
    assert!(attacked < allowed, "{figures}");
    assert!(growth < MAX_GROWTH_KIB, "{growth} KiB");
}

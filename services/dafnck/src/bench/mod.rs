//! `dafnck bench`: what the suite does in a second beside what its parts can do at best, measured in one run.
//!
//! The limits are PostgreSQL alone (`pgbench` on prepared statements over the same columns, without row-level security)
//! and gRPC alone (an echo that is served by nothing but tonic). Suite and limits take turns within each round, and every
//! ratio is one of the same round, so that what else runs on the machine weighs on both.

mod cpu;
mod echo;
mod figure;
mod files;
mod growth;
mod load;
mod pgbench;
mod report;
mod suite;
mod watchers;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum, value_parser};
use tonic::transport::Endpoint;

use crate::output::say;
use crate::paths::DEFAULT_CACHE_DIRECTORY;
use cpu::CpuTimes;
use figure::Figure;
use pgbench::{Pgbench, Script};
use report::{Limits, Measurement, Report};
use suite::{BenchSuite, Fixtures};
use work::Work;

/// What is measured, and for how long.
#[derive(Args, Clone, Debug)]
pub struct BenchOptions {
    /// Only these. Default: all
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',')]
    only: Vec<Work>,
    /// Callers at the same time
    #[arg(long, value_delimiter = ',', default_value = "1,16,64", value_parser = value_parser!(u16).range(1..=100))]
    callers: Vec<u16>,
    /// Rounds, of which the medians are shown
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u16).range(1..))]
    rounds: u16,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u16).range(1..))]
    seconds: u16,
    /// Calls per second at which latencies are measured from the moment when each call was due
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..))]
    rate: u32,
    /// What else to measure, once and at the end
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',')]
    also: Vec<Extra>,
    /// Tasks of the large project of `--also growth`
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    growth_tasks: u32,
    /// Streams of `--also watchers`
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u16).range(1..=5_000))]
    watchers: u16,
    /// Megabytes of the file of `--also files`
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u16).range(1..=250))]
    megabytes: u16,
    /// Tasks in the project
    #[arg(long, default_value_t = 5_000, value_parser = value_parser!(u16).range(1..))]
    tasks: u16,
    /// Directory for private copies of PostgreSQL and Redis, which are fetched when no fitting ones are installed
    #[arg(long, env = "DAFNCK_CACHE_DIRECTORY", default_value = DEFAULT_CACHE_DIRECTORY)]
    cache_directory: PathBuf,
}

/// What is measured once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Extra {
    /// The same calls in a project of 1,000 tasks and in a large one
    Growth,
    /// How soon many streams have seen a new task
    Watchers,
    /// Upload and download, beside `cp`
    Files,
    /// Sign-in, one at a time
    SignIn,
}

/// Starts a suite, measures it and prints the medians.
///
/// # Errors
/// When the suite does not start, PostgreSQL comes without `pgbench`, or a call fails.
pub async fn command(options: BenchOptions) -> anyhow::Result<()> {
    let began = Instant::now();
    let suite = BenchSuite::start(&options.cache_directory).await?;
    let started_in = began.elapsed();
    let measured = measure(&options, &suite).await;
    let resident = cpu::resident_megabytes(suite.process_id());
    suite.stop().await?;
    let mut report = measured?;
    report.add_figures([
        Figure::new("start on an empty directory", started_in.as_secs_f64(), "s"),
        Figure::new("resident memory of the suite at the end", resident?, "MiB"),
    ]);
    report.print()
}

async fn measure(options: &BenchOptions, suite: &BenchSuite) -> anyhow::Result<Report> {
    say(&format!("making {} tasks…", options.tasks));
    let fixtures = Arc::new(suite.make_fixtures(options.tasks.into()).await?);
    let pgbench = Pgbench::prepare(suite.postgres(), &fixtures).await?;
    let bench = Bench { options, suite, fixtures, pgbench, echo: echo::serve().await? };
    let mut report = Report::default();
    for round in 1..=options.rounds {
        for callers in &options.callers {
            say(&format!("round {round} of {}, {callers} callers…", options.rounds));
            report.add(bench.measure_all(usize::from(*callers)).await?);
        }
    }
    for extra in &options.also {
        report.add_figures(bench.measure_extra(*extra).await?);
    }
    bench.pgbench.remove().await?;
    Ok(report)
}

struct Bench<'a> {
    options: &'a BenchOptions,
    suite: &'a BenchSuite,
    fixtures: Arc<Fixtures>,
    pgbench: Pgbench,
    echo: Endpoint,
}

impl Bench<'_> {
    /// Everything once: the echo, and each kind of statement right before the calls of that kind.
    async fn measure_all(&self, callers: usize) -> anyhow::Result<Vec<Measurement>> {
        let works: &[Work] =
            if self.options.only.is_empty() { Work::value_variants() } else { &self.options.only };
        let echo = load::closed_loop(callers, self.time(), echo::call(&self.echo)).await?;
        let mut found = vec![Measurement::of_echo(callers, &echo)];
        for script in Script::ALL {
            let of_kind: Vec<Work> = works.iter().copied().filter(|work| work.script() == script).collect();
            if of_kind.is_empty() {
                continue;
            }
            let pgbench = self.pgbench.run(script, callers, self.time()).await?;
            found.push(Measurement::of_pgbench(script.name(), callers, pgbench));
            for work in of_kind {
                found.push(self.measure(work, callers, Limits { pgbench, echo: echo.per_second }).await?);
            }
        }
        Ok(found)
    }

    async fn measure(&self, work: Work, callers: usize, limits: Limits) -> anyhow::Result<Measurement> {
        let call = || work.call(self.suite, &self.fixtures);
        let before = CpuTimes::read(self.suite)?;
        let sample = load::closed_loop(callers, self.time(), call()).await?;
        let cpu = CpuTimes::read(self.suite)?.since(&before);
        let at_rate = load::open_loop(self.options.rate, self.time(), call()).await?;
        Ok(Measurement::of_call(work.name(), callers, &sample, &at_rate, &cpu, limits))
    }

    async fn measure_extra(&self, extra: Extra) -> anyhow::Result<Vec<Figure>> {
        match extra {
            Extra::Growth => growth::measure(self.suite, &self.fixtures, self.options.growth_tasks).await,
            Extra::Watchers => watchers::measure(self.suite, &self.fixtures, self.options.watchers).await,
            Extra::Files => files::measure(self.suite, &self.fixtures, self.options.megabytes.into()).await,
            Extra::SignIn => self.suite.measure_sign_in().await,
        }
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.options.seconds.into())
    }
}

//! Medians of the rounds, as a table or as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::cpu::CpuTimes;
use super::figure::{Figure, median, milliseconds};
use super::load::{Latencies, Sample};
use crate::output;

/// One thing, measured in one round, or the medians of all rounds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measurement {
    name: &'static str,
    callers: usize,
    per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_milliseconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_milliseconds: Option<f64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    of_suite: Option<SuiteMeasurement>,
}

/// What is measured of the suite only.
#[derive(Clone, Debug, Serialize)]
struct SuiteMeasurement {
    ratio_to_pgbench: f64,
    ratio_to_echo: f64,
    suite_cpu_microseconds_per_call: f64,
    postgres_cpu_microseconds_per_call: f64,
    /// From the moment when a call was due, at `--rate`.
    p50_milliseconds_at_rate: f64,
    p99_milliseconds_at_rate: f64,
}

/// The limits of one round.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Of `pgbench`, per second.
    pub(super) pgbench: f64,
    /// Of the echo, per second.
    pub(super) echo: f64,
}

impl Measurement {
    pub(super) fn of_pgbench(name: &'static str, callers: usize, per_second: f64) -> Self {
        Self { name, callers, per_second, p50_milliseconds: None, p99_milliseconds: None, of_suite: None }
    }

    pub(super) fn of_echo(callers: usize, sample: &Sample) -> Self {
        Self {
            name: "echo",
            callers,
            per_second: sample.per_second,
            p50_milliseconds: Some(milliseconds(sample.latencies.p50)),
            p99_milliseconds: Some(milliseconds(sample.latencies.p99)),
            of_suite: None,
        }
    }

    pub(super) fn of_call(
        name: &'static str,
        callers: usize,
        sample: &Sample,
        at_rate: &Latencies,
        cpu: &CpuTimes,
        limits: Limits,
    ) -> Self {
        let per_call = |time: Duration| time.as_secs_f64() * 1e6 / sample.calls as f64;
        let of_suite = SuiteMeasurement {
            ratio_to_pgbench: sample.per_second / limits.pgbench,
            ratio_to_echo: sample.per_second / limits.echo,
            suite_cpu_microseconds_per_call: per_call(cpu.suite),
            postgres_cpu_microseconds_per_call: per_call(cpu.postgres),
            p50_milliseconds_at_rate: milliseconds(at_rate.p50),
            p99_milliseconds_at_rate: milliseconds(at_rate.p99),
        };
        Self { name, of_suite: Some(of_suite), ..Self::of_echo(callers, sample) }
    }

    /// Of measurements of the same thing, at least one.
    fn median(rounds: &[Self]) -> Option<Self> {
        let first = rounds.first()?;
        let of = |value: &dyn Fn(&Self) -> Option<f64>| median(rounds.iter().filter_map(value).collect());
        let suite = |value: fn(&SuiteMeasurement) -> f64| of(&|one| one.of_suite.as_ref().map(value));
        Some(Self {
            per_second: of(&|one| Some(one.per_second)).unwrap_or_default(),
            p50_milliseconds: of(&|one| one.p50_milliseconds),
            p99_milliseconds: of(&|one| one.p99_milliseconds),
            of_suite: suite(|one| one.ratio_to_pgbench).map(|ratio_to_pgbench| SuiteMeasurement {
                ratio_to_pgbench,
                ratio_to_echo: suite(|one| one.ratio_to_echo).unwrap_or_default(),
                suite_cpu_microseconds_per_call: suite(|one| one.suite_cpu_microseconds_per_call)
                    .unwrap_or_default(),
                postgres_cpu_microseconds_per_call: suite(|one| one.postgres_cpu_microseconds_per_call)
                    .unwrap_or_default(),
                p50_milliseconds_at_rate: suite(|one| one.p50_milliseconds_at_rate).unwrap_or_default(),
                p99_milliseconds_at_rate: suite(|one| one.p99_milliseconds_at_rate).unwrap_or_default(),
            }),
            ..first.clone()
        })
    }

    fn line(&self) -> String {
        let mut line = format!("{:<16}{:>8}{:>11.0}", self.name, self.callers, self.per_second);
        for latency in [self.p50_milliseconds, self.p99_milliseconds].into_iter().flatten() {
            line.push_str(&format!("{latency:>9.2}"));
        }
        if let Some(suite) = &self.of_suite {
            line.push_str(&format!(
                "{:>9.2}{:>9.2}{:>9.0}{:>9.0}{:>9.2}{:>9.2}",
                suite.ratio_to_pgbench,
                suite.ratio_to_echo,
                suite.suite_cpu_microseconds_per_call,
                suite.postgres_cpu_microseconds_per_call,
                suite.p50_milliseconds_at_rate,
                suite.p99_milliseconds_at_rate
            ));
        }
        line
    }
}

/// All that was measured.
#[derive(Default)]
pub(super) struct Report {
    measurements: Vec<Measurement>,
    figures: Vec<Figure>,
}

impl Report {
    pub(super) fn add(&mut self, round: Vec<Measurement>) {
        self.measurements.extend(round);
    }

    pub(super) fn add_figures(&mut self, figures: impl IntoIterator<Item = Figure>) {
        self.figures.extend(figures);
    }

    /// In the order in which things were first measured.
    fn medians(&self) -> Vec<Measurement> {
        let mut groups: Vec<Vec<Measurement>> = Vec::new();
        for one in &self.measurements {
            let is_same = |group: &&mut Vec<Measurement>| {
                group.first().is_some_and(|first| (first.name, first.callers) == (one.name, one.callers))
            };
            match groups.iter_mut().find(is_same) {
                Some(group) => group.push(one.clone()),
                None => groups.push(vec![one.clone()]),
            }
        }
        groups.iter().filter_map(|group| Measurement::median(group)).collect()
    }

    pub(super) fn print(self) -> anyhow::Result<()> {
        output::report(&Table { measurements: self.medians(), figures: self.figures })
    }
}

/// The medians, and what was measured once.
#[derive(Serialize)]
struct Table {
    measurements: Vec<Measurement>,
    figures: Vec<Figure>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<16}{:>8}{:>11}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>18}",
            "",
            "callers",
            "calls/s",
            "p50 ms",
            "p99 ms",
            "/pgbench",
            "/echo",
            "suite us",
            "pg us",
            "p50, p99 at rate"
        )?;
        self.measurements.iter().try_for_each(|measurement| writeln!(f, "{}", measurement.line()))?;
        writeln!(f)?;
        self.figures
            .iter()
            .try_for_each(|one| writeln!(f, "{:<48}{:>11.2} {}", one.name, one.value, one.unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_medians_of_what_was_measured_in_its_order() {
        let mut report = Report::default();
        for rate in [3.0, 1.0, 2.0] {
            report.add(vec![
                Measurement::of_pgbench("b", 1, rate),
                Measurement::of_pgbench("a", 1, 10.0 * rate),
                Measurement::of_pgbench("b", 2, 5.0),
            ]);
        }
        let medians = report.medians();
        let found: Vec<_> = medians.iter().map(|one| (one.name, one.callers, one.per_second)).collect();
        assert_eq!(found, [("b", 1, 2.0), ("a", 1, 20.0), ("b", 2, 5.0)]);
        assert_eq!(median(Vec::new()), None);
    }
}

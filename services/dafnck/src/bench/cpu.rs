//! CPU time of processes, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;

use super::suite::BenchSuite;

/// `/proc` counts in USER_HZ, which is 100 on all machines that the suite runs on.
const MILLISECONDS_PER_TICK: u64 = 10;

/// CPU time up to a moment.
pub(super) struct CpuTimes {
    /// Of the suite's process.
    pub(super) suite: Duration,
    /// Of PostgreSQL's processes.
    pub(super) postgres: Duration,
}

/// What `/proc/<pid>/stat` says: the parent, and the time of the process and of its children that have ended.
struct ProcessTimes {
    parent: u32,
    ticks: u64,
}

impl CpuTimes {
    pub(super) fn read(suite: &BenchSuite) -> anyhow::Result<Self> {
        let own = process_times(suite.process_id()).context("the suite has ended")?;
        let postgres = ticks_with_children(suite.postgres().process_id)?;
        Ok(Self { suite: duration(own.ticks), postgres: duration(postgres) })
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            suite: self.suite.saturating_sub(before.suite),
            postgres: self.postgres.saturating_sub(before.postgres),
        }
    }
}

/// Of a process and its children, of whom none ended meanwhile: the time of one that ends passes to its parent, and could be
/// missed in both places. Many end right before, as the connections of `pgbench` do.
fn ticks_with_children(parent: u32) -> anyhow::Result<u64> {
    loop {
        let (before, ticks) =
            (children(parent)?, process_times(parent).context("PostgreSQL has ended")?.ticks);
        let after = children(parent)?;
        if before.keys().eq(after.keys()) {
            return Ok(ticks + after.values().sum::<u64>());
        }
    }
}

/// The ticks of each child.
fn children(parent: u32) -> anyhow::Result<BTreeMap<u32, u64>> {
    let mut children = BTreeMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(times) = process_times(pid).filter(|times| times.parent == parent) {
            children.insert(pid, times.ticks);
        }
    }
    Ok(children)
}

/// `None` for a process that has ended.
fn process_times(pid: u32) -> Option<ProcessTimes> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; proc_pid_stat(5) counts what follows it from 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index - 3)?.parse::<u64>().ok();
    let ticks = number(14)? + number(15)? + number(16)? + number(17)?;
    Some(ProcessTimes { parent: u32::try_from(number(4)?).ok()?, ticks })
}

/// The memory of a process that is in RAM, in MiB.
pub(super) fn resident_megabytes(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: f64 =
        line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?.parse()?;
    Ok(kilobytes / 1024.0)
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * MILLISECONDS_PER_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_parent_and_one_that_has_ended_has_nothing() {
        let own = process_times(std::process::id()).unwrap();
        assert_eq!(own.parent, std::os::unix::process::parent_id());
        assert!(process_times(u32::MAX).is_none());
        assert!(resident_megabytes(std::process::id()).unwrap() > 1.0);
    }
}

//! The cost of a hash.

use anyhow::ensure;
use argon2::Params;
use clap::Args;

/// The minima of OWASP's Password Storage Cheat Sheet for Argon2id, as passes and KiB. Each is as good as the others.
const OWASP_MINIMA: [(u32, u32); 5] = [(1, 47_104), (2, 19_456), (3, 12_288), (4, 9_216), (5, 7_168)];
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 64;
const MAX_LANES: u32 = 16;

/// The cost of a new hash. A hash with other parameters is replaced at the next login.
#[derive(Args, Clone, Debug)]
pub struct PasswordOptions {
    /// Memory that hashing a password takes, in KiB (Argon2id)
    #[arg(long, env = "DAFNCK_PASSWORD_MEMORY_KIB", default_value_t = 19_456)]
    pub password_memory_kib: u32,
    /// Passes over that memory; with fewer than 5, more memory is asked for
    #[arg(long, env = "DAFNCK_PASSWORD_PASSES", default_value_t = 2)]
    pub password_passes: u32,
    /// Lanes of the hash, worked on one after the other
    #[arg(long, env = "DAFNCK_PASSWORD_LANES", default_value_t = 1)]
    pub password_lanes: u32,
}

impl Default for PasswordOptions {
    fn default() -> Self {
        Self { password_memory_kib: 19_456, password_passes: 2, password_lanes: 1 }
    }
}

impl PasswordOptions {
    /// # Errors
    /// When a hash would be cheaper than OWASP's minimum, or so costly that logins stop the service.
    pub(super) fn params(&self) -> anyhow::Result<Params> {
        let Self { password_memory_kib: memory, password_passes: passes, password_lanes: lanes } = *self;
        ensure!(
            memory <= MAX_MEMORY_KIB && passes <= MAX_PASSES && (1..=MAX_LANES).contains(&lanes),
            "a password's hash may take at most {MAX_MEMORY_KIB} KiB, {MAX_PASSES} passes and {MAX_LANES} lanes"
        );
        let enough = OWASP_MINIMA.iter().any(|&(least_passes, kib)| passes >= least_passes && memory >= kib);
        ensure!(
            enough,
            "{memory} KiB and {passes} passes are less than OWASP's minimum for passwords; enough are (passes, KiB): \
             {OWASP_MINIMA:?}"
        );
        Ok(Params::new(memory, passes, lanes, None)?)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: PasswordOptions,
    }

    fn params(memory: u32, passes: u32, lanes: u32) -> anyhow::Result<Params> {
        PasswordOptions { password_memory_kib: memory, password_passes: passes, password_lanes: lanes }
            .params()
    }

    #[test]
    fn the_defaults_are_those_of_the_command_line_and_of_owasp() {
        Command::command().debug_assert();
        let options = Command::parse_from(["x"]).options;
        assert_eq!(format!("{options:?}"), format!("{:?}", PasswordOptions::default()));
        assert_eq!(options.params().unwrap(), Params::new(19_456, 2, 1, None).unwrap());
    }

    #[test]
    fn costs_below_the_minimum_and_above_the_maximum_are_rejected() {
        for (memory, passes) in
            [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5), (7_168, 9), (65_536, 3)]
        {
            params(memory, passes, 1).unwrap();
        }
        for (memory, passes, lanes) in [
            (19_455, 2, 1),
            (19_456, 1, 1),
            (7_167, 64, 1),
            (0, 0, 0),
            (19_456, 2, 0),
            (19_456, 2, 17),
            (19_456, 65, 1),
            (2 * MAX_MEMORY_KIB, 2, 1),
        ] {
            assert!(params(memory, passes, lanes).is_err(), "{memory} {passes} {lanes}");
        }
    }
}

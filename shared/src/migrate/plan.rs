//! The steps to run, from the scripts and the ledger. Pure.

use super::{Migration, Set};

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    /// The number of the migration.
    pub version: i32,
    /// The name of its directory.
    pub name: String,
    /// The checksum of the script that ran.
    pub checksum: String,
}

/// One script to run.
#[derive(Clone, Debug)]
pub struct Step {
    /// The number of the migration.
    pub version: i32,
    /// The name of its directory.
    pub name: String,
    /// The SQL to run.
    pub script: String,
    /// The checksum for the ledger; `None` when the step reverts the migration.
    pub checksum: Option<String>,
    /// The query for rows that would break the script, which runs before it.
    pub preflight: Option<String>,
}

/// The steps to run, in this order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

/// Why the ledger does not fit the scripts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A script is not the one that ran.
    #[error(
        "{set}/{name} was changed after it had been applied. Restore the script as it was released and put the \
         change into a new migration"
    )]
    Changed {
        /// The name of the set.
        set: &'static str,
        /// The name of the migration.
        name: String,
    },
    /// The database is ahead of this program.
    #[error("the database has {set}/{name}, which this program does not know. Run the newer program")]
    Unknown {
        /// The name of the set.
        set: &'static str,
        /// The name of the migration.
        name: String,
    },
    /// A version is missing.
    #[error("{set} has a gap before version {version}. Restore the missing migration")]
    Gap {
        /// The name of the set.
        set: &'static str,
        /// The version after the gap.
        version: i32,
    },
}

impl Plan {
    /// The steps to the newest version.
    ///
    /// # Errors
    /// When the ledger does not fit the scripts.
    pub fn up(set: &Set, applied: &[AppliedMigration]) -> anyhow::Result<Self> {
        let known = set.migrations()?;
        check(set.name, &known, applied)?;
        let steps = known.into_iter().skip(applied.len()).map(|migration| Step {
            version: migration.version,
            checksum: Some(migration.checksum()),
            name: migration.name,
            script: migration.up,
            preflight: migration.preflight,
        });
        Ok(Self { steps: steps.collect() })
    }

    /// The steps back to a version, newest first.
    ///
    /// # Errors
    /// When the ledger does not fit the scripts.
    pub fn down(set: &Set, applied: &[AppliedMigration], to_version: i32) -> anyhow::Result<Self> {
        let known = set.migrations()?;
        check(set.name, &known, applied)?;
        let steps = known
            .into_iter()
            .take(applied.len())
            .rev()
            .filter(|migration| migration.version > to_version)
            .map(|migration| Step {
                version: migration.version,
                name: migration.name,
                script: migration.down,
                checksum: None,
                preflight: None,
            });
        Ok(Self { steps: steps.collect() })
    }
}

fn check(set: &'static str, known: &[Migration], applied: &[AppliedMigration]) -> Result<(), PlanError> {
    for (version, migration) in (1..).zip(known) {
        if migration.version != version {
            return Err(PlanError::Gap { set, version: migration.version });
        }
    }
    for (version, row) in (1..).zip(applied) {
        if row.version != version {
            return Err(PlanError::Gap { set, version: row.version });
        }
        let Some(migration) = known.iter().find(|migration| migration.version == version) else {
            return Err(PlanError::Unknown { set, name: row.name.clone() });
        };
        if migration.name != row.name || migration.checksum() != row.checksum {
            return Err(PlanError::Changed { set, name: row.name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn service_sets() -> [Set; 4] {
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        ["identity", "project", "task", "content"]
            .map(|name| Set::from_directory(name, false, &migrations.join(name)))
    }

    fn all_applied(set: &Set) -> Vec<AppliedMigration> {
        let row =
            |m: Migration| AppliedMigration { version: m.version, checksum: m.checksum(), name: m.name };
        set.migrations().unwrap().into_iter().map(row).collect()
    }

    #[test]
    fn nothing_is_left_to_do_when_all_is_applied() {
        for set in &service_sets() {
            assert!(Plan::up(set, &all_applied(set)).unwrap().steps.is_empty());
        }
    }

    #[test]
    fn going_down_begins_with_the_newest() {
        let set = &service_sets()[2];
        let steps = Plan::down(set, &all_applied(set), 0).unwrap().steps;
        assert!(steps.windows(2).all(|pair| pair[0].version > pair[1].version));
        assert_eq!(steps.last().unwrap().version, 1);
    }

    #[test]
    fn a_changed_script_a_gap_and_the_future_are_refused() {
        let set = &service_sets()[0];
        let known = set.migrations().unwrap();
        let mut changed = all_applied(set);
        changed[0].checksum = "other".to_owned();
        let mut gap = all_applied(set);
        gap[0].version += 1;
        let mut future = all_applied(set);
        future.push(AppliedMigration {
            version: known.len() as i32 + 1,
            name: "9999_x".into(),
            checksum: String::new(),
        });
        assert!(matches!(check("s", &known, &changed), Err(PlanError::Changed { .. })));
        assert!(matches!(check("s", &known, &gap), Err(PlanError::Gap { .. })));
        assert!(matches!(check("s", &known, &future), Err(PlanError::Unknown { .. })));
    }
}

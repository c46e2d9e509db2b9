//! A release that may follow: the released migrations of a set, and after them the steps of `steps/<set>`.

use std::path::Path;

use shared::migrate::Set;
use tempfile::TempDir;

/// A set whose scripts are in a directory of their own, which goes with it.
pub struct NextRelease {
    pub set: Set,
    /// The newest version that is released.
    pub released: i32,
    _scripts: TempDir,
}

impl NextRelease {
    pub fn of(set: &'static Set) -> Self {
        let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrading/steps").join(set.name);
        let scripts = tempfile::tempdir().unwrap();
        let mut released = 0;
        for migration in set.migrations().unwrap() {
            let directory = scripts.path().join(&migration.name);
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join("up.sql"), &migration.up).unwrap();
            std::fs::write(directory.join("down.sql"), &migration.down).unwrap();
            if let Some(preflight) = &migration.preflight {
                std::fs::write(directory.join("preflight.sql"), preflight).unwrap();
            }
            released = migration.version;
        }
        for (name, step) in names(&steps).into_iter().zip(1..) {
            let (_, what) = name.split_once('_').unwrap();
            let directory = scripts.path().join(format!("{:04}_{what}", released + step));
            std::fs::create_dir(&directory).unwrap();
            for file in names(&steps.join(&name)) {
                std::fs::copy(steps.join(&name).join(&file), directory.join(&file)).unwrap();
            }
        }
        let set = Set::from_directory(set.name, set.joins_schemas, scripts.path());
        Self { set, released, _scripts: scripts }
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

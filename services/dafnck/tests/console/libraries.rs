//! The libraries of the page: the file in the repository is what npm and esbuild make of the lockfile.

use std::fs;
use std::path::{Path, PathBuf};

use local_servers::tools::on_path;
use tokio::process::Command;
use tokio::sync::OnceCell;

const TOOLS: [&str; 2] = ["node", "npm"];
const SOURCES: [&str; 5] = ["package.json", "package-lock.json", ".npmrc", "entry.js", "build.js"];
const BUILT: [&str; 2] = ["libraries.js", "licenses.txt"];

fn console() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("console")
}

/// Where the packages of the lockfile are; `None` without Node.js, or if they cannot be had.
pub async fn packages() -> Option<&'static Path> {
    static PACKAGES: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    PACKAGES.get_or_init(install).await.as_deref()
}

async fn install() -> Option<PathBuf> {
    if let Some(missing) = TOOLS.iter().find(|tool| on_path(tool).is_empty()) {
        eprintln!("WARNING: no {missing}: the libraries of the console were NOT checked");
        return None;
    }
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/console-libraries");
    let packages = copy.join("node_modules");
    let read_lock = |directory: &Path| fs::read(directory.join("package-lock.json")).ok();
    let is_installed = packages.join(".package-lock.json").exists()
        && read_lock(&copy) == read_lock(&console().join("libraries"));
    fs::create_dir_all(&copy).unwrap();
    for file in SOURCES {
        fs::copy(console().join("libraries").join(file), copy.join(file)).unwrap();
    }
    if !is_installed {
        let mut install = Command::new("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&copy);
        let installed = install.output().await.unwrap();
        if !installed.status.success() {
            let _gone = fs::remove_dir_all(&packages);
            let why = String::from_utf8_lossy(&installed.stderr);
            eprintln!(
                "WARNING: npm has not got the packages, the libraries of the console were NOT checked: {why}"
            );
            return None;
        }
    }
    Some(packages)
}

#[tokio::test]
async fn the_libraries_of_the_console_are_what_their_lockfile_says() {
    let Some(packages) = packages().await else { return };
    let target = tempfile::tempdir().unwrap();
    let mut build = Command::new("node");
    build.arg("build.js").arg(target.path()).current_dir(packages.parent().unwrap());
    let built = build.output().await.unwrap();
    assert!(built.status.success(), "{built:?}");
    for file in BUILT {
        let [expected, found] =
            [target.path(), &console().join("site")].map(|place| fs::read(place.join(file)).unwrap());
        assert!(expected == found, "{file} is not what `npm ci && npm run build` makes in console/libraries");
    }
}

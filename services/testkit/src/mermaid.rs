//! Mermaid, which draws the diagrams of plans in browsers.

use anyhow::{Result, ensure};
use tokio::process::Command;

use local_servers::tools::{on_path, private_copy};

use crate::workspace::cache;

const VERSION: &str = "11.17.2";
/// The whole library as one script, in npm's package.
const SCRIPT: &str = "package/dist/mermaid.min.js";

/// The script that defines `mermaid`.
///
/// # Errors
/// When npm is missing or the package cannot be fetched.
pub async fn mermaid_script() -> Result<String> {
    ensure!(!on_path("npm").is_empty(), "there is no npm");
    let (cache, name) = (cache(), format!("mermaid-{VERSION}"));
    std::fs::create_dir_all(&cache)?;
    let message = "fetching Mermaid (a package of npm: about 20 MB)…";
    let copy = private_copy(&cache, &name, message, &|step| eprintln!("{step}"), async |directory| {
        let package = format!("mermaid@{VERSION}");
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--pack-destination"]).arg(&directory).arg(package);
        ensure!(pack.output().await?.status.success(), "npm cannot fetch Mermaid");
        let mut unpack = Command::new("tar");
        unpack.arg("-xzf").arg(directory.join(format!("{name}.tgz"))).arg("-C").arg(&directory).arg(SCRIPT);
        ensure!(unpack.status().await?.success(), "Mermaid's package cannot be unpacked");
        Ok(())
    });
    Ok(std::fs::read_to_string(copy.await?.join(SCRIPT))?)
}

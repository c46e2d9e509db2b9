//! The page that Connect for browsers and the helpers for TypeScript make.

use std::path::Path;

use local_servers::tools::on_path;
use tokio::process::Command;

const TOOLS: [&str; 3] = ["node", "npm", "python3"];

/// The script of the page, generated and bundled as the page of the TypeScript client says; `None` without Node.js.
pub(super) async fn bundle() -> Option<String> {
    if let Some(missing) = TOOLS.iter().find(|tool| on_path(tool).is_empty()) {
        eprintln!("WARNING: no {missing}: a page with Connect was NOT tested");
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut build = Command::new(root.join("proto/clients/conformance/run.py"));
    let built = build.args(["typescript", "--build-only", "--require-all"]).status().await.unwrap();
    assert!(built.success(), "the TypeScript client is not built");
    let bundle = root.join(".local/clients/proto/clients/typescript/dist/browser.js");
    Some(std::fs::read_to_string(bundle).unwrap())
}

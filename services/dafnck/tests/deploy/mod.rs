//! The files of `deploy` and `docker-compose.yml`, against the programs and tools that they are for: no container engine
//! and no cluster is needed.

mod backups;
mod clock;
mod compose;
mod gateway;
mod kubernetes;
mod kubernetes_files;
mod kubernetes_gateway;
mod kubernetes_networks;
mod kubernetes_servers;
mod kubernetes_steps;
mod kustomize;
pub mod metric_names;
mod monitoring;
mod programs;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml_ng::Value;

/// The directory of the whole project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of a YAML file, with `<<` merged.
fn documents(text: &str) -> Vec<Value> {
    let parsed = serde_yaml_ng::Deserializer::from_str(text)
        .map(|document| serde::Deserialize::deserialize(document).unwrap());
    let mut documents: Vec<Value> = parsed.collect();
    for document in &mut documents {
        // Twice, since what is merged may itself be made by merging.
        document.apply_merge().unwrap();
        document.apply_merge().unwrap();
    }
    documents
}

/// All files below a directory with this ending.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What stands at the end of this way of keys; nothing if the way ends before.
fn at<'a>(value: &'a Value, way: &str) -> &'a Value {
    way.split('.').fold(value, |value, key| value.get(key).unwrap_or(&Value::Null))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_sequence().map_or(&[], Vec::as_slice)
}

/// Keys and values of a mapping.
fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_mapping().into_iter().flatten().map(|(key, value)| (text(key), value))
}

/// Whether the image has a version: a tag with a digit in it.
fn is_pinned(image: &str) -> bool {
    let tag = image.rsplit('/').next().and_then(|name| name.split_once(':'));
    tag.is_some_and(|(_, tag)| tag.contains(|c: char| c.is_ascii_digit()))
}

/// A directory with `docker compose` and kubectl, as Debian packages them.
async fn newer_tools() -> PathBuf {
    let cache = root().join(".local/cache");
    let tell = |step: &str| eprintln!("{step}");
    let packages = ["docker-compose", "kubectl"];
    testkit::newer_packages(&cache, "deploy-tools-1", &packages, tell).await.unwrap()
}

/// Runs a tool to its end; what it says when it fails is the test's failure.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{said}");
    said
}

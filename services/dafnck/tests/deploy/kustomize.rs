//! The objects of `deploy/kubernetes`, as kustomize makes them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_yaml_ng::Value;

use super::{at, documents, entries, list, newer_tools, root, succeed, text};

pub const PRODUCTION: &str = "overlays/production";
pub const DEVELOPMENT: &str = "overlays/development";
pub const SECOND_REGION: &str = "overlays/second-region";
pub const MIGRATE: &str = "overlays/production/migrate";
/// Everything that somebody applies.
pub const ALL: [&str; 6] = [
    "namespace",
    "overlays/production/migrate",
    "overlays/development/migrate",
    PRODUCTION,
    DEVELOPMENT,
    SECOND_REGION,
];
const WORKLOADS: [&str; 4] = ["Deployment", "StatefulSet", "Job", "CronJob"];

/// What was made for one test serves the others.
static MADE: Mutex<BTreeMap<&str, String>> = Mutex::new(BTreeMap::new());

pub fn directory() -> PathBuf {
    root().join("deploy/kubernetes")
}

/// What kustomize makes of a directory.
pub struct Objects {
    pub directory: &'static str,
    pub text: String,
    pub all: Vec<Value>,
}

impl Objects {
    pub async fn of(place: &'static str) -> Self {
        let kubectl = newer_tools().await.join("usr/bin/kubectl");
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || succeed(Command::new(kubectl).arg("kustomize").arg(directory().join(place)));
        let text = made.entry(place).or_insert_with(make).clone();
        drop(made);
        Self { directory: place, all: documents(&text), text }
    }

    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.all.iter().filter(move |object| at(object, "kind") == kind)
    }

    /// The object of this kind and name.
    pub fn get(&self, kind: &str, name: &str) -> &Value {
        let found = self.all.iter().find(|object| at(object, "kind") == kind && name_of(object) == name);
        found.unwrap_or_else(|| panic!("{} has no {kind} {name}", self.directory))
    }

    /// What makes pods, with a name for it.
    pub fn workloads(&self) -> impl Iterator<Item = (String, &Value)> {
        let all = WORKLOADS.iter().flat_map(|kind| self.of_kind(kind));
        all.map(|object| {
            (format!("{}: {} {}", self.directory, text(at(object, "kind")), name_of(object)), object)
        })
    }

    /// What the container of this job is given, whether somebody starts it or the clock.
    pub fn job(&self, name: &str) -> ContainerCommand {
        let is_it = |object: &&Value| text(at(object, "kind")).ends_with("Job") && name_of(object) == name;
        let job = self.all.iter().find(is_it).unwrap_or_else(|| panic!("there is no job {name}"));
        self.given(&list(at(pod_of(job), "containers"))[0])
    }

    /// What a container's program is given: of config maps first, then of its own, in their order.
    pub fn given(&self, container: &Value) -> ContainerCommand {
        let maps = list(at(container, "envFrom")).iter();
        let maps = maps.map(|from| self.get("ConfigMap", text(at(from, "configMapRef.name"))));
        let common = maps.flat_map(|map| entries(at(map, "data")));
        let own = list(at(container, "env")).iter();
        let own = own.map(|variable| (text(at(variable, "name")), at(variable, "value")));
        let words = ["command", "args"].iter().flat_map(|key| list(at(container, key)));
        ContainerCommand {
            image: text(at(container, "image")).to_owned(),
            words: words.map(|word| text(word).to_owned()).collect(),
            variables: common
                .chain(own)
                .map(|(name, value)| (name.to_owned(), value.as_str().map(str::to_owned)))
                .collect(),
        }
    }
}

/// What Kubernetes starts in a container.
pub struct ContainerCommand {
    image: String,
    /// Program and arguments, with `$(NAME)` as it is written; without a program, the image has one.
    pub words: Vec<String>,
    /// Variables in the order in which they are set, with their values as far as they are written there.
    pub variables: Vec<(String, Option<String>)>,
}

impl ContainerCommand {
    /// The program of ours that it runs, if any.
    pub fn program(&self) -> Option<&str> {
        let (path, _) = self.image.rsplit_once(':')?;
        let (place, name) = path.rsplit_once('/')?;
        place.ends_with("dafnck").then_some(name)
    }

    /// All values, with `$(NAME)` replaced by what was set before, and a placeholder for what a secret holds.
    ///
    /// # Panics
    /// When something is used before it is set: Kubernetes leaves it as it is.
    pub fn values(&self) -> BTreeMap<String, String> {
        let mut set: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &self.variables {
            let mut value = value.clone().unwrap_or_else(|| placeholder(name).to_owned());
            for (name, text) in &set {
                value = value.replace(&format!("$({name})"), text);
            }
            assert!(!value.contains("$("), "{name} uses what is not set before it: {value}");
            set.insert(name.clone(), value);
        }
        set
    }
}

/// What a secret of this name could hold.
fn placeholder(name: &str) -> &'static str {
    match name {
        "DATABASE_URI" => "postgres://role:secret@postgres-rw:5432/database",
        "DAFNCK_REDIS_URL" => "rediss-cluster://:secret@redis-0.redis:6379",
        _ => "secret",
    }
}

pub fn name_of(object: &Value) -> &str {
    text(at(object, "metadata.name"))
}

/// What a workload makes pods of.
pub fn template_of(workload: &Value) -> &Value {
    match at(workload, "spec.jobTemplate") {
        Value::Null => at(workload, "spec.template"),
        job => at(job, "spec.template"),
    }
}

/// The pods of a workload.
pub fn pod_of(workload: &Value) -> &Value {
    at(template_of(workload), "spec")
}

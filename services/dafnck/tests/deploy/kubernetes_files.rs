//! `deploy/kubernetes`: the files that programs are given are there, and certificates name those who show them.

use crate::harness::harness;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use local_servers::suite::NAMES;
use serde_yaml_ng::Value;
use shared::server;

use super::kustomize::{ALL, DEVELOPMENT, MIGRATE, Objects, PRODUCTION, directory, pod_of};
use super::{at, list, read, root, text};
use crate::dafnck::dafnck;
use crate::topologies::ENCRYPTED;

/// Where secrets are mounted.
const SECRETS: &str = "/run/secrets/";
/// What cert-manager puts into a certificate's secret.
const CERTIFICATE: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];
/// How long a service may take until it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Where the probes of a service ask.
const PROBED: &str = "https://localhost:50051";

type Certificates = BTreeMap<String, BTreeSet<String>>;

/// The certificates that cert-manager is asked for, by the name of their secret, with the names that they are for.
async fn certificates() -> Certificates {
    let objects = Objects::of(PRODUCTION).await;
    let names =
        |object: &Value| list(at(object, "spec.dnsNames")).iter().map(|name| text(name).to_owned()).collect();
    let certificates = objects.of_kind("Certificate");
    certificates.map(|object| (text(at(object, "spec.secretName")).to_owned(), names(object))).collect()
}

/// The keys of the secrets that `deploy/README.md` has an operator make, as `secret/key`.
fn documented_keys() -> BTreeSet<String> {
    let readme = read(&root().join("deploy/README.md")).replace("\\\n", " ");
    let lines = readme.lines().filter_map(|line| line.strip_prefix("new "));
    let keys = lines.flat_map(|line| {
        let (name, rest) = line.split_once(' ').unwrap();
        let keys = rest.split("--from-literal=").skip(1).map(|rest| rest.split('=').next().unwrap());
        keys.map(|key| format!("{name}/{key}")).collect::<Vec<_>>()
    });
    keys.collect()
}

/// Whether a volume has a file of this name.
fn holds(volume: &Value, file: &str, certificates: &Certificates) -> bool {
    let secret = at(volume, "secret.secretName").as_str().unwrap_or_default();
    let items = list(at(volume, "secret.items"));
    let key = match items {
        [] => Some(file),
        items => items.iter().find(|item| at(item, "path") == file).map(|item| text(at(item, "key"))),
    };
    key.is_some_and(|key| match secret {
        // Made by CloudNativePG for each cluster.
        _ if secret.starts_with("postgres-") && secret.ends_with("-ca") => key == "ca.crt",
        _ if certificates.contains_key(secret) => CERTIFICATE.contains(&key),
        _ => documented_keys().contains(&format!("{secret}/{key}")),
    })
}

/// All texts below a value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Sequence(items) => items.iter().flat_map(texts).collect(),
        Value::Mapping(items) => items.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The files of secrets that a container is told of, by variables, arguments and probes; Redis also by its settings.
fn files_of(container: &Value) -> BTreeSet<String> {
    let told = ["env", "args", "command", "readinessProbe", "livenessProbe", "startupProbe"];
    let mut told: Vec<String> = told.iter().flat_map(|way| texts(at(container, way))).collect();
    match text(at(container, "name")) {
        "redis" => told.push(read(&directory().join("redis/redis.conf"))),
        // Its other files are those of the nodes that it speaks to.
        "form" => told.push(format!("{SECRETS}tls/ca.crt")),
        _ => {}
    }
    let words = told.iter().flat_map(|text| text.split([' ', '\n', '=', '&']));
    words.filter(|word| word.starts_with(SECRETS)).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_file_of_a_secret_that_a_program_is_told_of_is_mounted_and_made_by_somebody() {
    let certificates = certificates().await;
    for place in ALL {
        for (name, object) in Objects::of(place).await.workloads() {
            files_are_there(&name, object, &certificates);
            volumes_are_mounted(&name, pod_of(object));
        }
    }
}

fn files_are_there(place: &str, object: &Value, certificates: &Certificates) {
    let pod = pod_of(object);
    let templates = list(at(object, "spec.volumeClaimTemplates"));
    let claimed = |name: &Value| templates.iter().any(|template| at(template, "metadata.name") == name);
    let volume = |name: &Value| list(at(pod, "volumes")).iter().find(|it| at(it, "name") == name);
    for container in list(at(pod, "containers")) {
        let mounts = list(at(container, "volumeMounts"));
        for mount in mounts {
            let name = at(mount, "name");
            assert!(volume(name).is_some() || claimed(name), "{place}: there is no volume {name:?}");
        }
        for file in files_of(container) {
            let (mount_path, name) = file.rsplit_once('/').unwrap();
            let mount = mounts.iter().find(|mount| at(mount, "mountPath") == mount_path);
            let mount = mount.unwrap_or_else(|| panic!("{place}: nothing is mounted for {file}"));
            let volume = volume(at(mount, "name")).unwrap();
            assert!(holds(volume, name, certificates), "{place}: nobody makes {file}");
        }
    }
}

fn volumes_are_mounted(place: &str, pod: &Value) {
    for volume in list(at(pod, "volumes")) {
        let name = at(volume, "name");
        let mounts = list(at(pod, "containers")).iter().flat_map(|it| list(at(it, "volumeMounts")));
        assert!(
            mounts.into_iter().any(|mount| at(mount, "name") == name),
            "{place}: {name:?} is mounted nowhere"
        );
    }
}

/// The host of a URL.
fn host(url: &str) -> &str {
    url.split("://").nth(1).unwrap().split([':', '/']).next().unwrap()
}

#[tokio::test]
async fn certificates_are_for_the_names_that_callers_use() {
    let certificates = certificates().await;
    let objects = Objects::of(PRODUCTION).await;
    let common = at(objects.get("ConfigMap", "dafnck-suite"), "data");
    for service in NAMES {
        let names = &certificates[&format!("dafnck-{service}-tls")];
        let url = text(&common[format!("DAFNCK_{}_URL", service.to_uppercase())]);
        assert!(url.starts_with("https://"), "{url}");
        assert!(names.contains(host(url)) && names.contains(host(PROBED)), "{service}: {names:?}");
    }
    let readme = read(&root().join("deploy/README.md"));
    let nodes = readme.split("rediss-cluster://").nth(1).unwrap().split('@').nth(1).unwrap();
    let nodes = nodes.split('"').next().unwrap().split(',').map(|node| node.split(':').next().unwrap());
    let replicas = at(objects.get("StatefulSet", "redis"), "spec.replicas").as_u64().unwrap();
    let all = nodes.map(str::to_owned).chain((0..replicas).map(|node| format!("redis-{node}.redis")));
    for node in all {
        assert!(certificates["redis-tls"].contains(&node), "{node}");
    }
}

#[tokio::test]
async fn postgresql_and_its_poolers_are_believed_only_by_name_and_authority() {
    let mut urls = 0;
    for place in [PRODUCTION, DEVELOPMENT, MIGRATE] {
        let objects = Objects::of(place).await;
        for (name, object) in objects.workloads() {
            let given = objects.given(&list(at(pod_of(object), "containers"))[0]).values();
            for variable in ["DAFNCK_DATABASE_URL", "DAFNCK_WORKER_DATABASE_URL", "DAFNCK_ADMIN_URL"] {
                let Some(url) = given.get(variable) else { continue };
                urls += 1;
                assert!(url.contains("sslmode=verify-full"), "{name}: {url}");
                let has_authority = given.contains_key("DAFNCK_DATABASE_TLS_CA");
                assert!(has_authority || url.contains("sslrootcert="), "{name}: {url}");
            }
        }
    }
    // Two of each service in each overlay; migrations, maintenance and the doctor.
    assert_eq!(urls, NAMES.len() * (2 * 2 + 3));
}

/// The probes of a service as the node runs them, only elsewhere, for a service that speaks TLS.
#[tokio::test]
async fn probes_ask_a_service_that_speaks_tls() {
    let objects = Objects::of(PRODUCTION).await;
    let container = &list(at(pod_of(objects.get("Deployment", "dafnck-task")), "containers"))[0];
    let mut suite = harness().start_in(ENCRYPTED).await;
    let url = suite.siblings.task_url.replace("127.0.0.1", "localhost");
    let authority = suite.options.certificates.clone().unwrap().join("ca.pem");
    let ask = async |words: &[&str]| {
        let words: Vec<&str> = words.iter().map(|word| if *word == PROBED { &url } else { *word }).collect();
        dafnck(&words, &[("DAFNCK_TLS_CA", authority.to_str().unwrap())]).await
    };
    let probes = ["readinessProbe", "livenessProbe", "startupProbe"].map(|name| {
        let words: Vec<&str> =
            list(at(container, &format!("{name}.exec.command"))).iter().map(text).collect();
        assert_eq!(words[0], "dafnck");
        (if name == "readinessProbe" { "ready" } else { server::ALIVE }, words[1..].to_vec())
    });
    let start = Instant::now();
    for (wanted, words) in &probes {
        let mut said = ask(words).await;
        while said.code != Some(0) && start.elapsed() < START_TIMEOUT {
            said = ask(words).await;
        }
        assert!(said.code == Some(0) && said.out.contains(wanted), "{words:?}: {said:?}");
        assert_eq!(words.contains(&"--alive"), *wanted == server::ALIVE, "{words:?}");
    }
    suite.stop().await;
    for (_, words) in &probes {
        assert_eq!(ask(words).await.code, Some(1), "{words:?}");
    }
}

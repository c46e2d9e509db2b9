//! `deploy/kubernetes`: what the programs are given, and what a cluster takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_yaml_ng::Value;
use shared::{server, telemetry};

use super::compose::make_secrets;
use super::{at, documents, entries, files, is_pinned, list, programs, read, root, succeed, text};

/// What the manifests are checked against: the oldest release that has all they use.
const KUBERNETES: &str = "1.34";
const VALIDATOR: [&str; 1] = ["kubernetes-validate==1.37.0"];
const VALIDATOR_FOLDER: &str = "kubernetes-validate-1.37.0";
const WORKLOADS: [&str; 4] = ["Deployment", "StatefulSet", "Job", "CronJob"];
/// Instructions to kustomize, which are no objects.
const NO_OBJECTS: [&str; 2] = ["kustomization.yaml", "names.yaml"];

pub(super) fn folder() -> PathBuf {
    root().join("deploy/kubernetes")
}

pub(super) fn manifests() -> Vec<PathBuf> {
    let is_object = |path: &PathBuf| !NO_OBJECTS.iter().any(|name| path.ends_with(name));
    files(&folder(), ".yaml").into_iter().filter(is_object).collect()
}

/// What makes pods, with the file that it is in.
pub(super) fn workloads() -> Vec<(PathBuf, Value)> {
    let all = manifests().into_iter().flat_map(|path| {
        let documents = documents(&read(&path));
        documents.into_iter().map(move |document| (path.clone(), document))
    });
    all.filter(|(_, object)| WORKLOADS.iter().any(|kind| at(object, "kind") == kind)).collect()
}

/// What is done by the clock.
pub(super) fn cron_jobs() -> Vec<Value> {
    workloads().into_iter().map(|(_, object)| object).filter(|it| at(it, "kind") == "CronJob").collect()
}

/// The object of this kind in a file.
pub(super) fn base_of(file: &str, kind: &str) -> Value {
    let documents = documents(&read(&folder().join(file)));
    documents.into_iter().find(|object| at(object, "kind") == kind).unwrap()
}

/// What a workload makes pods of.
pub(super) fn pod_of(workload: &Value) -> &Value {
    match at(workload, "spec.jobTemplate") {
        Value::Null => at(workload, "spec.template.spec"),
        job => at(job, "spec.template.spec"),
    }
}

/// The patches of a kustomization that are pieces of objects of this kind and name.
pub(super) fn patches(kustomization: &str, kind: &str, name: &str) -> Vec<Value> {
    let path = folder().join(kustomization).join("kustomization.yaml");
    let kustomization = documents(&read(&path)).remove(0);
    let pieces = list(at(&kustomization, "patches")).iter().filter(|patch| at(patch, "target").is_null());
    let pieces = pieces.flat_map(|patch| documents(text(at(patch, "patch"))));
    pieces.filter(|piece| at(piece, "kind") == kind && at(piece, "metadata.name") == name).collect()
}

/// The variables of a service's container, in the order in which they are set: those of the template come after those of
/// the service.
fn variables(service: &str, overlay: &str) -> Vec<(String, Value)> {
    let name = format!("dafnck-{service}");
    let mut objects = patches(overlay, "Deployment", &name);
    objects.extend(patches(&format!("base/{service}"), "Deployment", "dafnck"));
    objects.extend(documents(&read(&folder().join("service/deployment.yaml"))));
    let containers = objects.iter().flat_map(|object| list(at(object, "spec.template.spec.containers")));
    let variables = containers.flat_map(|container| list(at(container, "env")));
    variables.map(|variable| (text(at(variable, "name")).to_owned(), variable.clone())).collect()
}

/// What all services have in common, as the overlay changes it.
pub(super) fn common(overlay: &str) -> BTreeMap<String, String> {
    let mut maps = documents(&read(&folder().join("base/suite.yaml")));
    maps.extend(patches(overlay, "ConfigMap", "dafnck-suite"));
    let mut found = BTreeMap::new();
    for (variable, value) in maps.iter().flat_map(|map| entries(at(map, "data"))) {
        match value.as_str() {
            Some(value) => found.insert(variable.to_owned(), value.to_owned()),
            None => found.remove(variable),
        };
    }
    found
}

#[test]
fn the_programs_accept_what_kubernetes_gives_them() {
    let secrets = make_secrets();
    for overlay in ["overlays/production", "overlays/development"] {
        for service in suite::services::NAMES {
            let mut given = common(overlay);
            for (variable, value) in variables(service, overlay).into_iter().rev() {
                let value =
                    at(&value, "value").as_str().unwrap_or("secret").replace("$(ROLE_PASSWORD)", "secret");
                given.insert(variable, value);
            }
            programs::accept(service, &[], &given, secrets.path());
        }
    }
    let secret =
        BTreeMap::from(["DAFNCK_ADMIN_URL", "DAFNCK_ROLE_PASSWORD"].map(|it| (it.into(), "x".into())));
    for service in suite::services::NAMES {
        let job = patches(&format!("migrate/{service}"), "Job", "migrate").remove(0);
        let container = &list(at(&job, "spec.template.spec.containers"))[0];
        let words: Vec<&str> = list(at(container, "args")).iter().skip(1).map(text).collect();
        programs::accept("migrate", &words, &secret, secrets.path());
    }
}

/// `$(NAME)` is replaced only by what was set before.
#[test]
fn variables_are_set_before_they_are_used() {
    for service in suite::services::NAMES {
        let mut set: Vec<String> = Vec::new();
        for (name, variable) in variables(service, "overlays/production") {
            let value = at(&variable, "value").as_str().unwrap_or_default();
            for used in value.split("$(").skip(1).filter_map(|rest| rest.split(')').next()) {
                assert!(
                    set.iter().any(|name| name == used),
                    "{service}: {name} uses {used} before it is set"
                );
            }
            set.push(name);
        }
    }
}

#[test]
fn every_container_is_restrained_and_probed() {
    for (path, object) in workloads() {
        let pod = pod_of(&object);
        assert_eq!(*at(pod, "securityContext.runAsNonRoot"), true, "{}", path.display());
        for container in list(at(pod, "containers")) {
            let place = format!("{} {:?}", path.display(), at(container, "name"));
            assert_eq!(*at(container, "securityContext.allowPrivilegeEscalation"), false, "{place}");
            assert_eq!(*at(container, "securityContext.readOnlyRootFilesystem"), true, "{place}");
            assert_eq!(list(at(container, "securityContext.capabilities.drop")), ["ALL"], "{place}");
            assert!(!at(container, "resources.limits.memory").is_null(), "{place} has no limit of memory");
            assert!(!at(container, "resources.requests.cpu").is_null(), "{place} asks for no CPU");
            let image = text(at(container, "image"));
            assert!(is_pinned(image) || image.starts_with("dafnck/"), "{place}: {image} has no version");
            let probes = ["readinessProbe", "livenessProbe"].map(|probe| !at(container, probe).is_null());
            let ends = text(at(&object, "kind")).ends_with("Job");
            assert_eq!(probes, [!ends; 2], "{place}");
        }
    }
}

/// A node that is short of CPU makes programs start slowly in all pods at once.
#[test]
fn a_probe_that_starts_a_program_gives_it_time() {
    let mut probes = 0;
    for (path, object) in workloads() {
        for container in list(at(pod_of(&object), "containers")) {
            for name in ["readinessProbe", "livenessProbe", "startupProbe"] {
                let probe = at(container, name);
                if at(probe, "exec").is_null() {
                    continue;
                }
                probes += 1;
                // What Kubernetes takes where nothing is said.
                let number = |key: &str, otherwise: u64| at(probe, key).as_u64().unwrap_or(otherwise);
                let place = format!("{} {name}", path.display());
                assert!(number("timeoutSeconds", 1) >= 5, "{place}");
                assert!(number("periodSeconds", 10) * number("failureThreshold", 3) >= 15, "{place}");
            }
        }
    }
    assert_eq!(probes, 4);
}

#[test]
fn what_is_done_by_the_clock_is_done_once_at_a_time_and_not_for_ever() {
    let jobs = cron_jobs();
    assert_eq!(jobs.len(), 6);
    for job in &jobs {
        let name = text(at(job, "metadata.name"));
        assert_eq!(at(job, "spec.concurrencyPolicy"), "Forbid", "{name}");
        assert_eq!(at(job, "spec.timeZone"), "Etc/UTC", "{name}");
        for limit in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
            assert!(at(job, &format!("spec.{limit}")).is_u64(), "{name} has no {limit}");
        }
        for limit in ["activeDeadlineSeconds", "backoffLimit"] {
            assert!(at(job, &format!("spec.jobTemplate.spec.{limit}")).is_u64(), "{name} has no {limit}");
        }
        assert_eq!(at(pod_of(job), "restartPolicy"), "Never", "{name}");
        assert_eq!(*at(pod_of(job), "automountServiceAccountToken"), false, "{name}");
    }
}

/// Where nobody lets it out, a job waits for its deadline.
#[test]
fn each_job_of_the_clock_is_let_out_to_what_it_works_on() {
    let policies = ["upkeep/network.yaml", "redis/network.yaml"];
    let policies: Vec<Value> =
        policies.iter().flat_map(|file| documents(&read(&folder().join(file)))).collect();
    let out = policies.iter().filter(|policy| list(at(policy, "spec.policyTypes")) == ["Egress"]);
    let let_out: String = out.map(|policy| format!("{:?}", at(policy, "spec.podSelector"))).collect();
    for job in cron_jobs() {
        let name = text(
            at(&job, "spec.jobTemplate.spec.template.metadata.labels").get("app.kubernetes.io/name").unwrap(),
        );
        assert!(let_out.contains(&format!("{name:?}")), "no policy lets {name} out");
    }
}

#[test]
fn our_images_get_a_version_in_each_overlay() {
    for place in ["overlays/production", "overlays/development", "migrate", "overlays/production/migrate"] {
        let kustomization = documents(&read(&folder().join(place).join("kustomization.yaml"))).remove(0);
        let images = list(at(&kustomization, "images"));
        let wanted = match place {
            "migrate" | "overlays/production/migrate" => 1,
            // Without upkeep.
            "overlays/development" => 4,
            _ => 6,
        };
        assert_eq!(images.len(), wanted);
        assert!(images.iter().all(|image| !at(image, "newTag").is_null()), "{place}");
    }
}

#[test]
fn a_pod_has_the_time_to_end_its_calls() {
    let deployment = base_of("service/deployment.yaml", "Deployment");
    let pod = pod_of(&deployment);
    let container = &list(at(pod, "containers"))[0];
    let seconds = |way: &str| at(container, way).as_u64().or(at(pod, way).as_u64()).unwrap();
    // Traces, metrics and logs are sent one after another.
    let needed = seconds("lifecycle.preStop.sleep.seconds")
        + server::DRAIN_TIMEOUT.as_secs()
        + 3 * telemetry::FLUSH_TIMEOUT.as_secs();
    assert!(seconds("terminationGracePeriodSeconds") > needed, "{needed} s are needed");
}

#[tokio::test]
async fn what_kubernetes_is_given_fits_its_schemas() {
    let cache = root().join(".local/cache");
    let tell = |step: &str| eprintln!("{step}");
    let packages = shared::local::python_packages(&cache, VALIDATOR_FOLDER, &VALIDATOR, tell).await.unwrap();
    let mut validator = Command::new("python3");
    validator.args(["-m", "kubernetes_validate", "--strict", "--quiet", "-k", KUBERNETES]);
    succeed(validator.args(manifests()).env("PYTHONPATH", packages));
}

//! `deploy/kubernetes`: what the programs are given, and what a cluster takes.

use std::path::PathBuf;
use std::process::Command;

use local_servers::suite::NAMES;
use serde_yaml_ng::Value;
use shared::{server, telemetry};
use tempfile::TempDir;

use super::compose::make_secrets;
use super::kustomize::{ALL, DEVELOPMENT, MIGRATE, Objects, PRODUCTION, name_of, pod_of, template_of};
use super::{at, is_pinned, list, programs, root, succeed, text};

/// What the manifests are checked against: the oldest release that has all they use, as `deploy/README.md` says it.
const KUBERNETES: &str = "1.30";
const VALIDATOR: [&str; 1] = ["kubernetes-validate==1.37.0"];
const VALIDATOR_DIRECTORY: &str = "kubernetes-validate-1.37.0";

#[tokio::test]
async fn the_programs_accept_what_kubernetes_gives_them() {
    let secrets = make_secrets();
    // In a pod they are of the service that it runs.
    for (made, name) in [("task-key", "service-key"), ("task-derivation-secret", "derivation-secret")] {
        std::fs::copy(secrets.path().join(made), secrets.path().join(name)).unwrap();
    }
    for (place, wanted) in [(PRODUCTION, 14), (DEVELOPMENT, 4), (MIGRATE, 4)] {
        let (objects, mut seen) = (Objects::of(place).await, 0);
        for (name, workload) in objects.workloads() {
            let given = objects.given(&list(at(pod_of(workload), "containers"))[0]);
            let (program, words) = match given.program() {
                Some("dafnck") => (given.words[0].as_str(), &given.words[1..]),
                Some(service) if NAMES.contains(&service) => (service, given.words.as_slice()),
                _ => continue,
            };
            eprintln!("{name}");
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            programs::accept(program, &words, &given.values(), secrets.path());
            seen += 1;
        }
        assert_eq!(seen, wanted, "{place}");
    }
}

#[tokio::test]
async fn every_container_is_restrained_and_probed() {
    for place in ALL {
        for (name, object) in Objects::of(place).await.workloads() {
            let pod = pod_of(object);
            assert_eq!(*at(pod, "securityContext.runAsNonRoot"), true, "{name}");
            assert_eq!(*at(pod, "automountServiceAccountToken"), false, "{name}");
            for container in list(at(pod, "containers")) {
                is_restrained(&name, container);
                let probes = ["readinessProbe", "livenessProbe"].map(|probe| !at(container, probe).is_null());
                let ends = text(at(object, "kind")).ends_with("Job");
                assert_eq!(probes, [!ends; 2], "{name}");
            }
        }
    }
}

fn is_restrained(place: &str, container: &Value) {
    assert_eq!(*at(container, "securityContext.allowPrivilegeEscalation"), false, "{place}");
    assert_eq!(*at(container, "securityContext.readOnlyRootFilesystem"), true, "{place}");
    assert_eq!(list(at(container, "securityContext.capabilities.drop")), ["ALL"], "{place}");
    assert!(!at(container, "resources.limits.memory").is_null(), "{place} has no limit of memory");
    assert!(!at(container, "resources.requests.cpu").is_null(), "{place} asks for no CPU");
    let image = text(at(container, "image"));
    assert!(is_pinned(image), "{place}: {image} has no version");
}

/// A node that is short of CPU makes programs start slowly in all pods at once.
#[tokio::test]
async fn a_probe_that_starts_a_program_gives_it_time() {
    let mut seen = 0;
    for (place, object) in Objects::of(PRODUCTION).await.workloads() {
        for container in list(at(pod_of(object), "containers")) {
            for name in ["readinessProbe", "livenessProbe", "startupProbe"] {
                let probe = at(container, name);
                if at(probe, "exec").is_null() {
                    continue;
                }
                seen += 1;
                // What Kubernetes takes where nothing is said.
                let number = |key: &str, otherwise: u64| at(probe, key).as_u64().unwrap_or(otherwise);
                assert!(number("timeoutSeconds", 1) >= 5, "{place} {name}");
                assert!(number("periodSeconds", 10) * number("failureThreshold", 3) >= 15, "{place} {name}");
            }
        }
    }
    // Three of each service, and Redis.
    assert_eq!(seen, 3 * NAMES.len() + 1);
}

#[tokio::test]
async fn what_is_done_by_the_clock_is_done_once_at_a_time_and_not_for_ever() {
    let objects = Objects::of(PRODUCTION).await;
    let mut seen = 0;
    for job in objects.of_kind("CronJob") {
        let name = name_of(job);
        assert_eq!(at(job, "spec.concurrencyPolicy"), "Forbid", "{name}");
        assert_eq!(at(job, "spec.timeZone"), "Etc/UTC", "{name}");
        for limit in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
            assert!(at(job, &format!("spec.{limit}")).is_u64(), "{name} has no {limit}");
        }
        for limit in ["activeDeadlineSeconds", "backoffLimit"] {
            assert!(at(job, &format!("spec.jobTemplate.spec.{limit}")).is_u64(), "{name} has no {limit}");
        }
        assert_eq!(at(pod_of(job), "restartPolicy"), "Never", "{name}");
        seen += 1;
    }
    assert_eq!(seen, 3 * NAMES.len() + 3);
}

#[tokio::test]
async fn a_pod_has_the_time_to_end_its_calls() {
    let objects = Objects::of(PRODUCTION).await;
    for service in NAMES {
        let deployment = objects.get("Deployment", &format!("dafnck-{service}"));
        let pod = pod_of(deployment);
        let container = &list(at(pod, "containers"))[0];
        let seconds = |way: &str| at(container, way).as_u64().or(at(pod, way).as_u64()).unwrap();
        // Traces, metrics and logs are sent one after another.
        let needed = seconds("lifecycle.preStop.sleep.seconds")
            + server::DRAIN_TIMEOUT.as_secs()
            + 3 * telemetry::FLUSH_TIMEOUT.as_secs();
        assert!(seconds("terminationGracePeriodSeconds") > needed, "{needed} s are needed");
        let rolling = at(deployment, "spec.strategy.rollingUpdate");
        assert_eq!(*at(rolling, "maxUnavailable"), 0, "{service}: an old pod goes before a new one is ready");
    }
}

/// Each service has as many pods as its load asks for, and of those one may go at a time.
#[tokio::test]
async fn services_grow_with_their_load_and_are_not_drained_at_once() {
    let objects = Objects::of(PRODUCTION).await;
    for service in NAMES {
        let name = format!("dafnck-{service}");
        let deployment = objects.get("Deployment", &name);
        let labels = at(template_of(deployment), "metadata.labels");
        let scaler = objects.get("HorizontalPodAutoscaler", &name);
        assert_eq!(text(at(scaler, "spec.scaleTargetRef.name")), name);
        assert!(at(deployment, "spec.replicas").is_null(), "{name} takes back what the autoscaler did");
        assert!(at(scaler, "spec.minReplicas").as_u64() > Some(1), "{name}: one pod is none while it moves");
        let budget = objects.get("PodDisruptionBudget", &name);
        assert_eq!(*at(budget, "spec.maxUnavailable"), 1, "{name}");
        let chosen = super::entries(at(budget, "spec.selector.matchLabels")).collect::<Vec<_>>();
        assert!(chosen.iter().all(|(key, value)| labels.get(*key) == Some(value)), "{name}: {chosen:?}");
        let own = chosen.iter().find(|(key, _)| *key == "app.kubernetes.io/name");
        assert_eq!(own.map(|(_, value)| text(value)), Some(service), "{name}: the budget is everybody's");
    }
}

/// The Python packages of the validator.
pub(super) async fn validator() -> PathBuf {
    let cache = root().join(".local/cache");
    let tell = |step: &str| eprintln!("{step}");
    local_servers::python_packages(&cache, VALIDATOR_DIRECTORY, &VALIDATOR, tell).await.unwrap()
}

#[tokio::test]
async fn what_kubernetes_is_given_fits_its_schemas() {
    let packages = validator().await;
    let directory = TempDir::new().unwrap();
    let mut validator = Command::new("python3");
    validator.args(["-m", "kubernetes_validate", "--strict", "--quiet", "-k", KUBERNETES]);
    for place in ALL {
        let file = directory.path().join(place.replace('/', "-")).with_extension("yaml");
        std::fs::write(&file, Objects::of(place).await.text).unwrap();
        validator.arg(file);
    }
    succeed(validator.env("PYTHONPATH", packages));
}

#[test]
fn the_readme_names_the_release_that_is_checked() {
    let readme = super::read(&root().join("deploy/README.md"));
    assert!(readme.contains(&format!("\nKubernetes {KUBERNETES} or newer")));
}

//! The steps by which `deploy/README.md` brings the suite onto a cluster: each finds what it needs.

use serde_yaml_ng::Value;

use super::kustomize::{DEVELOPMENT, Objects, PRODUCTION, SECOND_REGION, directory, name_of};
use super::{at, documents, list, read, root, text};

/// What an overlay has that is made before its other things.
const FIRST: (&str, &str) = ("app.kubernetes.io/component", "database");
/// Whose making cannot be taken back: a volume does not shrink, a bootstrap is done once, a backup goes where it was told.
const FOR_GOOD: [&str; 4] = ["Cluster", "Pooler", "ObjectStore", "ScheduledBackup"];

fn kustomization(place: &str) -> Value {
    documents(&read(&directory().join(place).join("kustomization.yaml"))).remove(0)
}

/// The directories that a directory's kustomization is made of, by their names.
fn parts(place: &str) -> Vec<String> {
    let kustomization = kustomization(place);
    let name = |part: &Value| text(part).rsplit('/').next().unwrap().to_owned();
    list(at(&kustomization, "resources")).iter().map(name).collect()
}

#[tokio::test]
async fn databases_are_made_by_the_overlay_that_says_how_large_they_are_and_where_their_backups_go() {
    let readme = read(&root().join("deploy/README.md"));
    let (key, value) = FIRST;
    let steps = [
        "kubectl apply --kustomize deploy/kubernetes/namespace\n",
        &format!("kubectl apply --kustomize YOUR-OVERLAY --selector {key}={value}\n"),
        "kubectl apply --kustomize YOUR-OVERLAY/migrate ",
        "kubectl apply --kustomize YOUR-OVERLAY\n",
    ];
    let places: Vec<usize> =
        steps.iter().map(|step| readme.find(step).unwrap_or_else(|| panic!("{step}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(readme.matches("kubectl apply ").count(), steps.len());

    for overlay in [PRODUCTION, DEVELOPMENT, SECOND_REGION] {
        let objects = Objects::of(overlay).await;
        let is_labelled =
            |object: &Value| at(object, "metadata.labels").get(key).is_some_and(|it| it == value);
        for object in FOR_GOOD.iter().flat_map(|kind| objects.of_kind(kind)) {
            assert!(is_labelled(object), "{overlay}: {}", name_of(object));
        }
        for (name, object) in objects.workloads() {
            assert!(!is_labelled(object), "{name} starts before what it needs");
        }
    }
}

#[test]
fn every_overlay_that_takes_writes_has_its_own_migrations() {
    for overlay in ["overlays/production", "overlays/development"] {
        assert_eq!(parts(&format!("{overlay}/migrate")), ["migrate"], "{overlay}");
    }
    let images = |place: &str| list(at(&kustomization(place), "images")).to_vec();
    let registry = |image: &Value| text(at(image, "newName")).rsplit_once('/').unwrap().0.to_owned();
    let production = images("overlays/production");
    let of_migrations = images("overlays/production/migrate");
    assert!(of_migrations.iter().all(|image| registry(image) == registry(&production[0])));
}

/// What concerns every pod is there before the first of them, or databases and migrations do not find one another.
#[tokio::test]
async fn names_are_found_before_the_first_pod_starts() {
    let of_all_pods = |objects: &Objects| -> Vec<Value> {
        let policies = objects.of_kind("NetworkPolicy");
        let is_of_all = |it: &&Value| at(it, "spec.podSelector").as_mapping().is_some_and(|it| it.is_empty());
        policies.filter(is_of_all).cloned().collect()
    };
    let first = of_all_pods(&Objects::of("namespace").await);
    for place in [PRODUCTION, DEVELOPMENT] {
        let later = of_all_pods(&Objects::of(place).await);
        let names = |policies: &[Value]| -> Vec<String> {
            policies.iter().map(|policy| name_of(policy).to_owned()).collect()
        };
        assert_eq!(names(&later), names(&first), "{place}");
    }
    let ways = first.iter().flat_map(|policy| list(at(policy, "spec.egress")));
    let ports: Vec<&Value> =
        ways.flat_map(|way| list(at(way, "ports"))).map(|port| at(port, "port")).collect();
    assert_eq!(ports, [53, 53]);
}

//! The steps by which `deploy/README.md` brings the suite onto a cluster: each finds what it needs.

use serde_yaml_ng::Value;

use super::kubernetes::{folder, manifests};
use super::{at, documents, list, read, root, text};

/// What an overlay has that is made before its other things.
const FIRST: (&str, &str) = ("app.kubernetes.io/component", "database");
/// Whose making cannot be taken back: a volume does not shrink, a bootstrap is done once, a backup goes where it was told.
const FOR_GOOD: [&str; 4] = ["Cluster", "Pooler", "ObjectStore", "ScheduledBackup"];

fn kustomization(place: &str) -> Value {
    documents(&read(&folder().join(place).join("kustomization.yaml"))).remove(0)
}

/// The folders that a folder's kustomization is made of, by their names.
fn parts(place: &str) -> Vec<String> {
    let kustomization = kustomization(place);
    let name = |part: &Value| text(part).rsplit('/').next().unwrap().to_owned();
    list(at(&kustomization, "resources")).iter().map(name).collect()
}

#[test]
fn databases_are_made_by_the_overlay_that_says_how_large_they_are_and_where_their_backups_go() {
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

    let labels = list(at(&kustomization("databases"), "labels"))[0].clone();
    assert_eq!(at(&labels, "pairs").get(key).map(text), Some(value));
    // Those of `postgres` are made through `databases`.
    for path in manifests().into_iter().filter(|path| !path.starts_with(folder().join("postgres"))) {
        for object in documents(&read(&path)) {
            let is_labelled = at(&object, "metadata.labels").get(key).is_some_and(|it| it == value);
            let is_for_good = FOR_GOOD.contains(&text(at(&object, "kind")));
            assert_eq!(is_labelled, is_for_good, "{}: {:?}", path.display(), at(&object, "metadata.name"));
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
#[test]
fn names_are_found_before_the_first_pod_starts() {
    assert!(parts("base").contains(&"namespace".to_owned()));
    let mut of_all = Vec::new();
    for path in manifests() {
        let objects = documents(&read(&path)).into_iter();
        let policies = objects.filter(|object| at(object, "kind") == "NetworkPolicy");
        let of_all_pods =
            policies.filter(|it| at(it, "spec.podSelector").as_mapping().is_some_and(|it| it.is_empty()));
        of_all.extend(of_all_pods.map(|policy| (path.clone(), policy)));
    }
    assert!(of_all.iter().all(|(path, _)| path.starts_with(folder().join("namespace"))), "{of_all:?}");
    let ports = of_all.iter().flat_map(|(_, policy)| list(at(policy, "spec.egress")));
    let ports: Vec<&Value> =
        ports.flat_map(|way| list(at(way, "ports"))).map(|port| at(port, "port")).collect();
    assert_eq!(ports, [53, 53]);
}

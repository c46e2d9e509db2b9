//! `deploy/kubernetes/gateway`: each public service is reached at its backend, and nothing else is.

use std::collections::BTreeMap;
use std::process::Command;

use serde_yaml_ng::Value;
use tempfile::TempDir;

use super::kubernetes::validator;
use super::kustomize::{Objects, PRODUCTION, name_of};
use super::{at, list, root, succeed, text};

/// What the resources are checked against: the oldest release that has all of them, as `deploy/README.md` says it.
const GATEWAY_API: &str = "1.4";
const GATEWAY_API_MODULE: &str = "sigs.k8s.io/gateway-api@v1.4.1";
/// The gateway, its two routes, and a policy for each service.
const RESOURCES: usize = 7;

/// The public services with the objects that serve them.
fn public_services() -> BTreeMap<String, String> {
    let names = proto::descriptor_pool().services().map(|service| service.full_name().to_owned());
    let public = names.filter(|name| !name.contains(".admin.") && !name.contains(".backend."));
    let backend = |name: &str| match name.split('.').nth(1).unwrap() {
        "common" => "dafnck-content".to_owned(),
        service => format!("dafnck-{service}"),
    };
    public.map(|name| (name.clone(), backend(&name))).collect()
}

/// What a route matches, with the backend.
fn routed(route: &Value, matched: impl Fn(&Value) -> String) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for rule in list(at(route, "spec.rules")) {
        let [backend] = list(at(rule, "backendRefs")) else { panic!("{rule:?}") };
        assert_eq!(at(backend, "port"), 50051);
        for one in list(at(rule, "matches")) {
            let former = found.insert(matched(one), text(at(backend, "name")).to_owned());
            assert_eq!(former, None, "{one:?} is there twice");
        }
    }
    found
}

#[tokio::test]
async fn each_public_service_is_routed_to_its_backend_and_nothing_else_is() {
    let objects = Objects::of(PRODUCTION).await;
    let grpc = routed(objects.get("GRPCRoute", "dafnck"), |one| text(at(one, "method.service")).to_owned());
    assert_eq!(grpc, public_services());
    let web = routed(objects.get("HTTPRoute", "dafnck"), |one| {
        assert_eq!(at(one, "path.type"), "PathPrefix");
        text(at(one, "path.value")).trim_start_matches('/').to_owned()
    });
    assert_eq!(web, public_services());
}

/// The gateway verifies the name that the certificate is for.
#[tokio::test]
async fn the_gateway_verifies_each_service() {
    let objects = Objects::of(PRODUCTION).await;
    let mut backends: Vec<_> = public_services().into_values().collect();
    backends.sort();
    backends.dedup();
    for backend in backends {
        objects.get("Service", &backend);
        let policy = objects.get("BackendTLSPolicy", &backend);
        assert_eq!(text(at(&list(at(policy, "spec.targetRefs"))[0], "name")), backend);
        let hostname = text(at(policy, "spec.validation.hostname"));
        let certificate = objects.get("Certificate", &backend);
        let names = list(at(certificate, "spec.dnsNames"));
        assert!(names.iter().any(|name| name == hostname), "{backend}: {names:?}");
    }
}

#[tokio::test]
async fn a_route_belongs_to_a_listener_of_its_kind_with_a_name_of_its_own() {
    let objects = Objects::of(PRODUCTION).await;
    let listeners = list(at(objects.get("Gateway", "dafnck"), "spec.listeners"));
    let mut hostnames = Vec::new();
    for kind in ["GRPCRoute", "HTTPRoute"] {
        let route = objects.get(kind, "dafnck");
        let parent = &list(at(route, "spec.parentRefs"))[0];
        assert_eq!(text(at(parent, "name")), name_of(objects.get("Gateway", "dafnck")));
        let listener = listeners.iter().find(|listener| at(listener, "name") == at(parent, "sectionName"));
        let listener = listener.unwrap();
        assert_eq!(text(at(&list(at(listener, "allowedRoutes.kinds"))[0], "kind")), kind);
        hostnames.push(text(at(listener, "hostname")));
    }
    assert_ne!(hostnames[0], hostnames[1]);
}

#[tokio::test]
async fn the_resources_fit_the_schemas_of_the_gateway_api() {
    let downloaded = Command::new("go")
        .args(["mod", "download", "-json", GATEWAY_API_MODULE])
        .current_dir(std::env::temp_dir())
        .output();
    let Some(module) = downloaded.ok().filter(|output| output.status.success()) else {
        eprintln!(
            "WARNING: Go cannot fetch {GATEWAY_API_MODULE}: the schemas of the Gateway API were NOT checked"
        );
        return;
    };
    let module: serde_json::Value = serde_json::from_slice(&module.stdout).unwrap();
    let definitions = format!("{}/config/crd/standard", module["Dir"].as_str().unwrap());
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("objects.yaml");
    std::fs::write(&file, Objects::of(PRODUCTION).await.text).unwrap();
    let script = root().join("services/dafnck/tests/deploy/validate_resources.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(definitions).arg(file).env("PYTHONPATH", validator().await);
    assert_eq!(succeed(&mut python).trim(), RESOURCES.to_string());
}

#[test]
fn the_readme_names_the_release_of_the_gateway_api() {
    let readme = super::read(&root().join("deploy/README.md"));
    assert!(readme.contains(&format!("Gateway API {GATEWAY_API} or newer")));
}

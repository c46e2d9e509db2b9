//! `deploy/kubernetes`: its network policies let pass what is called, at both ends, and nothing else.

use std::collections::BTreeMap;

use local_servers::suite::NAMES;
use serde_yaml_ng::Value;

use super::kustomize::{MIGRATE, Objects, PRODUCTION, pod_of, template_of};
use super::{at, entries, list, text};

/// What a pod is known by.
type Labels = BTreeMap<String, String>;

fn labels<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
    all.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn named(name: &str) -> Labels {
    labels([("app.kubernetes.io/name", name)])
}

/// Whether a selector of labels chooses a pod.
fn chooses(selector: &Value, pod: &Labels) -> bool {
    let equal =
        entries(at(selector, "matchLabels")).all(|(key, value)| pod.get(key).is_some_and(|it| value == it));
    equal
        && list(at(selector, "matchExpressions")).iter().all(|expression| {
            let value = pod.get(text(at(expression, "key")));
            match text(at(expression, "operator")) {
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                "In" => value.is_some_and(|it| list(at(expression, "values")).iter().any(|one| one == it)),
                other => panic!("{other} is not read here"),
            }
        })
}

#[derive(Clone, Copy)]
enum End {
    Out,
    In,
}

/// All policies of what is applied.
struct Network(Vec<Value>);

impl Network {
    async fn of(places: &[&'static str]) -> Self {
        let mut policies = Vec::new();
        for place in places {
            policies.extend(Objects::of(place).await.of_kind("NetworkPolicy").cloned());
        }
        Self(policies)
    }

    /// Whether a pod may speak to another one in the same namespace, as far as this end of the wire is asked.
    fn permits_end(&self, end: End, pod: &Labels, peer: &Labels, port: u64) -> bool {
        let (rules, peers) = match end {
            End::Out => ("spec.egress", "to"),
            End::In => ("spec.ingress", "from"),
        };
        let policies = self.0.iter().filter(|policy| chooses(at(policy, "spec.podSelector"), pod));
        let mut rules = policies.flat_map(|policy| list(at(policy, rules)));
        rules.any(|rule| {
            let is_peer = list(at(rule, peers)).iter().any(|it| {
                at(it, "namespaceSelector").is_null()
                    && it.get("podSelector").is_some_and(|it| chooses(it, peer))
            });
            is_peer && list(at(rule, "ports")).iter().any(|it| at(it, "port").as_u64() == Some(port))
        })
    }

    fn permits(&self, from: &Labels, to: &Labels, port: u64) -> bool {
        self.permits_end(End::Out, from, to, port) && self.permits_end(End::In, to, from, port)
    }
}

/// The pods behind a name that a program is given, by the objects that make them.
fn behind(host: &str) -> Option<Labels> {
    let service = host.split('.').next().unwrap();
    if let Some(service) = service.strip_prefix("dafnck-") {
        return Some(named(service));
    }
    if service.starts_with("redis-") {
        return Some(named("redis"));
    }
    if service.starts_with("postgres-pooler-") {
        return Some(labels([("cnpg.io/poolerName", service), ("cnpg.io/cluster", "of its service")]));
    }
    match service {
        "postgres-rw" => Some(labels([("cnpg.io/cluster", "of its service")])),
        "collector" => Some(named(service)),
        _ => None,
    }
}

/// Host and port of what is a URL into the cluster.
fn called(value: &str) -> Option<(Labels, u64)> {
    let place = value.split_once("://")?.1.split(['/', '?']).next()?;
    let place = place.rsplit('@').next()?.split(',').next()?;
    let (host, port) = place.rsplit_once(':')?;
    Some((behind(host)?, port.parse().ok()?))
}

#[tokio::test]
async fn whoever_is_given_an_address_is_let_through_to_it() {
    let network = Network::of(&[PRODUCTION, MIGRATE]).await;
    let mut arrows = 0;
    for place in [PRODUCTION, MIGRATE] {
        let objects = Objects::of(place).await;
        for (name, object) in objects.workloads() {
            let from = at(template_of(object), "metadata.labels");
            let from = labels(entries(from).map(|(key, value)| (key, text(value))));
            let own = from.get("app.kubernetes.io/name").cloned().unwrap_or_default();
            let given = objects.given(&list(at(pod_of(object), "containers"))[0]);
            for (variable, value) in given.values() {
                let Some((to, port)) = called(&value) else { continue };
                // Everybody is told where all are; who needs whom is in base/network.yaml.
                if own_or_unasked(&variable, &own) {
                    continue;
                }
                assert!(network.permits(&from, &to, port), "{name}: {variable} leads nowhere: {value}");
                arrows += 1;
            }
        }
    }
    assert!(arrows >= 6 * NAMES.len(), "only {arrows}");
}

/// Whether a service never calls the sibling that this variable names.
fn own_or_unasked(variable: &str, own: &str) -> bool {
    let asked: &[&str] = match own {
        "identity" => &["PROJECT"],
        "project" => &["IDENTITY", "TASK", "CONTENT"],
        "task" => &["IDENTITY", "PROJECT"],
        "content" => &["IDENTITY", "PROJECT", "TASK"],
        _ => return false,
    };
    let sibling = variable.trim_start_matches("DAFNCK_").trim_end_matches("_URL");
    NAMES.contains(&sibling.to_lowercase().as_str()) && !asked.contains(&sibling)
}

#[tokio::test]
async fn nothing_passes_unless_somebody_named_it() {
    let network = Network::of(&[PRODUCTION, MIGRATE]).await;
    let deny = network.0.iter().find(|policy| {
        let chosen = at(policy, "spec.podSelector").as_mapping();
        chosen.is_some_and(|it| it.is_empty()) && list(at(policy, "spec.policyTypes")).len() == 2
    });
    let deny = deny.expect("no policy chooses every pod, in both directions");
    assert!(at(deny, "spec.ingress").is_null() && at(deny, "spec.egress").is_null(), "{deny:?}");
    for service in NAMES {
        let from = named(service);
        for other in NAMES.into_iter().filter(|other| *other != service) {
            let pooler = behind(&format!("postgres-pooler-{other}")).unwrap();
            assert!(!network.permits(&from, &pooler, 5432), "{service} reaches the database of {other}");
        }
        let database = behind("postgres-rw").unwrap();
        assert!(!network.permits(&from, &database, 5432), "{service} reaches databases beside its pooler");
        assert!(!network.permits(&named("collector"), &from, 50051), "the collector calls {service}");
    }
    assert!(!network.permits(&named("maintain"), &named("redis"), 6379));
}

/// A client in such a network could give any address as its own.
#[tokio::test]
async fn no_network_larger_than_that_of_the_pods_is_trusted_as_a_proxy() {
    let objects = Objects::of(PRODUCTION).await;
    let trusted = text(at(objects.get("ConfigMap", "dafnck-suite"), "data.DAFNCK_TRUSTED_PROXIES"));
    for network in trusted.split(',') {
        let bits: u8 = network.rsplit_once('/').unwrap().1.parse().unwrap();
        assert!(bits >= 16, "{network}");
    }
}

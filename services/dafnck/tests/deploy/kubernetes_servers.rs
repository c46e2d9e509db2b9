//! `deploy/kubernetes`: what is promised of PostgreSQL and Redis.

use local_servers::suite::NAMES;
use serde_yaml_ng::Value;

use super::kustomize::{Objects, PRODUCTION, SECOND_REGION, name_of};
use super::{at, list, text};

const DAYS_KEPT: &str = "30d";
/// Longest time that a write may be in no archive.
const ARCHIVED_WITHIN: &str = "5min";

fn cluster<'a>(objects: &'a Objects, service: &str) -> &'a Value {
    objects.get("Cluster", &format!("postgres-{service}"))
}

#[tokio::test]
async fn each_service_has_a_cluster_of_its_own_that_survives_the_loss_of_a_machine() {
    let objects = Objects::of(PRODUCTION).await;
    assert_eq!(objects.of_kind("Cluster").count(), NAMES.len());
    for service in NAMES {
        let cluster = cluster(&objects, service);
        assert_eq!(*at(cluster, "spec.instances"), 3, "{service}");
        assert_eq!(*at(cluster, "spec.postgresql.synchronous.number"), 1, "{service}");
        let refused = list(at(cluster, "spec.postgresql.pg_hba"));
        assert_eq!(refused.first().map(text), Some("hostnossl all all all reject"), "{service}");
    }
}

#[tokio::test]
async fn any_moment_of_thirty_days_can_be_restored() {
    let objects = Objects::of(PRODUCTION).await;
    for service in NAMES {
        let cluster = cluster(&objects, service);
        let name = name_of(cluster);
        let archiver = list(at(cluster, "spec.plugins")).iter().find(|it| *at(it, "isWALArchiver") == true);
        let store = archiver.map(|it| text(at(it, "parameters.barmanObjectName")));
        let store = objects.get("ObjectStore", store.expect("nobody takes the log"));
        assert_eq!(text(at(store, "spec.retentionPolicy")), DAYS_KEPT, "{name}");
        assert_eq!(
            text(at(cluster, "spec.postgresql.parameters.archive_timeout")),
            ARCHIVED_WITHIN,
            "{name}"
        );
        let is_its = |backup: &&Value| text(at(backup, "spec.cluster.name")) == name;
        let nightly = objects.of_kind("ScheduledBackup").find(is_its).expect("no backup is scheduled");
        assert_eq!(text(at(nightly, "spec.schedule")), "0 0 2 * * *", "{name}");
    }
}

#[tokio::test]
async fn poolers_keep_no_connection_beyond_a_transaction() {
    let objects = Objects::of(PRODUCTION).await;
    for service in NAMES {
        let pooler = objects.get("Pooler", &format!("postgres-pooler-{service}"));
        assert_eq!(text(at(pooler, "spec.cluster.name")), format!("postgres-{service}"));
        assert_eq!(text(at(pooler, "spec.pgbouncer.poolMode")), "transaction");
        assert_ne!(text(at(pooler, "spec.pgbouncer.parameters.max_prepared_statements")), "0");
        let number = |object, way| at(object, way).as_str().unwrap().parse::<u64>().unwrap();
        let pool = number(pooler, "spec.pgbouncer.parameters.default_pool_size");
        let most = number(cluster(&objects, service), "spec.postgresql.parameters.max_connections");
        // Two roles of each service; some are left for operators, replicas and monitoring.
        let used = 2 * pool * at(pooler, "spec.instances").as_u64().unwrap();
        assert!(used + 20 <= most, "{used} of {most}");
    }
}

/// Each follows its own namesake in the first region, and nobody works there until somebody takes over.
#[tokio::test]
async fn the_second_region_follows_and_waits() {
    let objects = Objects::of(SECOND_REGION).await;
    for service in NAMES {
        let cluster = cluster(&objects, service);
        assert_eq!(*at(cluster, "spec.replica.enabled"), true, "{service}");
        let source = text(at(cluster, "spec.replica.source"));
        assert_eq!(text(at(cluster, "spec.bootstrap.recovery.source")), source);
        let origin = list(at(cluster, "spec.externalClusters")).iter().find(|it| at(it, "name") == source);
        let parameters = at(origin.expect("no such origin"), "plugin.parameters");
        assert_eq!(text(at(parameters, "serverName")), name_of(cluster));
        let store = |name| at(objects.get("ObjectStore", name), "spec.configuration.destinationPath").clone();
        let own = text(at(&list(at(cluster, "spec.plugins"))[0], "parameters.barmanObjectName"));
        assert_ne!(store(text(at(parameters, "barmanObjectName"))), store(own), "it writes where it reads");
        let deployment = objects.get("Deployment", &format!("dafnck-{service}"));
        assert_eq!(*at(deployment, "spec.replicas"), 0, "{service} has pods");
    }
    assert!(objects.of_kind("CronJob").all(|job| *at(job, "spec.suspend") == true));
}

#[tokio::test]
async fn redis_has_a_replica_for_each_master() {
    let objects = Objects::of(PRODUCTION).await;
    let redis = objects.get("StatefulSet", "redis");
    assert_eq!(*at(redis, "spec.replicas"), 6);
    let budget = objects.get("PodDisruptionBudget", "redis");
    assert_eq!(*at(budget, "spec.maxUnavailable"), 1);
}

//! `deploy/kubernetes/upkeep`: the very command lines of its CronJobs, as processes.

use crate::harness::{bucket_options, harness};
use ::content::storage::StorageOptions;
use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use local_servers::{DataDirectory, LocalOptions, LocalServers};
use testkit::{Bucket, RedisTopology, Topology};

use super::kustomize::{ContainerCommand, MIGRATE, Objects, PRODUCTION};
use super::{at, list, root, text};
use crate::dafnck::{CommandOutput, dafnck};

const TIMEOUT: Duration = Duration::from_secs(60);
/// As whom the jobs reach PostgreSQL.
const ROLE: &str = "cluster_admin";

/// Runs a job of the clock as `dafnck`, with these in the place of what only a cluster has.
async fn run(given: &ContainerCommand, instead: &[(&str, &str)]) -> CommandOutput {
    let is_given = |name: &str| given.variables.iter().any(|(variable, _)| variable == name);
    for (name, _) in instead {
        assert!(is_given(name), "{:?} is not given {name}", given.words);
    }
    let words: Vec<&str> = given.words.iter().map(String::as_str).collect();
    dafnck(&words, instead).await
}

/// A bare PostgreSQL.
async fn bare_cluster() -> LocalServers {
    let options = LocalOptions {
        cache: root().join(".local/cache"),
        data: DataDirectory::TemporaryDurable,
        postgres_port: None,
        redis_port: None,
        postgres_bin: None,
        redis_bin: None,
        certificates: None,
    };
    local_servers::start(options, |step| eprintln!("{step}")).await.unwrap()
}

/// The URL of a database of its own for a service, made as CloudNativePG is told to: the role that the jobs run as is no
/// superuser.
async fn database_in(cluster: &LocalServers, service: &str) -> String {
    let objects = Objects::of(PRODUCTION).await;
    let made = at(objects.get("Cluster", &format!("postgres-{service}")), "spec.bootstrap.initdb");
    let url = |database: &str| cluster.postgres.admin_url(database);
    let connect = async |database: &str| shared::database::connect(&url(database)).await.unwrap();
    // The superuser of the test has the name already.
    let named = |statement: &str| statement.replace(text(at(made, "owner")), ROLE);
    let mut conn = connect("postgres").await;
    conn.batch_execute(&format!("CREATE ROLE {ROLE} LOGIN PASSWORD 'secret'")).await.unwrap();
    conn.batch_execute(&format!("CREATE DATABASE {service} OWNER {ROLE}")).await.unwrap();
    for statement in list(at(made, "postInitSQL")) {
        conn.batch_execute(&named(text(statement))).await.unwrap();
    }
    let mut conn = connect(service).await;
    for statement in list(at(made, "postInitApplicationSQL")) {
        conn.batch_execute(&named(text(statement))).await.unwrap();
    }
    let url = url(service);
    let (_, place) = url.expose().split_once('@').unwrap();
    format!("postgres://{ROLE}:secret@{place}")
}

#[tokio::test]
async fn maintenance_and_the_doctor_run_as_the_clusters_role_also_twice_and_at_once() {
    let cluster = bare_cluster().await;
    let url = database_in(&cluster, "task").await;
    let migrate = Objects::of(MIGRATE).await.job("migrate-task");
    let ran = run(
        &migrate,
        &[("DAFNCK_ADMIN_URL", &url), ("DAFNCK_ROLE_PASSWORDS", "task_service:secret,task_worker:secret")],
    )
    .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let objects = Objects::of(PRODUCTION).await;
    let maintain = objects.job("maintain-task");
    let instead = [("DAFNCK_ADMIN_URL", url.as_str())];
    let (one, other) = tokio::join!(run(&maintain, &instead), run(&maintain, &instead));
    assert_eq!((one.code, other.code), (Some(0), Some(0)), "{one:?} {other:?}");
    for job in ["measure", "analyze", "reindex"] {
        let left = format!("task {job}: not due\n");
        assert_eq!(
            [&one, &other].iter().filter(|ran| ran.out.contains(&left)).count(),
            1,
            "{one:?} {other:?}"
        );
    }
    let again = run(&maintain, &instead).await;
    assert_eq!((again.code, again.out.matches(": not due\n").count()), (Some(0), 3), "{again:?}");

    let suite = harness().start_in(Topology { redis: RedisTopology::Cluster, ..Topology::default() }).await;
    let instead = [
        ("DAFNCK_ADMIN_URL", url.as_str()),
        ("DAFNCK_REDIS_URL", suite.options.redis_url.expose()),
        ("DAFNCK_IDENTITY_URL", &suite.siblings.identity_url),
        ("DAFNCK_PROJECT_URL", &suite.siblings.project_url),
        ("DAFNCK_TASK_URL", &suite.siblings.task_url),
        ("DAFNCK_CONTENT_URL", &suite.siblings.content_url),
    ];
    let ready = async { while !dafnck::health::all_ready(&suite.siblings, None).await {} };
    tokio::time::timeout(TIMEOUT, ready).await.expect("the services become ready");
    let ran = run(&objects.job("doctor-task"), &instead).await;
    assert!(
        matches!(ran.code, Some(0 | 1)),
        "nothing is critical, and everything could be looked at: {ran:?}"
    );
    for check in ["redis", "migrations", "maintenance"] {
        assert!(
            ran.out.lines().any(|line| line.starts_with(&format!("ok        {check} "))),
            "{check}: {ran:?}"
        );
    }
}

#[tokio::test]
async fn attachments_are_kept_by_the_cron_jobs_between_two_buckets() {
    let bucket = Bucket::start().await;
    let endpoint = bucket.endpoint();
    let suite = harness()
        .start_with(|options| options.own_mut::<StorageOptions>().bucket = bucket_options(&bucket))
        .await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    crate::files::upload(&olga, &project, "up").await;
    let account = |place: &'static str| {
        ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"].map(move |name| format!("DAFNCK_{place}_{name}"))
    };
    let [store_id, store_key] = account("STORAGE");
    let [copy_id, copy_key] = account("COPY");
    let copies =
        [("DAFNCK_COPY_URL", "s3://files/copies"), (copy_id.as_str(), "id"), (copy_key.as_str(), "key")];
    let store =
        [("DAFNCK_STORAGE_URL", "s3://files/suite"), (store_id.as_str(), "id"), (store_key.as_str(), "key")];
    // AWS has no endpoint to name; the server of the test has.
    let objects = Objects::of(PRODUCTION).await;
    let run = async |name: &str, instead: &[(&str, &str)]| {
        let mut given = objects.job(name);
        for place in ["DAFNCK_STORAGE_ENDPOINT", "DAFNCK_COPY_ENDPOINT"] {
            given.variables.push((place.to_owned(), None));
        }
        run(&given, instead).await
    };
    let at_copies = [copies.as_slice(), &[("DAFNCK_COPY_ENDPOINT", &endpoint)]].concat();
    let at_both = [at_copies.as_slice(), &store, &[("DAFNCK_STORAGE_ENDPOINT", &endpoint)]].concat();

    let kept = run("files-sync", &at_both).await;
    assert_eq!(
        (kept.code, kept.out.as_str()),
        (Some(0), "1 copies; 1 new with 2 bytes, 0 repaired, 0 removed\n"),
        "{kept:?}"
    );
    let checked = run("files-check", &at_copies).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

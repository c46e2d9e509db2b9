//! `dafnck run --tls`, as a process, and what an operator does with a suite that speaks nothing but TLS, without saying so.

use serde_json::Value;
use testkit::Service;

use crate::dafnck::dafnck;
use crate::local_suite::Machine;

#[tokio::test]
async fn a_suite_that_speaks_nothing_but_tls_is_operated_like_any_other() {
    let mut machine = Machine::encrypted();
    let summary = machine.start("data").await;
    assert!(summary.contains("TLS, on loopback"), "{summary}");
    let how = format!("grpcurl -cacert {} ", machine.path("data/certificates/ca.pem").display());
    assert!(summary.contains(&how) && !summary.contains("-plaintext"), "{summary}");
    machine.register("data", "olga").await;

    let users = machine.run("data", &["user", "list"]).await;
    assert!(users.code == Some(0) && users.out.contains("olga"), "{users:?}");
    let exported = machine.path("export.jsonl");
    let export = machine.run("data", &["export", exported.to_str().unwrap()]).await;
    assert_eq!(export.code, Some(0), "{export:?}");
    let health = machine.run("data", &["health"]).await;
    assert_eq!((health.code, health.out.matches("ready").count()), (Some(0), 4), "{health:?}");
    let maintained = machine.run("data", &["maintain", "--now"]).await;
    assert_eq!(maintained.code, Some(0), "{maintained:?}");
    let backed_up = machine.run("data", &["backup", "--json"]).await;
    assert_eq!((backed_up.code, backed_up.err.as_str()), (Some(0), ""), "{backed_up:?}");
    let report: Value = serde_json::from_str(&backed_up.out).unwrap();
    assert_eq!(report["made"]["id"], report["status"]["last_backup_id"]);
    let window = report["window"].as_array().unwrap();
    let into = machine.path("restored");
    let restore = ["restore", "--at", "latest", "--into", into.to_str().unwrap(), "--dry-run", "--json"];
    let dry = machine.run("data", &restore).await;
    let plan: Value = serde_json::from_str(&dry.out).unwrap();
    assert_eq!((dry.code, &plan["base_backup"]), (Some(0), &report["made"]["id"]), "{dry:?}");
    assert!(window.len() == 2 && !into.exists(), "{window:?}");
    let well = machine.run("data", &["doctor"]).await;
    for check in ["task is ready at https://", "8 roles can use the database", "operator.pem ends"] {
        assert!(well.out.contains(check), "{check}: {well:?}");
    }
    assert_ne!(well.code, Some(2), "{well:?}");

    for (what, url) in [("plain text", "http"), ("an unknown authority", "https")] {
        let url = machine.url(Service::Identity).replacen("http", url, 1);
        let refused = dafnck(&["health", "--url", &url], &[]).await;
        assert_eq!(refused.code, Some(1), "{what}: {refused:?}");
    }
    machine.stop().await;
}

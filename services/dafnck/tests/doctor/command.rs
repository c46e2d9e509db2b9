//! `dafnck doctor` as a process: how it ends, and what scripts read.

use crate::harness::harness;
use serde_json::Value;

use super::{Fixture, certificate};
use crate::dafnck::{CommandOutput, dafnck};

/// Looks at a suite with these arguments on top.
async fn doctor(fixture: &Fixture, arguments: &[&str]) -> CommandOutput {
    // What ran until now was slow if the machine was busy, which is nobody's illness.
    fixture.change("SELECT pg_stat_statements_reset()").await;
    let urls = &fixture.places.siblings;
    let variables = [
        ("DAFNCK_ADMIN_URL", fixture.suite.admin_url.expose()),
        ("DAFNCK_REDIS_URL", fixture.places.redis_url.expose()),
        ("DAFNCK_IDENTITY_URL", &urls.identity_url),
        ("DAFNCK_PROJECT_URL", &urls.project_url),
        ("DAFNCK_TASK_URL", &urls.task_url),
        ("DAFNCK_CONTENT_URL", &urls.content_url),
    ];
    dafnck(&[&["doctor"], arguments].concat(), &variables).await
}

/// Levels and checks of the list that it prints.
fn findings(ran: &CommandOutput) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let list = report["findings"].as_array().unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    for finding in list {
        assert!(!text(finding, "message").is_empty());
        assert_eq!(finding["hint"].is_string(), finding["level"] != "ok", "{finding}");
    }
    let levels = ["ok", "note", "warning", "critical"].map(Value::from);
    let position = |level: &Value| levels.iter().position(|known| known == level).unwrap();
    let worst = list.iter().map(|finding| position(&finding["level"])).max().unwrap();
    assert_eq!(worst, position(&report["level"]), "{report}");
    list.iter().map(|finding| (text(finding, "level"), text(finding, "check"))).collect()
}

#[tokio::test]
async fn a_healthy_suite_ends_it_with_0() {
    let fixture = Fixture::of(harness().start_durable().await).await;
    let ran = doctor(&fixture, &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (well, other): (Vec<&str>, _) = ran.out.lines().partition(|line| line.starts_with("ok        "));
    assert!(well.len() > 10, "{ran:?}");
    let [note, hint] = other.as_slice() else { panic!("{ran:?}") };
    assert_eq!(*note, "note      backup              not looked at: nobody said where it is");
    assert!(hint.trim_start().starts_with("-> give --backup-directory"), "{hint}");
    assert!(ran.out.contains("ok        redis               answers\n"), "{}", ran.out);
    let ran = doctor(&fixture, &["--json"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let mut noted = findings(&ran);
    noted.retain(|(level, _)| level != "ok");
    assert_eq!(noted, [("note".to_owned(), "backup".to_owned())]);
}

#[tokio::test]
async fn warnings_end_it_with_1_and_what_is_critical_with_2() {
    let fixture = Fixture::of(harness().start_durable().await).await;
    for (days, code, level) in [(20, 1, "warning"), (3, 2, "critical")] {
        let certificate = certificate(fixture.directory.path(), days);
        let arguments = ["--tls-certificate", certificate.to_str().unwrap()];
        let ran = doctor(&fixture, &[&arguments[..], &["--json"]].concat()).await;
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let mut found = findings(&ran);
        found.retain(|(level, _)| level != "ok" && level != "note");
        assert_eq!(found, [(level.to_owned(), "certificate".to_owned())]);
        let ran = doctor(&fixture, &arguments).await;
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.out.lines().any(|line| line.starts_with(level)), "{}", ran.out);
        assert!(ran.out.lines().any(|line| line.trim_start().starts_with("-> renew it")), "{}", ran.out);
    }
}

#[tokio::test]
async fn a_database_and_a_redis_that_do_not_answer_end_it_with_2() {
    let variables =
        [("DAFNCK_ADMIN_URL", "postgres://a@127.0.0.1:1/a"), ("DAFNCK_REDIS_URL", "redis://127.0.0.1:1")];
    let ran = dafnck(&["doctor", "--json"], &variables).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let found = findings(&ran);
    for check in ["database", "redis"] {
        assert!(found.contains(&("critical".to_owned(), check.to_owned())), "{found:?}");
    }
}

#[tokio::test]
async fn who_does_not_say_where_to_look_gets_2_too_and_nothing_to_read() {
    let nowhere = dafnck(&["doctor", "--json", "--data-directory", "/no/such/directory"], &[]).await;
    assert_eq!((nowhere.code, nowhere.out.as_str()), (Some(2), ""));
    assert!(nowhere.err.contains("give --admin-url and --redis-url, or --data-directory"), "{nowhere:?}");
    let unknown = dafnck(&["doctor", "--sick"], &[]).await;
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(2), ""));
    assert!(unknown.err.contains("unexpected argument '--sick'"), "{unknown:?}");
}

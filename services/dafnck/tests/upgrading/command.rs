//! `dafnck migrate` as a process: what it says of a database, and how it ends.

use crate::harness::harness;
use diesel_async::SimpleAsyncConnection;
use testkit::{Topology, create_empty_database};

use crate::dafnck::{CommandOutput, dafnck};

const NOBODY: &str = "00000000-0000-7000-8000-0000000000cc";

async fn migrate(url: &str, arguments: &[&str]) -> CommandOutput {
    dafnck(&[&["migrate"], arguments].concat(), &[("DAFNCK_ADMIN_URL", url)]).await
}

/// What it said, when it ended well.
async fn said(url: &str, arguments: &[&str]) -> String {
    let ran = migrate(url, arguments).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    ran.out
}

#[tokio::test]
async fn rows_in_the_way_are_named_and_end_it_with_1_until_they_are_mended() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let url = suite.admin_url.expose();
    let olga = suite.guest("olga").await;
    let task = olga.task(&olga.project("apollo").await, "buy milk").await;
    assert_eq!(said(url, &["check"]).await, "nothing is in the way\n");
    let down = ["down", "--set", "references", "--to", "0", "--yes"];
    let dry = said(url, &[&down[..], &["--dry-run"]].concat()).await;
    assert!(dry.starts_with("references: would take back 1, then at version 0"), "{dry}");
    assert_eq!(
        said(url, &down).await,
        "references: took back 1, now at version 0; the list of its migrations and the roles stay\n"
    );
    let dry = said(url, &["up", "--dry-run", "--json"]).await;
    let applied = r#"{"dry_run":true,"applied":["references/0001_foreign_keys"],"role_passwords_set":false}"#;
    assert_eq!(dry.trim_end(), applied);
    let status = said(url, &["status"]).await;
    assert!(status.ends_with("references: 0 of 1 applied\n  missing: 0001_foreign_keys\n"), "{status}");
    let orphan = format!("UPDATE task.tasks SET assignee_id = '{NOBODY}'");
    suite.admin().await.batch_execute(&orphan).await.unwrap();

    let checked = migrate(url, &["check"]).await;
    let refused = migrate(url, &["up"]).await;

    let row = format!("task.tasks {}: assignee_id {NOBODY} is not in identity.users", task.id);
    let sentence = format!("references/0001_foreign_keys: rows are in its way:\n  {row}\n");
    assert_eq!((checked.code, checked.out), (Some(1), sentence));
    assert_eq!(checked.err, "dafnck: mend the rows, then migrate\n");
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    assert!(refused.err.starts_with("dafnck: ") && refused.err.contains(&row), "{refused:?}");

    suite.admin().await.batch_execute("UPDATE task.tasks SET assignee_id = NULL").await.unwrap();
    let free = said(url, &["check"]).await;
    assert_eq!(free, "references/0001_foreign_keys: no row is in its way\nnothing is in the way\n");
    assert_eq!(said(url, &["up"]).await, "migrations applied: 1\n");
    assert_eq!(said(url, &["up"]).await, "migrations applied: 0\n");
}

#[tokio::test]
async fn a_new_database_is_checked_before_there_is_anything_in_it() {
    let url = create_empty_database().await;
    let told = said(url.expose(), &["check"]).await;
    let step = "references/0001_foreign_keys";
    assert!(told.contains(&format!("{step}: can be asked after the steps before it\n")), "{told}");
    assert!(told.ends_with("nothing is in the way\n"), "{told}");
    let told = said(url.expose(), &["up", "--set", "task"]).await;
    assert!(told.starts_with("migrations applied: "), "{told}");
    let status = said(url.expose(), &["status"]).await;
    assert!(status.contains("identity: 0 of "), "{status}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_what_to_do() {
    let no_url = dafnck(&["migrate", "status", "--data-directory", "/no/such/directory"], &[]).await;
    assert_eq!((no_url.code, no_url.out.as_str()), (Some(1), ""));
    assert!(no_url.err.starts_with("dafnck: give --admin-url "), "{no_url:?}");
    let apart =
        migrate("postgres://a@127.0.0.1:1/{service}", &["down", "--set", "references", "--to", "0"]).await;
    assert_eq!(apart.code, Some(1));
    assert!(apart.err.contains("there are no foreign keys between services"), "{apart:?}");
    let away = migrate("postgres://a:secret@127.0.0.1:1/a", &["check"]).await;
    assert_eq!((away.code, away.out.as_str()), (Some(1), ""));
    assert!(!away.err.is_empty() && !away.err.contains("secret"), "{away:?}");
    let unknown = migrate("postgres://a@127.0.0.1:1/a", &["sideways"]).await;
    assert_eq!(unknown.code, Some(2));
    let negative = migrate("postgres://a@127.0.0.1:1/a", &["down", "--set", "task", "--to", "-1"]).await;
    assert_eq!(negative.code, Some(2), "{negative:?}");
}

//! Rows that a step cannot take are named before it begins, and it begins again once they are mended.

use crate::harness::harness;
use dafnck::services::REFERENCES;
use diesel_async::SimpleAsyncConnection;
use shared::migrate;
use testkit::{Topology, create_empty_database};

use super::next_release::NextRelease;
use super::rows::write;

const NOBODY: &str = "00000000-0000-7000-8000-0000000000cc";

#[tokio::test]
async fn rows_that_name_nothing_are_told_before_the_foreign_keys_come() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let mut admin = suite.admin().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    migrate::down(&suite.admin_url, &REFERENCES, 0).await.unwrap();
    let orphan = format!("UPDATE task.tasks SET assignee_id = '{NOBODY}' WHERE id = ");
    let task = olga.task(&project, "buy milk").await;
    admin.batch_execute(&format!("{orphan} '{}'", task.id)).await.unwrap();

    let asked = migrate::preflight(&suite.admin_url, &REFERENCES).await.unwrap();
    let refusal = format!("{:#}", migrate::up(&suite.admin_url, &REFERENCES).await.unwrap_err());

    let sentence = format!("task.tasks {}: assignee_id {NOBODY} is not in identity.users", task.id);
    assert_eq!(asked, [("0001_foreign_keys".to_owned(), Some(vec![sentence.clone()]))]);
    assert!(refusal.contains(&sentence) && refusal.contains("undone as a whole"), "{refusal}");

    admin.batch_execute("UPDATE task.tasks SET assignee_id = NULL").await.unwrap();
    assert_eq!(migrate::up(&suite.admin_url, &REFERENCES).await.unwrap(), 1);
}

#[tokio::test]
async fn rows_that_break_a_step_are_named_before_it_and_it_runs_once_they_are_mended() {
    let release = NextRelease::of(&task::MIGRATIONS);
    let url = create_empty_database().await;
    let migrations = release.set.migrations().unwrap();
    let limit = migrations.last().unwrap();
    migrate::up_to(&url, &release.set, limit.version - 1).await.unwrap();
    let mut conn = shared::database::connect(&url).await.unwrap();
    write(&mut conn, "task", &migrations[..migrations.len() - 1]).await;
    conn.batch_execute("UPDATE task.tasks SET effort = 101 WHERE title LIKE 'weld %'").await.unwrap();

    let asked = migrate::preflight(&url, &release.set).await.unwrap();
    let refusal = format!("{:#}", migrate::up(&url, &release.set).await.unwrap_err());

    let [(step, Some(rows))] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((step, rows.len()), (&limit.name, 1));
    assert!(
        rows[0].starts_with("task.tasks ") && rows[0].ends_with(": effort 101 is more than 100"),
        "{rows:?}"
    );
    assert!(refusal.contains(&rows[0]) && refusal.contains("undone as a whole"), "{refusal}");
    assert_eq!(migrate::applied(&url, &release.set).await.unwrap().len(), migrations.len() - 1);

    conn.batch_execute("UPDATE task.tasks SET effort = 100 WHERE effort > 100").await.unwrap();
    assert_eq!(migrate::up(&url, &release.set).await.unwrap(), 1);
}

#[tokio::test]
async fn a_pre_flight_that_asks_for_tables_to_come_waits_for_them() {
    let release = NextRelease::of(&task::MIGRATIONS);
    let url = create_empty_database().await;
    let limit = release.set.migrations().unwrap().pop().unwrap();
    assert_eq!(migrate::preflight(&url, &release.set).await.unwrap(), [(limit.name, None)]);
    migrate::up(&url, &release.set).await.unwrap();
    assert_eq!(migrate::preflight(&url, &release.set).await.unwrap(), []);
}

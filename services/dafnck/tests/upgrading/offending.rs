//! Rows that a step cannot take are named before it begins, and it begins again once they are mended.

use crate::harness::harness;
use dafnck::services::REFERENCES;
use diesel_async::SimpleAsyncConnection;
use shared::migrate;
use testkit::{Topology, empty_database};

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
async fn attachments_that_share_an_object_are_told_before_uploads_come() {
    let url = empty_database().await;
    migrate::up_to(&url, &content::MIGRATIONS, 5).await.unwrap();
    let mut conn = shared::database::connect(&url).await.unwrap();
    let two = format!(
        "INSERT INTO content.file_attachments (entity_type, entity_id, filename, original_filename, file_size, mime_type, \
         storage_path, uploader_id, project_id, sha256) SELECT 'project', '{NOBODY}', 'a', 'a', n, 'text/plain', 'same', \
         '{NOBODY}', '{NOBODY}', repeat('a', 64) FROM generate_series(1, 2) n"
    );
    conn.batch_execute(&two).await.unwrap();

    let refusal = format!("{:#}", migrate::up(&url, &content::MIGRATIONS).await.unwrap_err());

    assert!(refusal.contains("storage_path same is also that of"), "{refusal}");
    assert!(refusal.contains("with the same sha256"), "{refusal}");
    assert_eq!(migrate::applied(&url, &content::MIGRATIONS).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_pre_flight_that_asks_for_tables_to_come_waits_for_them() {
    let url = empty_database().await;
    let asked = migrate::preflight(&url, &content::MIGRATIONS).await.unwrap();
    assert_eq!(asked, [("0006_uploads".to_owned(), None)]);
    migrate::up(&url, &content::MIGRATIONS).await.unwrap();
    assert_eq!(migrate::preflight(&url, &content::MIGRATIONS).await.unwrap(), []);
}

//! Lists of one project read what their page has, whatever the statistics say.

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use local_servers::suite::Role;
use testkit::*;

use crate::bulk_rows::insert_tasks;
use crate::fixtures::*;
use crate::large_project::{ORDERS, middle_of};

const TASKS: usize = 5_000;
const PAGE: i64 = 51;

#[derive(Debug, PartialEq, QueryableByName)]
struct Scan {
    #[diesel(sql_type = Text)]
    relation: String,
    #[diesel(sql_type = BigInt)]
    entries: i64,
}

/// The index that has each order.
fn index_of(order: &str) -> &'static str {
    match order {
        "created" => "task.idx_tasks_project_newest",
        "updated" => "task.idx_tasks_project_updated",
        "rank" => "task.idx_tasks_project_rank",
        "priority" => "task.idx_tasks_project_urgency",
        "start" => "task.idx_tasks_project_start",
        "due" => "task.idx_tasks_project_due",
        "title" => "task.idx_tasks_project_title",
        "number" => "task.tasks_project_number_key",
        _ => unreachable!("{order}"),
    }
}

#[tokio::test]
async fn every_order_walks_its_index_in_a_project_that_has_just_been_filled() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    // The statistics are those of an empty table.
    suite.execute("ALTER TABLE task.tasks SET (autovacuum_enabled = off); ANALYZE task.tasks").await;
    insert_tasks(suite, project, &[olga.id, mia.id], TASKS).await;
    for (order, key) in ORDERS {
        for descending in [false, true] {
            for middle in [false, true] {
                let after =
                    if middle { middle_of(suite, project, key).await } else { "NULL, NULL".to_owned() };
                // These read the rows by the ids of the page.
                let function = match order {
                    "priority" | "start" | "due" | "title" => "list_project_task_ids",
                    _ => "list_project_tasks",
                };
                let page =
                    format!("task.{function}('{}', '{order}', {descending}, {after}, {PAGE})", project.id);
                let scans = scans_of(suite, olga, &page).await;
                let [Scan { relation, entries }] = &scans[..] else {
                    panic!("{order}, descending {descending}, from the middle {middle}: {scans:?}")
                };
                assert_eq!(relation, index_of(order));
                // Tasks that were updated have an old entry as well.
                assert!((PAGE..=2 * PAGE).contains(entries), "{order}, {descending}, {middle}: {entries}");
            }
        }
    }
}

/// The scans of tasks and their indexes that a page needs, with the entries that each reads. The server counts them for a
/// connection, so each page has its own.
async fn scans_of(suite: &Suite, who: &Actor, page: &str) -> Vec<Scan> {
    let mut conn = suite.connect_as(Role::requests_of(task::NAME)).await;
    conn.batch_execute(&format!("BEGIN; SET LOCAL app.current_user_id = '{}'", who.id)).await.unwrap();
    let found = sql_query(format!("SELECT * FROM {page}")).execute(&mut conn).await.unwrap();
    assert_eq!(found as i64, PAGE);
    let scans = sql_query(
        "SELECT r.oid::regclass::text AS relation, pg_stat_get_xact_tuples_returned(r.oid) AS entries \
         FROM (SELECT indexrelid AS oid FROM pg_index WHERE indrelid = 'task.tasks'::regclass \
             UNION ALL SELECT 'task.tasks'::regclass) r \
         WHERE pg_stat_get_xact_numscans(r.oid) > 0",
    );
    scans.load(&mut conn).await.unwrap()
}

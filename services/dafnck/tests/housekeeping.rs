//! What is old is forgotten, and nothing else.

use crate::harness::harness;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use local_servers::suite::Role;
use shared::config::DatabaseOptions;
use shared::database::Database;
use shared::{change_log, housekeeping};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[tokio::test]
async fn old_changes_and_request_ids_are_forgotten_and_the_horizon_moves() {
    let suite = harness().start().await;
    let mut admin = suite.admin_of("task").await;
    let key = "INSERT INTO task.idempotency_keys SELECT gen_random_uuid(), 'CreateTask', gen_random_uuid(), '\\x00', \
               gen_random_uuid(), now() - age FROM unnest(ARRAY[interval '25 hours', interval '1 hour']) age;";
    let change = "INSERT INTO task.change_log (changed_at, entity, entity_id, operation) \
                  SELECT now() - age, 'tasks', gen_random_uuid(), 'delete' \
                  FROM unnest(ARRAY[interval '31 days', interval '1 day']) age;";
    admin.batch_execute(key).await.unwrap();
    admin.batch_execute(change).await.unwrap();
    let worker =
        Database::new(&suite.options.url_of(Role::work_of("task")), &DatabaseOptions::default(), 1).unwrap();

    housekeeping::delete_expired(&worker, "task").await.unwrap();

    for table in ["idempotency_keys", "change_log"] {
        let left: Count = sql_query(format!("SELECT count(*) AS count FROM task.{table}"))
            .get_result(&mut admin)
            .await
            .unwrap();
        assert_eq!(left.count, 1, "{table}");
    }
    assert!(change_log::horizon(&admin, "task").await.unwrap() > change_log::Cursor::default());
}

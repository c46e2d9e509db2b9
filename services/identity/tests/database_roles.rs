//! What no role may read, and what a stranger does not see.

use crate::harness::harness;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use local_servers::suite::Role;
use testkit::*;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

async fn count(conn: &mut AsyncPgConnection, table: &str) -> i64 {
    let query = sql_query(format!("SELECT count(*) FROM identity.{table}"));
    query.get_result::<Count>(conn).await.unwrap().count
}

#[tokio::test]
async fn no_role_reads_password_hashes_or_refresh_tokens() {
    // In one database: into one of identity's own the other services do not come at all.
    let suite = harness().start_in(Topology::PLAIN).await;
    let secrets = [
        "SELECT password_hash FROM identity.users",
        "SELECT * FROM identity.users",
        "SELECT refresh_token FROM identity.user_sessions",
        "SELECT length(password_hash) FROM identity.users WHERE password_hash LIKE '$argon2%'",
        "UPDATE identity.users SET first_name = password_hash",
        "SELECT code_hash FROM identity.account_codes",
    ];
    for role in Role::ALL {
        let mut conn = suite.connect_as(role).await;
        for statement in secrets {
            let refused = conn.batch_execute(statement).await.unwrap_err().to_string();
            assert!(refused.contains("permission denied"), "{}: {statement}: {refused}", role.name());
        }
    }
}

#[tokio::test]
async fn row_security_hides_the_rows_of_others() {
    let suite = harness().start().await;
    let [olga, _gus] = suite.guests(["olga", "gus"]).await;
    let mut conn = suite.connect_as(Role::requests_of("identity")).await;
    let rows_as = async |conn: &mut AsyncPgConnection, user: &str| {
        conn.batch_execute(&format!("SET app.current_user_id = '{user}'")).await.unwrap();
        [count(conn, "users").await, count(conn, "user_profiles").await, count(conn, "user_sessions").await]
    };
    assert_eq!(rows_as(&mut conn, "").await, [0, 0, 0]);
    assert_eq!(rows_as(&mut conn, &new_id()).await, [0, 0, 0]);
    assert_eq!(rows_as(&mut conn, &olga.id.to_string()).await, [1, 1, 1]);
}

#[tokio::test]
async fn the_database_and_its_log_contain_no_password_or_token() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut conn = suite.admin().await;
    let everything = "SELECT t::text AS line FROM identity.users t \
        UNION ALL SELECT t::text FROM identity.user_sessions t \
        UNION ALL SELECT t::text FROM identity.change_log t \
        UNION ALL SELECT t::text FROM identity.idempotency_keys t";
    let lines: Vec<Line> = sql_query(everything).load(&mut conn).await.unwrap();
    assert!(lines.len() >= 5);
    for Line { line } in lines {
        for secret in [&olga.password, olga.session_token.as_ref().unwrap(), &olga.refresh_token] {
            assert!(!line.contains(secret.as_str()), "{line}");
        }
    }
    let log: Vec<Line> =
        sql_query("SELECT t::text AS line FROM identity.change_log t").load(&mut conn).await.unwrap();
    assert!(log.iter().all(|row| !row.line.contains("argon2") && !row.line.contains("session_token")));
}

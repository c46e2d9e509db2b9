//! What the roles of the services may do, and that they can do nothing else.

mod forbidden;
mod siblings;

use crate::harness::harness;
use diesel::sql_types::{Integer, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use expect_test::expect_file;
use testkit::Topology;

const GRANTS: &str = include_str!("grants.sql");

#[derive(QueryableByName)]
struct Grant {
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Integer)]
    kind: i32,
    #[diesel(sql_type = Text)]
    thing: String,
    #[diesel(sql_type = Text)]
    what: String,
}

/// What came of a statement: `ok`, or the server's refusal.
async fn outcome(conn: &mut AsyncPgConnection, statement: &str) -> String {
    match conn.batch_execute(statement).await {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn every_privilege_of_a_role_is_in_the_table() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let grants: Vec<Grant> = sql_query(GRANTS).load(&mut suite.admin().await).await.unwrap();
    let mut table = String::new();
    let mut role = "";
    for grant in &grants {
        if grant.role != role {
            let gap = if role.is_empty() { "" } else { "\n" };
            role = &grant.role;
            table.push_str(&format!("{gap}{role}\n"));
        }
        let kind = if grant.kind == 2 { "function " } else { "" };
        table.push_str(&format!("  {kind}{}: {}\n", grant.thing, grant.what));
    }
    expect_file!["./grants.txt"].assert_eq(&table);
}

#[tokio::test]
async fn no_function_can_be_executed_by_everybody() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let open = "pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
                WHERE n.nspname IN ('identity', 'project', 'task', 'content') \
                AND has_function_privilege('public', p.oid, 'EXECUTE')";
    assert_eq!(suite.count(open).await, 0);
}

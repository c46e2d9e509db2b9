//! What would get around the rules of the database, tried by every role that signs in.

use crate::harness::harness;
use std::collections::BTreeMap;

use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use expect_test::expect_file;
use local_servers::suite::Role;

use super::outcome;

/// A table with row security in the schema of each service.
fn table_of(service: &str) -> &'static str {
    match service {
        "identity" => "identity.users",
        "project" => "project.projects",
        "task" => "task.tasks",
        _ => "content.documents",
    }
}

/// What is tried. `{role}`, `{schema}` and `{table}` stand for the role's own.
const ATTEMPTS: [&str; 32] = [
    "DROP TABLE {table}",
    "DROP SCHEMA {schema} CASCADE",
    "TRUNCATE {table}",
    "TRUNCATE {schema}.change_log",
    "ALTER TABLE {table} ADD COLUMN extra text",
    "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} OWNER TO {role}",
    "CREATE POLICY everything ON {table} USING (TRUE)",
    "CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {schema}.record_change()",
    "CREATE INDEX ON {table} (created_at)",
    "CREATE TABLE {schema}.mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION {schema}.mine() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE OR REPLACE FUNCTION {schema}.current_user_id() RETURNS uuid LANGUAGE sql RETURN NULL",
    "CREATE EXTENSION dblink",
    "SET ROLE dafnck_owner",
    "SET ROLE application_role; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "SET SESSION AUTHORIZATION dafnck_owner",
    "GRANT dafnck_owner TO {role}",
    "ALTER ROLE {role} BYPASSRLS",
    "ALTER ROLE {role} SUPERUSER",
    "CREATE ROLE mine LOGIN",
    "SET session_replication_role = replica",
    "SET row_security = off; SELECT FROM {table}",
    "INSERT INTO {schema}.change_log (entity, entity_id, operation) VALUES ('x', gen_random_uuid(), 'insert')",
    "UPDATE {schema}.change_log SET actor_id = NULL",
    "DELETE FROM {schema}.change_log",
    "COPY {table} TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
];

/// An attempt of a role, and the refusal with the role's own names left out, so that all roles' can be compared.
async fn try_as(conn: &mut AsyncPgConnection, database: &str, role: Role, attempt: &str) -> String {
    let (name, service) = (role.name(), role.service());
    let table = table_of(service);
    let names = [("{role}", name.as_str()), ("{schema}", service), ("{table}", table)];
    let statement = names.iter().fold(attempt.to_owned(), |text, (stands, name)| text.replace(stands, name));
    let refusal = outcome(conn, &statement).await;
    conn.batch_execute("RESET ALL; RESET ROLE").await.unwrap();
    let short = table.split('.').next_back().unwrap();
    let names = [("{database}", database), ("{table}", short), ("{schema}", service)];
    names.iter().fold(refusal, |text, (stands, name)| text.replace(name, stands))
}

#[tokio::test]
async fn no_role_of_a_service_gets_around_the_rules() {
    let suite = harness().start().await;
    let mut refusals = ATTEMPTS.map(|attempt| (attempt, BTreeMap::<String, Vec<String>>::new()));
    for role in Role::ALL {
        let mut conn = suite.connect_as(role).await;
        let name = role.name();
        let database = suite.options.databases.database_of(role.service(), &suite.options.database);
        for (attempt, by_refusal) in &mut refusals {
            let refusal = try_as(&mut conn, &database, role, attempt).await;
            assert_ne!(refusal, "ok", "{name}: {attempt}");
            by_refusal.entry(refusal).or_default().push(name.clone());
        }
    }
    let mut table = String::new();
    for (attempt, by_refusal) in refusals {
        table.push_str(&format!("{attempt}\n"));
        for (refusal, roles) in by_refusal {
            let who = if roles.len() == Role::ALL.len() { "all".to_owned() } else { roles.join(", ") };
            table.push_str(&format!("  {who}: {refusal}\n"));
        }
    }
    expect_file!["./refused.txt"].assert_eq(&table);
}

/// Granting what is not one's to grant is a warning in PostgreSQL, not an error: what counts is that nothing came of it.
#[tokio::test]
async fn nothing_comes_of_a_grant_by_a_role_of_a_service() {
    let suite = harness().start().await;
    for role in Role::ALL {
        let mut conn = suite.connect_as(role).await;
        let (name, service) = (role.name(), role.service());
        let table = table_of(service);
        outcome(&mut conn, &format!("GRANT ALL ON {table} TO PUBLIC")).await;
        let granted =
            "SELECT FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = 0 AND c.oid = $1::regclass";
        let granted = sql_query(granted)
            .bind::<Text, _>(table)
            .execute(&mut suite.admin_of(service).await)
            .await
            .unwrap();
        assert_eq!(granted, 0, "{name}");
    }
}

/// The seed's `application_role` signs in nowhere; what it may do by itself is nothing.
#[tokio::test]
async fn the_application_role_by_itself_may_nothing() {
    let suite = harness().start().await;
    for service in ["identity", "project", "task", "content"] {
        let mut admin = suite.admin_of(service).await;
        assert_eq!(outcome(&mut admin, "SET ROLE application_role").await, "ok");
        for attempt in
            ["SELECT FROM {}", "DROP TABLE {}", "TRUNCATE {}", "ALTER TABLE {} DISABLE ROW LEVEL SECURITY"]
        {
            let refusal = outcome(&mut admin, &attempt.replace("{}", table_of(service))).await;
            assert_eq!(refusal, format!("permission denied for schema {service}"), "{attempt}");
        }
        assert_eq!(outcome(&mut admin, "CREATE SCHEMA mine").await.split(' ').next(), Some("permission"));
    }
}

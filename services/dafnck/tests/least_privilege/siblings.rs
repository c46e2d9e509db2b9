//! A service's roles beside every table, column and function of the other services.

use crate::harness::harness;
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use local_servers::suite::Role;
use testkit::Topology;

use super::outcome;

/// A statement for every table and column of the services, and a call for every function.
const STATEMENTS: &str = "\
    WITH columns AS ( \
        SELECT n.nspname AS schema, format('%I.%I', n.nspname, c.relname) AS table, quote_ident(a.attname) AS column, \
               a.attnum AS place \
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname IN ('identity', 'project', 'task', 'content') AND c.relkind IN ('r', 'p', 'v', 'm') \
          AND a.attnum > 0 AND NOT a.attisdropped \
    ) \
    SELECT schema, unnest(ARRAY[ \
        format('SELECT %s FROM %s LIMIT 0', \"column\", \"table\"), \
        format('INSERT INTO %s (%s) VALUES (NULL)', \"table\", \"column\"), \
        format('UPDATE %s SET %s = NULL WHERE FALSE', \"table\", \"column\")]) AS statement FROM columns \
    UNION ALL SELECT schema, unnest(ARRAY[ \
        format('SELECT FROM %s LIMIT 0', \"table\"), format('INSERT INTO %s DEFAULT VALUES', \"table\"), \
        format('DELETE FROM %s WHERE FALSE', \"table\"), format('TRUNCATE %s', \"table\")]) \
        FROM columns WHERE place = 1 \
    UNION ALL SELECT n.nspname, format('SELECT %I.%I(%s)', n.nspname, p.proname, \
        (SELECT string_agg('NULL::' || format_type(t, NULL), ', ') FROM unnest(p.proargtypes) t)) \
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
        WHERE n.nspname IN ('identity', 'project', 'task', 'content')";

#[derive(QueryableByName)]
struct Attempt {
    #[diesel(sql_type = Text)]
    schema: String,
    #[diesel(sql_type = Text)]
    statement: String,
}

#[tokio::test]
async fn no_role_reaches_a_table_column_or_function_of_another_service() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let attempts: Vec<Attempt> = sql_query(STATEMENTS).load(&mut suite.admin().await).await.unwrap();
    assert!(attempts.len() > 1000, "{} statements", attempts.len());
    for role in Role::ALL {
        let mut conn = suite.connect_as(role).await;
        let name = role.name();
        let own = role.service();
        for Attempt { schema, statement } in attempts.iter().filter(|attempt| attempt.schema != own) {
            let refusal = outcome(&mut conn, statement).await;
            assert_eq!(refusal, format!("permission denied for schema {schema}"), "{name}: {statement}");
        }
    }
}

/// The foreign keys between the services are checked by the database itself: their schema is nobody's.
#[tokio::test]
async fn no_role_reads_the_ledgers_of_migrations() {
    let suite = harness().start_in(Topology::PLAIN).await;
    for role in Role::ALL {
        let mut conn = suite.connect_as(role).await;
        let name = role.name();
        let own = role.service();
        for schema in [own, "references"] {
            let refusal = outcome(&mut conn, &format!(r#"SELECT FROM "{schema}".schema_migrations"#)).await;
            assert!(refusal.starts_with("permission denied for"), "{name} in {schema}: {refusal}");
        }
    }
}

//! Our catalog beside the seed document's own SQL, item by item.

use crate::harness::harness;
use dafnck::services::{REFERENCES, migration_sets};
use std::collections::BTreeMap;

use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use expect_test::expect_file;
use shared::migrate;
use testkit::{Topology, create_empty_database};

const SCHEMAS: [&str; 4] = ["identity", "project", "task", "content"];
const SEED: &str = include_str!("seed.sql");
const ITEMS: &str = include_str!("items.sql");
const README: &str = include_str!("../../../../migrations/README.md");

pub type Catalog = BTreeMap<String, String>;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    item: String,
    #[diesel(sql_type = Text)]
    definition: String,
}

pub async fn catalog(conn: &mut AsyncPgConnection, schema: &str) -> Catalog {
    conn.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
    let rows: Vec<Row> = sql_query(ITEMS).load(conn).await.unwrap();
    rows.into_iter().map(|row| (row.item, row.definition)).collect()
}

async fn our_catalog(conn: &mut AsyncPgConnection) -> Catalog {
    let mut ours = Catalog::new();
    for schema in SCHEMAS {
        ours.extend(catalog(conn, schema).await);
    }
    ours
}

#[tokio::test]
async fn every_item_of_the_seed_is_there_or_its_difference_is_written_down() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let mut conn = suite.admin().await;
    let ours = our_catalog(&mut conn).await;
    conn.batch_execute("CREATE SCHEMA seed; SET search_path = seed").await.unwrap();
    conn.batch_execute(SEED).await.unwrap();
    let seed = catalog(&mut conn, "seed").await;
    assert!(seed.len() > 150, "the seed has {} items", seed.len());

    let mut differences = String::new();
    for (item, wanted) in &seed {
        if item.starts_with("grant ") {
            continue;
        }
        match ours.get(item) {
            Some(found) if found == wanted => continue,
            Some(found) => differences.push_str(&format!("{item}\n  seed: {wanted}\n  ours: {found}\n")),
            None => differences.push_str(&format!("{item}\n  seed: {wanted}\n  ours: missing\n")),
        }
        let name = item.split('(').next().unwrap().rsplit(['.', ' ']).next().unwrap();
        assert!(README.contains(name), "migrations/README.md gives no reason for {item}");
    }
    expect_file!["./differences.txt"].assert_eq(&differences);
}

#[tokio::test]
async fn every_table_of_a_tenant_is_under_row_security() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let ours = our_catalog(&mut suite.admin().await).await;
    let tables = ours.keys().filter_map(|item| item.strip_prefix("column ")?.split_once('.'));
    let unprotected: std::collections::BTreeSet<_> = tables
        .map(|(table, _)| table)
        .filter(|table| !ours.contains_key(&format!("row security {table}")))
        .collect();
    // Neither belongs to a tenant, and no role that serves requests may read them.
    assert_eq!(unprotected.into_iter().collect::<Vec<_>>(), ["change_log_horizon", "feed_positions"]);
}

#[tokio::test]
async fn autovacuum_comes_to_each_table_as_its_migration_says() {
    let suite = harness().start().await;
    let mut text = String::new();
    for schema in SCHEMAS {
        let items = catalog(&mut suite.admin_of(schema).await, schema).await;
        let settings = items.iter().filter_map(|(item, is)| Some((item.strip_prefix("storage ")?, is)));
        settings.for_each(|(table, is)| text.push_str(&format!("{schema}.{table}: {is}\n")));
    }
    expect_file!["./storage.txt"].assert_eq(&text);
}

#[tokio::test]
async fn up_down_up_leaves_the_same_catalog() {
    let url = create_empty_database().await;
    let mut conn = shared::database::connect(&url).await.unwrap();
    local_servers::prepare::migrate_all(&url, &migration_sets(), &REFERENCES).await.unwrap();
    let before = our_catalog(&mut conn).await;

    migrate::down(&url, &REFERENCES, 0).await.unwrap();
    for set in migration_sets() {
        migrate::down(&url, set, 0).await.unwrap();
    }
    assert_eq!(our_catalog(&mut conn).await, Catalog::new());

    local_servers::prepare::migrate_all(&url, &migration_sets(), &REFERENCES).await.unwrap();
    assert_eq!(our_catalog(&mut conn).await, before);
    assert_eq!(
        local_servers::prepare::migrate_all(&url, &migration_sets(), &REFERENCES).await.unwrap(),
        0,
        "a second run finds nothing to do"
    );
}

#[tokio::test]
async fn each_schema_works_alone_in_a_database_of_its_own() {
    for set in migration_sets() {
        let url = create_empty_database().await;
        let steps = migrate::up(&url, set).await.unwrap();
        assert_eq!(steps, migrate::applied(&url, set).await.unwrap().len());
        assert_eq!(migrate::down(&url, set, 0).await.unwrap(), steps);
    }
}

#[tokio::test]
async fn runners_at_the_same_time_wait_for_each_other() {
    let url = create_empty_database().await;
    let (a, b) = tokio::join!(migrate::up(&url, &task::MIGRATIONS), migrate::up(&url, &task::MIGRATIONS));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a.min(b) == 0 && a.max(b) > 0, "{a} and {b} steps");
}

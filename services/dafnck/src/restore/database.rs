//! The databases of a suite, whether it is one or four: where the schemas are, and what is in their tables.

use std::collections::BTreeMap;

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use local_servers::suite::NAMES;

/// How many rows a table has, and a number that changes with any of them, whatever their order.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Fingerprint {
    /// Rows.
    #[diesel(sql_type = BigInt)]
    pub rows: i64,
    /// Over all of them.
    #[diesel(sql_type = Text)]
    pub hash: String,
}

/// The fingerprint of each table, by its name with that of its schema.
pub type Tables = BTreeMap<String, Fingerprint>;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The databases of this server in which a service has its schema.
///
/// # Errors
/// When the server does not answer.
pub async fn databases<F, C>(connect: F) -> anyhow::Result<Vec<String>>
where
    F: Fn(String) -> C,
    C: Future<Output = anyhow::Result<AsyncPgConnection>>,
{
    let question =
        "SELECT datname::text AS name FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1";
    let all: Vec<Name> = sql_query(question).load(&mut connect("postgres".to_owned()).await?).await?;
    let mut ours = Vec::new();
    for Name { name } in all {
        if !schemas(&mut connect(name.clone()).await?).await?.is_empty() {
            ours.push(name);
        }
    }
    Ok(ours)
}

/// The services that have their schema here.
///
/// # Errors
/// When the server does not answer.
pub async fn schemas(conn: &mut AsyncPgConnection) -> anyhow::Result<Vec<String>> {
    let question = "SELECT nspname::text AS name FROM pg_namespace ORDER BY 1";
    let all: Vec<Name> = sql_query(question).load(conn).await?;
    Ok(all.into_iter().map(|schema| schema.name).filter(|name| NAMES.contains(&name.as_str())).collect())
}

/// The fingerprint of each table of our schemas, in all databases of this server.
///
/// # Errors
/// When the server does not answer.
pub async fn all_fingerprints<F, C>(connect: F) -> anyhow::Result<Tables>
where
    F: Fn(String) -> C,
    C: Future<Output = anyhow::Result<AsyncPgConnection>>,
{
    let mut tables = Tables::new();
    for name in databases(&connect).await? {
        tables.extend(fingerprints(&mut connect(name).await?).await?);
    }
    Ok(tables)
}

async fn fingerprints(conn: &mut AsyncPgConnection) -> anyhow::Result<Tables> {
    let mut found = BTreeMap::new();
    for schema in schemas(conn).await? {
        let question = "SELECT format('%I.%I', schemaname, relname) AS name FROM ( \
            SELECT n.nspname AS schemaname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = $1) AS tables ORDER BY 1";
        let tables: Vec<Name> = sql_query(question).bind::<Text, _>(schema).load(conn).await?;
        for Name { name } in tables {
            let question = format!(
                "SELECT count(*) AS rows, coalesce(sum(hashtextextended(r::text, 0)::numeric), 0)::text AS hash \
                 FROM {name} AS r"
            );
            found.insert(name, sql_query(question).get_result(conn).await?);
        }
    }
    Ok(found)
}

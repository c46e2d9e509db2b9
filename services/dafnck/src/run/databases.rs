//! The databases of the local suite: made, migrated, and closed to the services that they are not for.

use anyhow::bail;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use local_servers::LocalServers;
use shared::config::Secret;
use shared::database;

use crate::output::say;
use crate::paths::DATABASE;
use crate::services::{REFERENCES, migration_sets};
use local_servers::prepare;
use local_servers::role_passwords::RolePasswords;
use local_servers::suite::{DatabaseTopology, NAMES, Role};

/// Prepares one database or four. Data that is there in the other topology is never left behind silently.
pub(super) async fn prepare(
    topology: DatabaseTopology,
    servers: &LocalServers,
    role_passwords: &RolePasswords,
) -> anyhow::Result<()> {
    let url = |database: &str| servers.postgres.admin_url(database);
    refuse_other_topology(topology, &url("postgres")).await?;
    let mut steps = 0;
    match topology {
        DatabaseTopology::One => {
            create(DATABASE, &url("postgres")).await?;
            steps += prepare::migrate_all(&url(DATABASE), &migration_sets(), &REFERENCES).await?;
        }
        DatabaseTopology::Four => {
            for set in migration_sets() {
                let name = topology.database_of(set.name, DATABASE);
                create(&name, &url("postgres")).await?;
                steps += prepare::migrate_apart(&url(&name), set).await?;
            }
        }
    }
    for service in NAMES {
        count_statements(&url(&topology.database_of(service, DATABASE))).await?;
    }
    if steps > 0 {
        say(&format!("migrated the database: {steps} steps"));
    }
    prepare::set_passwords(&url("postgres"), role_passwords, &Role::ALL).await
}

/// What `dafnck doctor` tells slow statements by, where PostgreSQL brings it.
async fn count_statements(url: &Secret) -> anyhow::Result<()> {
    let mut conn = database::connect(url).await?;
    conn.batch_execute(
        "SET client_min_messages = warning; DO $$ BEGIN \
         IF EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements') THEN \
         CREATE EXTENSION IF NOT EXISTS pg_stat_statements; END IF; END $$",
    )
    .await?;
    Ok(())
}

async fn refuse_other_topology(topology: DatabaseTopology, admin_url: &Secret) -> anyhow::Result<()> {
    let (other, option) = match topology {
        DatabaseTopology::One => (DatabaseTopology::Four, "four"),
        DatabaseTopology::Four => (DatabaseTopology::One, "one"),
    };
    for service in NAMES {
        let name = other.database_of(service, DATABASE);
        if exists(&name, admin_url).await? {
            bail!(
                "the data directory holds the database `{name}`: start with --databases {option}, or move it \
                 (README, \"One database or four\")"
            );
        }
    }
    Ok(())
}

async fn exists(database: &str, admin_url: &Secret) -> anyhow::Result<bool> {
    let mut conn = database::connect(admin_url).await?;
    let found = sql_query("SELECT 1 FROM pg_database WHERE datname = $1").bind::<Text, _>(database);
    Ok(found.execute(&mut conn).await? > 0)
}

async fn create(database: &str, admin_url: &Secret) -> anyhow::Result<()> {
    if !exists(database, admin_url).await? {
        say(&format!("making the database `{database}`…"));
        let mut conn = database::connect(admin_url).await?;
        conn.batch_execute(&format!("CREATE DATABASE {database}")).await?;
    }
    Ok(())
}

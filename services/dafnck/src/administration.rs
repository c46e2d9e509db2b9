//! How the operator's commands reach the databases: where the options say, else those of the suite that `dafnck` runs on
//! this machine.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use diesel::sql_types::{Bool, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use local_servers::ConnectionInfo;
use shared::config::Secret;

use crate::paths::DATABASE;
use crate::suite_settings::SuiteSettings;
use local_servers::suite::NAMES;

/// Stands for the name of a service in a URL.
const SERVICE_PLACEHOLDER: &str = "{service}";

/// The databases, under a role that may do more than the services.
#[derive(Args, Clone, Debug)]
pub struct AdminOptions {
    /// PostgreSQL URL of a superuser or a member of dafnck_owner (and, to look everywhere, of pg_monitor), with `{service}`
    /// in it for services with databases of their own, as `postgres://admin@{service}-db/{service}`. Default: the suite that
    /// `dafnck` runs on the data directory
    #[arg(long, env = "DAFNCK_ADMIN_URL", hide_env_values = true)]
    pub admin_url: Option<Secret>,
    /// Data directory of the local suite.
    #[arg(from_global)]
    pub data_directory: PathBuf,
}

impl AdminOptions {
    /// Whether it is the suite that `dafnck` runs here.
    pub fn is_local(&self) -> bool {
        self.admin_url.is_none()
    }

    /// A URL for each database: one, or four.
    ///
    /// # Errors
    /// If there are neither options nor a local suite.
    pub fn urls(&self) -> anyhow::Result<Vec<Secret>> {
        let url = self.url_of_any()?;
        if is_of_each(&url) {
            return Ok(NAMES.map(|name| with_service(&url, name)).into());
        }
        Ok(vec![url])
    }

    /// The URL of the database that a service has its schema in.
    ///
    /// # Errors
    /// If there are neither options nor a local suite.
    pub fn url_of(&self, service: &str) -> anyhow::Result<Secret> {
        Ok(with_service(&self.url_of_any()?, service))
    }

    /// The URL of the one database, or that of any service's with the place of its name.
    ///
    /// # Errors
    /// If there are neither options nor a local suite.
    pub fn url_of_any(&self) -> anyhow::Result<Secret> {
        if let Some(given) = &self.admin_url {
            return Ok(given.clone());
        }
        let LocalDatabases { connection, settings } = self.local()?;
        let database = settings.databases.database_of(SERVICE_PLACEHOLDER, DATABASE);
        Ok(connection.admin_url(settings.postgres_port, &database))
    }

    /// How the servers of the local suite are reached.
    ///
    /// # Errors
    /// When there is none on the data directory.
    pub fn local(&self) -> anyhow::Result<LocalDatabases> {
        let hint = "give --admin-url and --redis-url, or --data-directory of a suite that `dafnck` runs here";
        let settings = SuiteSettings::read(&self.data_directory)?
            .with_context(|| format!("no suite has run on {}", self.data_directory.display()))
            .context(hint)?;
        Ok(LocalDatabases { connection: ConnectionInfo::of(&self.data_directory).context(hint)?, settings })
    }
}

/// How the servers of the local suite are reached.
pub struct LocalDatabases {
    /// Passwords and authorities.
    pub connection: ConnectionInfo,
    /// Ports and databases.
    pub settings: SuiteSettings,
}

/// Redis.
#[derive(Args, Clone, Debug, Default)]
pub struct RedisOptions {
    /// Redis URL. Default: that of the data directory
    #[arg(long, env = "DAFNCK_REDIS_URL", hide_env_values = true)]
    redis_url: Option<Secret>,
}

impl RedisOptions {
    /// The URL and the authorities that are given, else those of the local suite.
    ///
    /// # Errors
    /// If there are neither options nor a local suite.
    pub fn find(
        &self,
        admin: &AdminOptions,
        authorities: Option<&Path>,
    ) -> anyhow::Result<(Secret, Option<PathBuf>)> {
        if let Some(given) = &self.redis_url {
            return Ok((given.clone(), authorities.map(Path::to_owned)));
        }
        let LocalDatabases { connection, settings } = admin.local()?;
        Ok((connection.redis_url(settings.redis_port), connection.authority().map(Path::to_owned)))
    }
}

/// Whether the URL has a place for a service's name, so that each service has a database of its own.
pub(crate) fn is_of_each(url: &Secret) -> bool {
    url.expose().contains(SERVICE_PLACEHOLDER)
}

/// Whether a table is there.
pub(crate) async fn table_exists(conn: &mut AsyncPgConnection, table: &str) -> anyhow::Result<bool> {
    #[derive(QueryableByName)]
    struct ExistsRow {
        #[diesel(sql_type = Bool)]
        there: bool,
    }
    let query = sql_query("SELECT to_regclass($1) IS NOT NULL AS there").bind::<Text, _>(table);
    Ok(query.get_result::<ExistsRow>(conn).await?.there)
}

/// The URL of the database that a service has its schema in.
pub(crate) fn with_service(url: &Secret, service: &str) -> Secret {
    url.expose().replace(SERVICE_PLACEHOLDER, service).into()
}

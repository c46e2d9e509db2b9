//! Where to look: what the options say, else the suite that `dafnck` runs on this machine.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use shared::config::{DEFAULT_REDIS_KEY_PREFIX, Secret, SiblingOptions};
use shared::local::ADMIN;

use crate::run::{DATABASE, DEFAULT_DATA_FOLDER, Secrets};
use crate::services::{DatabaseForm, NAMES, Role};

/// Where to look, and how to tell.
#[derive(Args, Clone, Debug)]
pub struct DoctorOptions {
    /// PostgreSQL URL of a superuser or a member of pg_monitor and dafnck_owner, with `{service}` in it for services with
    /// databases of their own. Default: the suite that `dafnck` runs on the data folder
    #[arg(long, env = "DAFNCK_ADMIN_URL", hide_env_values = true)]
    admin_url: Option<Secret>,
    /// Redis URL. Default: that of the data folder
    #[arg(long, env = "DAFNCK_REDIS_URL", hide_env_values = true)]
    redis_url: Option<Secret>,
    /// Data folder of the local suite
    #[arg(long, env = "DAFNCK_DATA_FOLDER", default_value = DEFAULT_DATA_FOLDER)]
    data_folder: PathBuf,
    /// Loopback port of the local suite's PostgreSQL
    #[arg(long, env = "DAFNCK_POSTGRES_PORT", default_value_t = 54320)]
    postgres_port: u16,
    /// How the local suite's schemas are spread over databases
    #[arg(long, env = "DAFNCK_DATABASES", value_enum, default_value_t)]
    databases: DatabaseForm,
    /// Loopback port of the local suite's Redis
    #[arg(long, env = "DAFNCK_REDIS_PORT", default_value_t = 63790)]
    redis_port: u16,
    /// Folder that `dafnck backup` fills. Default: backups are not looked at
    #[arg(long, env = "DAFNCK_BACKUP_FOLDER")]
    backup_folder: Option<PathBuf>,
    /// PEM files of certificates whose end is to be watched
    #[arg(long = "certificate", env = "DAFNCK_TLS_CERTIFICATE")]
    certificates: Vec<PathBuf>,
    /// Print one JSON document: a list of `level`, `check`, `says` and `advice`
    #[arg(long)]
    pub json: bool,
    /// Where the services are.
    #[command(flatten)]
    siblings: SiblingOptions,
    /// PEM file with the authorities that services at `https` URLs and Redis are checked against. Default: the system's
    #[arg(long, env = "DAFNCK_TLS_CA")]
    tls_ca: Option<PathBuf>,
}

/// Everything that is looked at.
#[derive(Clone, Debug)]
pub struct Places {
    /// The services.
    pub siblings: SiblingOptions,
    /// Whom they are checked against.
    pub tls_ca: Option<PathBuf>,
    /// The databases, under a role that may look everywhere.
    pub admin_urls: Vec<Secret>,
    /// The services' roles, as far as their passwords are known.
    pub role_urls: Vec<(String, Secret)>,
    /// Redis.
    pub redis_url: Secret,
    /// What the names of its keys begin with.
    pub redis_key_prefix: String,
    /// Backups.
    pub backup_folder: Option<PathBuf>,
    /// Certificates.
    pub certificates: Vec<PathBuf>,
    /// Folders that must not fill their disk.
    pub folders: Vec<PathBuf>,
}

/// The passwords beside lasting data (`shared::local`).
#[derive(Deserialize)]
struct ServerPasswords {
    postgres_admin_password: String,
    redis_password: String,
}

impl ServerPasswords {
    fn read(data_folder: &Path) -> anyhow::Result<Self> {
        let path = data_folder.join("secrets");
        let text = std::fs::read(&path).with_context(|| {
            format!(
                "cannot read {}: give --admin-url and --redis-url, or --data-folder of a local suite",
                path.display()
            )
        })?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }
}

/// A URL for each database: one, or four if it has the place of a service's name in it.
pub fn of_each_database(admin_url: &Secret) -> Vec<Secret> {
    let url = admin_url.expose();
    if url.contains("{service}") {
        return NAMES.map(|name| url.replace("{service}", name).into()).into();
    }
    vec![admin_url.clone()]
}

/// The superuser's URLs of the databases of the suite that `dafnck` runs on a data folder.
///
/// # Errors
/// When there is none.
pub fn local_admin_urls(
    data_folder: &Path,
    postgres_port: u16,
    databases: DatabaseForm,
) -> anyhow::Result<Vec<Secret>> {
    let password = ServerPasswords::read(data_folder)?.postgres_admin_password;
    let database = databases.database_of("{service}", DATABASE);
    let url = format!("postgres://{ADMIN}:{password}@127.0.0.1:{postgres_port}/{database}?sslmode=disable");
    Ok(of_each_database(&url.into()))
}

impl DoctorOptions {
    /// Where to look.
    ///
    /// # Errors
    /// When neither the options nor a data folder tell.
    pub fn places(&self) -> anyhow::Result<Places> {
        let mut places = Places {
            siblings: self.siblings.clone(),
            tls_ca: self.tls_ca.clone(),
            admin_urls: self.admin_url.iter().flat_map(of_each_database).collect(),
            role_urls: Vec::new(),
            redis_url: self.redis_url.clone().unwrap_or_default(),
            redis_key_prefix: DEFAULT_REDIS_KEY_PREFIX.to_owned(),
            backup_folder: self.backup_folder.clone(),
            certificates: self.certificates.clone(),
            folders: self.backup_folder.iter().cloned().collect(),
        };
        if self.admin_url.is_none() {
            places.admin_urls = local_admin_urls(&self.data_folder, self.postgres_port, self.databases)?;
            let password = Secrets::read(&self.data_folder)?.role_password();
            places.role_urls =
                Role::ALL.map(|role| (role.name(), self.local_role_url(role, &password))).into();
            places.folders.push(self.data_folder.clone());
        }
        if self.redis_url.is_none() {
            let password = ServerPasswords::read(&self.data_folder)?.redis_password;
            places.redis_url = format!("redis://:{password}@127.0.0.1:{}/0", self.redis_port).into();
        }
        Ok(places)
    }

    fn local_role_url(&self, role: Role, password: &Secret) -> Secret {
        let (name, password, port) = (role.name(), password.expose(), self.postgres_port);
        let database = self.databases.database_of(role.service(), DATABASE);
        format!("postgres://{name}:{password}@127.0.0.1:{port}/{database}?sslmode=disable").into()
    }
}

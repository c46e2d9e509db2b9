//! Where to look: what the options say, else the suite that `dafnck` runs on this machine.

use std::path::PathBuf;

use clap::Args;
use shared::config::{DEFAULT_REDIS_KEY_PREFIX, Secret, SiblingOptions};

use crate::administration::{AdminOptions, RedisPlace};
use crate::run::{DATABASE, Secrets};
use crate::services::Role;

/// Where to look, and how to tell.
#[derive(Args, Clone, Debug)]
pub struct DoctorOptions {
    /// The databases.
    #[command(flatten)]
    admin: AdminOptions,
    /// Redis.
    #[command(flatten)]
    redis: RedisPlace,
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

impl DoctorOptions {
    /// Where to look.
    ///
    /// # Errors
    /// When neither the options nor a data folder tell.
    pub fn places(&self) -> anyhow::Result<Places> {
        let mut places = Places {
            siblings: self.siblings.clone(),
            tls_ca: self.tls_ca.clone(),
            admin_urls: self.admin.urls()?,
            role_urls: Vec::new(),
            redis_url: self.redis.url(&self.admin)?,
            redis_key_prefix: DEFAULT_REDIS_KEY_PREFIX.to_owned(),
            backup_folder: self.backup_folder.clone(),
            certificates: self.certificates.clone(),
            folders: self.backup_folder.iter().cloned().collect(),
        };
        if self.admin.is_local() {
            let password = Secrets::read(&self.admin.data_folder)?.role_password();
            places.role_urls =
                Role::ALL.map(|role| (role.name(), self.local_role_url(role, &password))).into();
            places.folders.push(self.admin.data_folder.clone());
        }
        Ok(places)
    }

    fn local_role_url(&self, role: Role, password: &Secret) -> Secret {
        let (name, password, port) = (role.name(), password.expose(), self.admin.postgres_port);
        let database = self.admin.databases.database_of(role.service(), DATABASE);
        format!("postgres://{name}:{password}@127.0.0.1:{port}/{database}?sslmode=disable").into()
    }
}

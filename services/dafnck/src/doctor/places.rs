//! Where to look: what the options say, else the suite that `dafnck` runs on this machine.

use std::path::PathBuf;

use clap::Args;
use local_servers::role_passwords::RolePasswords;
use shared::config::{DEFAULT_REDIS_KEY_PREFIX, Secret, SiblingOptions, TlsOptions};
use shared::siblings::Siblings;

use crate::administration::{AdminOptions, LocalDatabases, RedisOptions};
use crate::backup::settings::BackupSettings;
use crate::operator::{self, DEFAULT_PRINCIPAL, ServiceUrls};
use crate::paths::DATABASE;
use crate::secrets::{self, Secrets};
use local_servers::suite::Role;

/// Where to look, and how to tell.
#[derive(Args, Clone, Debug)]
pub struct DoctorOptions {
    /// The databases.
    #[command(flatten)]
    admin: AdminOptions,
    /// Redis.
    #[command(flatten)]
    redis: RedisOptions,
    /// Directory that `dafnck backup` fills. Default: the one of the local suite; elsewhere backups are not looked at
    #[arg(long, env = "DAFNCK_BACKUP_DIRECTORY")]
    backup_directory: Option<PathBuf>,
    /// PEM files of certificates whose end is to be watched
    #[arg(long = "tls-certificate", env = "DAFNCK_TLS_CERTIFICATE")]
    certificates: Vec<PathBuf>,
    /// Where the services are.
    #[command(flatten)]
    urls: ServiceUrls,
    /// PEM file with the authorities that services at `https` URLs, and Redis at one of `rediss`, are checked against.
    /// Default: the system's, or those of the local suite
    #[arg(long, env = "DAFNCK_TLS_CA")]
    tls_ca: Option<PathBuf>,
}

/// Where backups are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupLocation {
    /// In this directory, which `dafnck backup` fills.
    Directory(PathBuf),
    /// The local suite is not backed up.
    Nowhere,
    /// Nobody said where those of a suite elsewhere are.
    Elsewhere,
}

/// Everything that is looked at.
#[derive(Clone, Debug)]
pub struct Places {
    /// The services.
    pub siblings: SiblingOptions,
    /// Whom they are checked against.
    pub tls_ca: Option<PathBuf>,
    /// Calls of them as the operator of the local suite, which no other suite accepts.
    pub operator: Option<Siblings>,
    /// The databases, under a role that may look everywhere.
    pub admin_urls: Vec<Secret>,
    /// The services' roles, as far as their passwords are known.
    pub role_urls: Vec<(String, Secret)>,
    /// Redis.
    pub redis_url: Secret,
    /// Whom it is checked against.
    pub redis_tls_ca: Option<PathBuf>,
    /// What the names of its keys begin with.
    pub redis_key_prefix: String,
    /// Backups.
    pub backup: BackupLocation,
    /// Certificates.
    pub certificates: Vec<PathBuf>,
    /// Directories that must not fill their disk.
    pub directories: Vec<PathBuf>,
}

impl DoctorOptions {
    /// Of the suite that `dafnck` runs on a data directory, whatever variables say.
    pub(crate) fn of_local_suite(data_directory: PathBuf) -> Self {
        Self {
            admin: AdminOptions { admin_url: None, data_directory },
            redis: RedisOptions::default(),
            backup_directory: None,
            certificates: Vec::new(),
            urls: ServiceUrls::default(),
            tls_ca: None,
        }
    }

    /// Where to look.
    ///
    /// # Errors
    /// When neither the options nor a data directory tell.
    pub fn places(&self) -> anyhow::Result<Places> {
        let given = TlsOptions { tls_ca: self.tls_ca.clone(), ..TlsOptions::default() };
        let (siblings, tls) = self.urls.find(&self.admin.data_directory, &given)?;
        let (redis_url, redis_tls_ca) = self.redis.find(&self.admin, self.tls_ca.as_deref())?;
        let redis_is_encrypted = redis_url.expose().starts_with("rediss");
        let mut places = Places {
            siblings,
            tls_ca: tls.tls_ca.clone(),
            operator: None,
            admin_urls: self.admin.urls()?,
            role_urls: Vec::new(),
            redis_url,
            // The option is for the services as well.
            redis_tls_ca: redis_tls_ca.filter(|_| redis_is_encrypted),
            redis_key_prefix: DEFAULT_REDIS_KEY_PREFIX.to_owned(),
            backup: self
                .backup_directory
                .clone()
                .map_or(BackupLocation::Elsewhere, BackupLocation::Directory),
            certificates: self.certificates.iter().chain(&tls.tls_certificate).cloned().collect(),
            directories: self.backup_directory.iter().cloned().collect(),
        };
        if self.admin.is_local() {
            let secrets = Secrets::read(&self.admin.data_directory)?;
            let key = secrets::operator_key(&self.admin.data_directory)?;
            places.operator = Some(operator::connect(&places.siblings, &tls, DEFAULT_PRINCIPAL, key)?);
            let (local, passwords) = (self.admin.local()?, secrets.role_passwords());
            let url_of = |role| local_role_url(&local, role, &passwords);
            places.role_urls = Role::ALL.map(|role| (role.name(), url_of(role))).into();
            places.directories.push(self.admin.data_directory.clone());
            if self.backup_directory.is_none() {
                places.look_at_backup(BackupSettings::read(&self.admin.data_directory)?);
            }
        }
        Ok(places)
    }
}

fn local_role_url(local: &LocalDatabases, role: Role, passwords: &RolePasswords) -> Secret {
    let LocalDatabases { connection, settings } = local;
    let database = settings.databases.database_of(role.service(), DATABASE);
    let name = role.name();
    let password = passwords.of(&name).map_or("", Secret::expose);
    connection.postgres_url(&name, password, settings.postgres_port, &database)
}

impl Places {
    /// The backup of the local suite, if it is turned on.
    fn look_at_backup(&mut self, settings: Option<BackupSettings>) {
        let Some(BackupSettings { directory, mirror }) = settings else {
            self.backup = BackupLocation::Nowhere;
            return;
        };
        self.directories.extend([directory.clone()].into_iter().chain(mirror));
        self.backup = BackupLocation::Directory(directory);
    }
}

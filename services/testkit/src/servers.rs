//! PostgreSQL and Redis of a test binary, and a database for each test.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use diesel_async::SimpleAsyncConnection;
use local_servers::dev_ca::{self, AUTHORITY};
use local_servers::role_passwords::RolePasswords;
use local_servers::suite::{DatabaseTopology, Role};
use local_servers::{Certificate, DataDirectory, LocalOptions, LocalServers, ServerCertificates, prepare};
use shared::config::Secret;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::certificates::make_certificates;
use super::migration_sets::{reference_set, service_sets};
use super::sidecars::SharedSidecars;
use super::topology::Encryption;
use super::workspace::cache;

const TEMPLATE: &str = "dafnck_template";

static SHARED: OnceCell<Servers> = OnceCell::const_new();
/// Those that are set as they are where data lasts.
static DURABLE: OnceCell<Servers> = OnceCell::const_new();
/// Those that speak nothing but TLS.
static ENCRYPTED: OnceCell<Servers> = OnceCell::const_new();
/// Databases whose tests have ended; dropped when the next is made, so that a long run does not fill the disk.
static FORGOTTEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(super) struct Servers {
    pub local: LocalServers,
    pub role_passwords: RolePasswords,
    /// Who has signed the servers' certificates, where they have some.
    pub authority: Option<Certificate>,
    /// For whoever else serves beside them.
    pub certificates: Option<ServerCertificates>,
    pub sidecars: SharedSidecars,
    has_templates_apart: OnceCell<()>,
}

pub(super) async fn shared(encryption: Encryption) -> &'static Servers {
    let servers = match encryption {
        Encryption::Off => &SHARED,
        Encryption::On => &ENCRYPTED,
    };
    servers.get_or_init(|| start(encryption)).await
}

pub(super) async fn shared_durable() -> &'static Servers {
    DURABLE.get_or_init(start_durable).await
}

pub(super) fn forget(database: String) {
    FORGOTTEN.lock().unwrap_or_else(PoisonError::into_inner).push(database);
}

pub(super) async fn start(encryption: Encryption) -> Servers {
    start_on(DataDirectory::Temporary, encryption).await
}

pub(super) async fn start_durable() -> Servers {
    start_on(DataDirectory::TemporaryDurable, Encryption::Off).await
}

async fn start_on(data: DataDirectory, encryption: Encryption) -> Servers {
    let folder = TempDir::new().unwrap();
    let certificates = (encryption == Encryption::On).then(|| make_certificates(folder.path(), None));
    let authority = certificates.is_some().then(|| dev_ca::certificate(folder.path(), AUTHORITY).unwrap());
    let options = LocalOptions {
        cache: cache(),
        data,
        postgres_port: None,
        redis_port: None,
        postgres_bin: None,
        redis_bin: None,
        certificates: certificates.clone(),
    };
    let local = local_servers::start(options, |progress| eprintln!("{progress}")).await.unwrap();
    let servers = Servers {
        local,
        role_passwords: RolePasswords::random(Role::ALL.map(Role::name)),
        authority,
        certificates,
        sidecars: SharedSidecars::default(),
        has_templates_apart: OnceCell::new(),
    };
    servers.execute(&format!("CREATE DATABASE {TEMPLATE}")).await;
    let template = servers.admin_url(TEMPLATE);
    let (sets, references) = (service_sets(), reference_set());
    prepare::migrate_all(&template, &sets.each_ref(), &references).await.unwrap();
    prepare::set_passwords(&template, &servers.role_passwords, &Role::ALL).await.unwrap();
    servers
}

impl Servers {
    pub(super) fn postgres_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.local.postgres.port).into()
    }

    pub(super) fn admin_url(&self, database: &str) -> Secret {
        self.local.postgres.admin_url(database)
    }

    pub(super) async fn create_database(&self) -> String {
        self.drop_forgotten().await;
        let name = format!("t{}", Uuid::now_v7().simple());
        self.copy(TEMPLATE, &name).await;
        name
    }

    async fn drop_forgotten(&self) {
        let ended = std::mem::take(&mut *FORGOTTEN.lock().unwrap_or_else(PoisonError::into_inner));
        for database in ended {
            self.execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await;
        }
    }

    async fn copy(&self, template: &str, name: &str) {
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")).await;
    }

    /// Four databases, one for each service, with names that begin as the one that is returned.
    pub(super) async fn create_databases_apart(&self) -> String {
        self.drop_forgotten().await;
        self.has_templates_apart.get_or_init(|| self.create_templates_apart()).await;
        let shared = format!("f{}", Uuid::now_v7().simple());
        for set in &service_sets() {
            let [template, name] =
                [TEMPLATE, &shared].map(|all| DatabaseTopology::Four.database_of(set.name, all));
            self.copy(&template, &name).await;
            // Who may enter a database is not copied with it.
            prepare::migrate_apart(&self.admin_url(&name), set).await.unwrap();
        }
        shared
    }

    async fn create_templates_apart(&self) {
        for set in &service_sets() {
            let name = DatabaseTopology::Four.database_of(set.name, TEMPLATE);
            self.create_named(&name).await;
            prepare::migrate_apart(&self.admin_url(&name), set).await.unwrap();
        }
    }

    pub(super) async fn create_named(&self, name: &str) {
        self.execute(&format!("CREATE DATABASE {name}")).await;
    }

    /// A database without schemas.
    pub(super) async fn create_empty_database(&self) -> Secret {
        let name = format!("e{}", Uuid::now_v7().simple());
        self.create_named(&name).await;
        self.admin_url(&name)
    }

    pub(super) async fn execute(&self, statement: &str) {
        let mut conn = shared::database::connect(&self.admin_url("postgres")).await.unwrap();
        conn.batch_execute(statement).await.unwrap();
    }
}

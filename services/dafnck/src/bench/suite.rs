//! The measured suite: `dafnck run` as a process of its own on free ports, and what the measured calls are about.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use local_servers::RunningPostgres;
use local_servers::tools::{free_port, send};
use proto::content::v1 as content;
use proto::content::v1::document_service_client::DocumentServiceClient;
use proto::identity::v1 as identity;
use proto::identity::v1::auth_service_client::AuthServiceClient;
use proto::identity::v1::login_response::Result as LoginResult;
use proto::project::v1 as project;
use proto::project::v1::project_service_client::ProjectServiceClient;
use proto::task::v1 as task;
use proto::task::v1::task_service_client::TaskServiceClient;
use rustix::process::Signal;
use shared::config::SiblingOptions;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use super::figure::Figure;
use crate::health;

/// Programs may have to be fetched first.
const START_TIMEOUT: Duration = Duration::from_secs(600);
const START_POLL_INTERVAL: Duration = Duration::from_millis(100);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// More than any of the measured calls reaches: what a late server is asked meanwhile is to wait, and be counted.
const NO_LIMIT: &str = "1000000";
const UNLIMITED: [&str; 5] = [
    "--requests-per-second",
    "--request-burst",
    "--max-concurrent-requests",
    "--max-requests-per-peer",
    "--max-requests-per-caller",
];
/// HTTP/2 connections that the callers share.
const CONNECTIONS: usize = 4;
/// Most tasks of one batch.
const BATCH: usize = 1_000;
const SIGN_INS: usize = 10;
const DOCUMENTS: usize = 100;
/// Bytes of the content of each document.
const DOCUMENT_BYTES: usize = 2_000;

/// Connections that calls take in turn.
pub(super) struct Connections {
    channels: [Channel; CONNECTIONS],
    calls: AtomicUsize,
}

impl Connections {
    pub(super) fn to(endpoint: &Endpoint) -> Self {
        let channels = std::array::from_fn(|_| endpoint.connect_lazy());
        Self { channels, calls: AtomicUsize::new(0) }
    }

    pub(super) fn next(&self) -> Channel {
        let [first, ..] = &self.channels;
        let turn = self.calls.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        self.channels.get(turn).unwrap_or(first).clone()
    }
}

/// A suite that runs, and connections to its services.
pub(super) struct BenchSuite {
    process: Child,
    process_id: u32,
    postgres: RunningPostgres,
    services: Arc<Services>,
    task_endpoint: Endpoint,
    temporary: TempDir,
}

/// Connections to the services.
pub(super) struct Services {
    pub(super) identity: Connections,
    pub(super) project: Connections,
    pub(super) task: Connections,
    pub(super) content: Connections,
}

/// What the measured calls are about.
pub(super) struct Fixtures {
    /// The value of `authorization`.
    pub(super) credential: AsciiMetadataValue,
    pub(super) project_id: String,
    pub(super) task_ids: Vec<String>,
    pub(super) document_ids: Vec<String>,
}

impl Fixtures {
    pub(super) fn tasks(&self) -> usize {
        self.task_ids.len()
    }

    /// A request with the credential.
    pub(super) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("authorization", self.credential.clone());
        request
    }
}

impl BenchSuite {
    pub(super) async fn start(cache: &Path) -> anyhow::Result<Self> {
        // The servers' user, another one when root runs us, passes through.
        let temporary = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir()?;
        let data_directory = temporary.path().join("data");
        let ports = [free_port()?, free_port()?, free_port()?, free_port()?];
        let mut process = Command::new(std::env::current_exe()?);
        process.arg("run").arg("--data-directory").arg(&data_directory).arg("--cache-directory").arg(cache);
        process.arg("--ports").arg(ports.map(|port| port.to_string()).join(","));
        for option in ["--gateway-port", "--postgres-port", "--redis-port"] {
            process.arg(option).arg(free_port()?.to_string());
        }
        process.arg("--console=false");
        for option in UNLIMITED {
            process.arg(option).arg(NO_LIMIT);
        }
        let mut process = process.stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        let [identity_url, project_url, task_url, content_url] =
            ports.map(|port| format!("http://127.0.0.1:{port}"));
        let siblings = SiblingOptions { identity_url, project_url, task_url, content_url };
        wait_until_ready(&mut process, &siblings).await?;
        let to = |url: &str| anyhow::Ok(Connections::to(&Endpoint::from_shared(url.to_owned())?));
        let services = Services {
            identity: to(&siblings.identity_url)?,
            project: to(&siblings.project_url)?,
            task: to(&siblings.task_url)?,
            content: to(&siblings.content_url)?,
        };
        Ok(Self {
            process_id: process.id().context("the suite has ended")?,
            process,
            postgres: RunningPostgres::find(&data_directory)?,
            services: Arc::new(services),
            task_endpoint: Endpoint::from_shared(siblings.task_url)?,
            temporary,
        })
    }

    pub(super) fn process_id(&self) -> u32 {
        self.process_id
    }

    pub(super) fn postgres(&self) -> &RunningPostgres {
        &self.postgres
    }

    /// For connections of their own to the task service.
    pub(super) fn task_endpoint(&self) -> &Endpoint {
        &self.task_endpoint
    }

    /// A directory on the disk of the suite.
    pub(super) fn directory(&self) -> &Path {
        self.temporary.path()
    }

    pub(super) fn services(&self) -> Arc<Services> {
        self.services.clone()
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        send(Signal::TERM, self.process_id)?;
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.process.wait()).await;
        ensure!(ended.context("the suite did not stop in time")??.success(), "the suite did not end well");
        Ok(())
    }

    /// An account, its project, tasks and documents.
    pub(super) async fn make_fixtures(&self, tasks: usize) -> anyhow::Result<Fixtures> {
        let (_login, credential) = self.register().await?;
        let mut fixtures = Fixtures {
            credential,
            project_id: String::new(),
            task_ids: Vec::new(),
            document_ids: Vec::new(),
        };
        fixtures.project_id = self.make_project(&fixtures, "benchmark").await?;
        self.make_tasks(&mut fixtures, tasks).await?;
        self.make_documents(&mut fixtures).await?;
        Ok(fixtures)
    }

    /// The id of a new project.
    pub(super) async fn make_project(&self, fixtures: &Fixtures, name: &str) -> anyhow::Result<String> {
        let project = project::Project { name: name.to_owned(), ..Default::default() };
        let request = project::CreateProjectRequest { project: Some(project), ..Default::default() };
        let made = ProjectServiceClient::new(self.services.project.next())
            .create_project(fixtures.request(request))
            .await?;
        Ok(made.into_inner().id)
    }

    /// How long a sign-in takes.
    pub(super) async fn measure_sign_in(&self) -> anyhow::Result<Vec<Figure>> {
        let (login, _credential) = self.register().await?;
        let mut client = AuthServiceClient::new(self.services.identity.next());
        let mut times = Vec::new();
        for _ in 0..SIGN_INS {
            let began = Instant::now();
            client.login(login.clone()).await?;
            times.push(began.elapsed());
        }
        Ok(vec![Figure::median("sign-in", &times)])
    }

    /// A new account: how to sign in, and the credential of its first session.
    async fn register(&self) -> anyhow::Result<(identity::LoginRequest, AsciiMetadataValue)> {
        let name = format!("bench{}", Uuid::now_v7().simple());
        let request = identity::RegisterRequest {
            email: format!("{name}@example.org"),
            username: name,
            password: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let (login, password) = (request.username.clone(), request.password.clone());
        let login = identity::LoginRequest { login, password, ..Default::default() };
        let answer = AuthServiceClient::new(self.services.identity.next()).register(request).await?;
        let Some(LoginResult::SessionGrant(grant)) = answer.into_inner().result else {
            anyhow::bail!("a new account has no session")
        };
        let tokens = grant.tokens.context("a session has tokens")?;
        Ok((login, format!("Bearer {}", tokens.session_token).parse()?))
    }

    async fn make_tasks(&self, fixtures: &mut Fixtures, tasks: usize) -> anyhow::Result<()> {
        while fixtures.tasks() < tasks {
            let next = fixtures.tasks()..tasks.min(fixtures.tasks() + BATCH);
            let request = task::BatchCreateTasksRequest {
                project_id: fixtures.project_id.clone(),
                tasks: next.map(|number| fixture_task(&format!("task {number}"))).collect(),
                ..Default::default()
            };
            let made = TaskServiceClient::new(self.services.task.next())
                .batch_create_tasks(fixtures.request(request))
                .await?;
            fixtures.task_ids.extend(made.into_inner().tasks.into_iter().map(|task| task.id));
        }
        Ok(())
    }

    async fn make_documents(&self, fixtures: &mut Fixtures) -> anyhow::Result<()> {
        for number in 0..DOCUMENTS {
            let document = content::Document {
                project_id: fixtures.project_id.clone(),
                title: format!("document {number}"),
                content: Some("text ".repeat(DOCUMENT_BYTES / 5)),
                ..Default::default()
            };
            let request = content::CreateDocumentRequest { document: Some(document), ..Default::default() };
            let made = DocumentServiceClient::new(self.services.content.next())
                .create_document(fixtures.request(request))
                .await?;
            fixtures.document_ids.push(made.into_inner().id);
        }
        Ok(())
    }
}

/// A task like those that people write.
pub(super) fn fixture_task(title: &str) -> task::Task {
    task::Task {
        title: title.to_owned(),
        description: Some("What is to be done, and how to find out that it is done. ".repeat(4)),
        tags: vec!["benchmark".to_owned(), "backend".to_owned()],
        ..Default::default()
    }
}

async fn wait_until_ready(process: &mut Child, siblings: &SiblingOptions) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    while !health::all_ready(siblings, None).await {
        ensure!(process.try_wait()?.is_none(), "the suite ended while it started");
        ensure!(Instant::now() < deadline, "the suite was not ready within {START_TIMEOUT:?}");
        tokio::time::sleep(START_POLL_INTERVAL).await;
    }
    Ok(())
}

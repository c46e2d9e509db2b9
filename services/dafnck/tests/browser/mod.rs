//! A page in a real browser that calls the suite from another origin, with gRPC-Web.

mod connect;
mod mermaid;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message;
use proto::content::v1::Attachment;
use proto::identity::v1::LoginRequest;
use proto::project::v1::Project;
use proto::task::v1 as pb;
use serde_json::{Value, json};
use shared::config::Origin;
use testkit::{Actor, Chromium, new_id, summary};

use crate::files::upload_messages;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::{Code, Status};
use uuid::Uuid;

const VISIT_TIMEOUT: Duration = Duration::from_secs(60);
const PAGE: &str = include_str!("page.html");
/// With padding or without: gRPC leaves it out of metadata.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A web server with one page.
pub struct Page {
    port: u16,
    html: Arc<Mutex<String>>,
    reports: mpsc::Receiver<Value>,
    _server: AbortOnDropHandle<()>,
}

type PageState = (Arc<Mutex<String>>, mpsc::Sender<Value>);

/// What the page saw.
#[derive(Debug, PartialEq, Eq)]
pub struct Visit {
    pub listed: Vec<String>,
    pub watched: String,
    pub uploaded_bytes: i64,
    pub refusal: String,
}

impl Page {
    pub async fn serve() -> Self {
        let (sender, reports) = mpsc::channel(1);
        let html = Arc::new(Mutex::new(String::new()));
        let router = Router::new()
            .route("/", get(async |State((html, _)): State<PageState>| Html(html.lock().unwrap().clone())))
            .route("/report", post(report))
            .with_state((html.clone(), sender));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Server::builder().accept_http1(true).add_routes(Routes::from(router));
        let serving = async { server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap() };
        Self { port, html, reports, _server: AbortOnDropHandle::new(tokio::spawn(serving)) }
    }

    /// The origin of the page when it is opened under this name of the machine.
    fn origin_under(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    pub fn origin(&self) -> Origin {
        self.origin_under("127.0.0.1").parse().unwrap()
    }

    /// Opens a page in a browser and returns its report; `None` where there is no browser.
    async fn open(&mut self, host: &str, html: String) -> Option<Value> {
        *self.html.lock().unwrap() = html;
        let _browser = match Chromium::open(&self.origin_under(host)).await {
            Ok(browser) => browser,
            Err(error) => {
                eprintln!(
                    "WARNING: no Chromium could be had, calls from a browser were NOT tested: {error:#}"
                );
                return None;
            }
        };
        let report = tokio::time::timeout(VISIT_TIMEOUT, self.reports.recv()).await;
        Some(report.expect("the page reports in time").unwrap())
    }

    /// Signs in, lists tasks, watches one being created, uploads a file, and asks for a task that is not there.
    pub async fn visit(&mut self, api: &str, user: &Actor, project: &Project) -> Option<Visit> {
        let report = self.open("127.0.0.1", page(api, user, project)).await?;
        let decode = |field: &str| {
            BASE64.decode(report[field].as_str().unwrap_or_else(|| panic!("no {field}: {report}"))).unwrap()
        };
        let listed = pb::ListTasksResponse::decode(decode("listed").as_slice()).unwrap();
        let watched = pb::WatchTasksResponse::decode(decode("event").as_slice()).unwrap();
        let uploaded = Attachment::decode(decode("uploaded").as_slice()).unwrap();
        let code = Code::from(i32::try_from(report["status"].as_i64().unwrap()).unwrap());
        Some(Visit {
            listed: listed.tasks.into_iter().map(|task| task.title).collect(),
            watched: watched.events.into_iter().find_map(title_after).unwrap(),
            uploaded_bytes: uploaded.file_size,
            refusal: summary(&Status::with_details(code, "", decode("details").into())),
        })
    }

    /// The same, without an upload, with Connect for browsers and the helpers for TypeScript. Returns what the page saw; `None`
    /// where tools are missing.
    pub async fn visit_with_connect(&mut self, api: &str, user: &Actor, project: &Project) -> Option<Value> {
        let script = connect::bundle().await?;
        let input = json!({
            "api": api,
            "login": user.name,
            "password": user.password,
            "projectId": project.id,
            "missingId": Uuid::nil(),
        });
        let html = format!(
            "<!doctype html><script>globalThis.visit = {input}</script><script type=\"module\">{script}</script>"
        );
        self.open("127.0.0.1", html).await
    }

    /// The failure of the same page under another name of this machine, which is another origin.
    pub async fn failure_from_another_origin(
        &mut self,
        api: &str,
        user: &Actor,
        project: &Project,
    ) -> Option<String> {
        let report = self.open("localhost", page(api, user, project)).await?;
        Some(report["failure"].as_str().unwrap_or_else(|| panic!("{report}")).to_owned())
    }
}

/// A page that is written for the test, without a library.
fn page(api: &str, user: &Actor, project: &Project) -> String {
    PAGE.replace("CALLS", &calls(api, user, project).to_string())
}

async fn report(State((_, reports)): State<PageState>, body: String) {
    reports.send(serde_json::from_str(&body).unwrap()).await.unwrap();
}

fn title_after(event: pb::TaskEvent) -> Option<String> {
    match event.resource? {
        pb::task_event::Resource::Task(change) => Some(change.after?.title),
        _ => None,
    }
}

/// A call, encoded.
fn call<M: Message>(path: &str, messages: impl IntoIterator<Item = M>) -> Value {
    let messages = messages.into_iter().map(|message| BASE64.encode(message.encode_to_vec()));
    json!({ "path": path, "messages": messages.collect::<Vec<_>>() })
}

/// The calls of the page.
fn calls(api: &str, user: &Actor, project: &Project) -> Value {
    let project_id = &project.id;
    let (login, password) = (user.name.clone(), user.password.clone());
    let login = LoginRequest { login, password, ..Default::default() };
    let filter = pb::TaskFilter { project_ids: vec![project_id.clone()], ..Default::default() };
    let list = pb::ListTasksRequest { filter: Some(filter), ..Default::default() };
    let watch = pb::WatchTasksRequest { project_id: project_id.clone(), ..Default::default() };
    let task = pb::Task {
        project_id: project_id.clone(),
        title: "created by the page".into(),
        ..Default::default()
    };
    let create = pb::CreateTaskRequest { task: Some(task), ..Default::default() };
    let missing = pb::GetTaskRequest { task_id: new_id() };
    json!({
        "api": api,
        "login": call("/dafnck.identity.v1.AuthService/Login", [login]),
        "list": call("/dafnck.task.v1.TaskService/ListTasks", [list]),
        "watch": call("/dafnck.task.v1.TaskService/WatchTasks", [watch]),
        "create": call("/dafnck.task.v1.TaskService/CreateTask", [create]),
        "upload": call("/dafnck.content.v1.AttachmentService/UploadAttachment", upload_messages(project, "a plan")),
        "missing": call("/dafnck.task.v1.TaskService/GetTask", [missing]),
    })
}

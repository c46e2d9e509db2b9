//! A client in Rust: signs in, creates and changes a task, reads an error's details and follows a project.
//!
//! `cargo run -p proto --example client -- http://127.0.0.1:50050 LOGIN PASSWORD PROJECT_ID`; the page about it is
//! `proto/clients/rust/README.md`.

#![allow(clippy::print_stdout, reason = "it talks to a person")]

use std::error::Error;
use std::time::Duration;

use proto::identity::v1::auth_service_client::AuthServiceClient;
use proto::identity::v1::login_response::Result as LoginResult;
use proto::identity::v1::{
    CompleteLoginRequest, LoginRequest, SecondFactorProof, SessionTokens, second_factor_proof,
};
use proto::task::v1::task_service_client::TaskServiceClient;
use proto::task::v1::{CreateTaskRequest, GetTaskRequest, Task, UpdateTaskRequest, WatchTasksRequest};
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

const DEADLINE: Duration = Duration::from_secs(5);
const MAX_ATTEMPTS: u32 = 5;

/// Sends a session token or an API token with every call.
#[derive(Clone)]
struct Bearer(MetadataValue<tonic::metadata::Ascii>);

impl Bearer {
    fn new(token: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(format!("Bearer {token}").parse()?))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Tasks = TaskServiceClient<InterceptedService<Channel, Bearer>>;

/// With the system's authorities for `https`. Every call without a deadline of its own gets [`DEADLINE`].
fn connect(url: &str) -> Result<Channel, tonic::transport::Error> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())?.keep_alive_while_idle(true);
    if url.starts_with("https:") {
        endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?;
    }
    Ok(endpoint.connect_lazy())
}

fn with_deadline<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

async fn sign_in(channel: Channel, login: &str, password: &str) -> Result<SessionTokens, Box<dyn Error>> {
    let mut auth = AuthServiceClient::new(channel);
    let (login, password) = (login.to_owned(), password.to_owned());
    let request = LoginRequest { login, password, ..Default::default() };
    let grant = match auth.login(with_deadline(request)).await?.into_inner().result {
        Some(LoginResult::SessionGrant(grant)) => grant,
        Some(LoginResult::SecondFactorChallenge(challenge)) => {
            let code = std::env::var("DAFNCK_CODE")?;
            let proof = SecondFactorProof { proof: Some(second_factor_proof::Proof::Code(code)) };
            let challenge_token = challenge.challenge_token;
            let request = CompleteLoginRequest { challenge_token, proof: Some(proof) };
            auth.complete_login(with_deadline(request)).await?.into_inner()
        }
        None => return Err("the server answered with nothing".into()),
    };
    grant.tokens.ok_or_else(|| "the grant has no tokens".into())
}

/// Calls again after `UNAVAILABLE`, with the same `request_id`: the task is created once.
async fn create(tasks: &mut Tasks, request: CreateTaskRequest) -> Result<Task, Status> {
    let mut attempt = 1;
    loop {
        match tasks.create_task(with_deadline(request.clone())).await {
            Err(status) if status.code() == Code::Unavailable && attempt < MAX_ATTEMPTS => {
                tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
                attempt += 1;
            }
            outcome => return outcome.map(tonic::Response::into_inner),
        }
    }
}

/// The reason of `google.rpc.ErrorInfo` and all violations of `google.rpc.BadRequest`.
fn explain(status: &Status) -> String {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str()).unwrap_or_default();
    let mut text = format!("{:?} {reason}: {}", status.code(), status.message());
    for violation in
        details.bad_request().map(|request| request.field_violations.as_slice()).unwrap_or_default()
    {
        text += &format!("\n  {}: {}", violation.field, violation.description);
    }
    text
}

/// Follows a project. A broken stream goes on behind the last token, so nothing is lost or doubled.
async fn follow(mut tasks: Tasks, mut request: WatchTasksRequest) -> Status {
    loop {
        let ended = match tasks.watch_tasks(request.clone()).await {
            Err(refused) => refused,
            Ok(response) => {
                let mut responses = response.into_inner();
                loop {
                    match responses.message().await {
                        Ok(Some(batch)) => {
                            for change in batch.events.iter().filter_map(|event| event.change.as_ref()) {
                                println!("{} {:?}", change.resource_id, change.changed_fields);
                            }
                            request.resume_token = batch.resume_token;
                        }
                        Ok(None) => break Status::unavailable("the stream ended"),
                        Err(status) => break status,
                    }
                }
            }
        };
        if !matches!(ended.code(), Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted) {
            return ended;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, login, password, project_id] = arguments.as_slice() else {
        return Err("usage: client URL LOGIN PASSWORD PROJECT_ID".into());
    };
    let channel = connect(url)?;
    let tokens = sign_in(channel.clone(), login, password).await?;
    let mut tasks = TaskServiceClient::with_interceptor(channel, Bearer::new(&tokens.session_token)?);

    let task =
        Task { project_id: project_id.clone(), title: "Build the rocket".to_owned(), ..Default::default() };
    let request_id = uuid::Uuid::new_v4().to_string();
    let task = create(&mut tasks, CreateTaskRequest { request_id, task: Some(task) }).await?;
    // Without a mask, populated fields change. The etag makes a concurrent change fail with ABORTED.
    let change = Task { title: "Build a bigger rocket".to_owned(), ..task.clone() };
    let change = UpdateTaskRequest { task: Some(change), ..Default::default() };
    let task = tasks.update_task(with_deadline(change)).await?.into_inner();
    println!("{} {}", task.key, task.title);

    if let Err(status) = tasks.get_task(with_deadline(GetTaskRequest { task_id: "none".to_owned() })).await {
        println!("{}", explain(&status));
    }
    let status =
        follow(tasks, WatchTasksRequest { project_id: project_id.clone(), ..Default::default() }).await;
    Err(explain(&status).into())
}

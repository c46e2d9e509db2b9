//! An open stream ends with the token that opened it: at once when that is revoked, and by asking when nobody tells.

use crate::harness::harness;
use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use futures::StreamExt;
use proto::content::v1::UploadAttachmentRequest;
use proto::content::v1::upload_attachment_request::Part;
use proto::content::v1::{ContentTarget, UploadHeader, content_target};
use proto::identity::admin::v1::SuspendUserRequest;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1 as identity;
use proto::project::v1::{Project, ProjectRole, WatchProjectRequest, WatchProjectResponse};
use proto::task::v1::{WatchTasksRequest, WatchTasksResponse};
use shared::authentication::STREAM_RECHECK_INTERVAL;
use shared::siblings::Sibling;
use testkit::{Actor, summary};
use tonic::{Status, Streaming};

/// How long a stream may go on before a test gives up on it.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Sessions that are revoked, one after another.
const REVOCATIONS: usize = 20;
const CHUNK_BYTES: usize = 100_000;
const CHUNKS: usize = 60;
const ENDED: &str = "UNAUTHENTICATED SESSION_INVALID";

/// Somebody's streams, of a project and of its tasks.
struct OpenStreams {
    project: Streaming<WatchProjectResponse>,
    tasks: Streaming<WatchTasksResponse>,
}

async fn follow(who: &Actor, project: &Project) -> OpenStreams {
    let request = WatchProjectRequest { project_id: project.id.clone(), ..Default::default() };
    let of_project = who.projects().watch_project(request).await.unwrap().into_inner();
    let request = WatchTasksRequest { project_id: project.id.clone(), ..Default::default() };
    let of_tasks = who.tasks().watch_tasks(request).await.unwrap().into_inner();
    let mut following = OpenStreams { project: of_project, tasks: of_tasks };
    following.project.message().await.unwrap().unwrap();
    following.tasks.message().await.unwrap().unwrap();
    following
}

async fn end_of<T>(stream: &mut Streaming<T>) -> Status {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Status::ok("the end"),
            Err(status) => return status,
        }
    }
}

impl OpenStreams {
    /// How both streams end, and how long after `since` the later one did.
    async fn end(mut self, since: Instant) -> ([String; 2], Duration) {
        let both = futures::future::join(end_of(&mut self.project), end_of(&mut self.tasks));
        let (project, tasks) = tokio::time::timeout(TIMEOUT, both).await.expect("a stream goes on");
        ([summary(&project), summary(&tasks)], since.elapsed())
    }
}

#[tokio::test]
async fn a_revoked_session_ends_its_streams_and_no_others() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let mut olgas = follow(&olga, &project).await;
    let mut delays = Vec::with_capacity(REVOCATIONS);
    for number in 0..REVOCATIONS {
        let mia = suite.guest(&format!("mia{number}")).await;
        olga.add(&project, &mia, ProjectRole::Member).await;
        let mias = follow(&mia, &project).await;
        mia.auth().logout(identity::LogoutRequest {}).await.unwrap();
        let (ends, delay) = mias.end(Instant::now()).await;
        assert_eq!(ends, [ENDED; 2]);
        delays.push(delay);
    }
    delays.sort_unstable();
    let [p50, p99] = [REVOCATIONS / 2, REVOCATIONS * 99 / 100].map(|n| delays[n]);
    println!("a revoked session's streams end after p50 {p50:?}, p99 {p99:?}");
    assert!(p50 < Duration::from_secs(1), "{p50:?}");
    let last = olga.task(&project, "the last").await;
    let heard =
        async { while !format!("{:?}", olgas.tasks.message().await.unwrap().unwrap()).contains(&last.id) {} };
    tokio::time::timeout(TIMEOUT, heard).await.unwrap();
}

#[tokio::test]
async fn streams_of_a_suspended_user_end() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let olgas = follow(&olga, &project).await;
    let operator = suite.as_service("operator").channel(Sibling::Identity);
    let request = SuspendUserRequest { user_id: olga.id.to_string() };
    UserAdminServiceClient::new(operator).suspend_user(request).await.unwrap();
    assert_eq!(olgas.end(Instant::now()).await.0, [ENDED; 2]);
}

#[tokio::test]
async fn streams_of_a_revoked_api_token_end() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let project = olga.project("apollo").await;
    let expires_at = chrono::Utc::now() + chrono::TimeDelta::days(1);
    let request = identity::CreateApiTokenRequest {
        api_token: Some(identity::ApiToken {
            name: "the build".to_owned(),
            scopes: vec!["projects:read".to_owned(), "tasks:read".to_owned()],
            expires_at: Some(shared::json::to_timestamp(expires_at)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = olga.account().create_api_token(request).await.unwrap().into_inner();
    let mut program = olga.clone();
    program.session_token = Some(made.token);
    let programs = follow(&program, &project).await;
    let api_token_id = made.api_token.unwrap().id;
    olga.account().revoke_api_token(identity::RevokeApiTokenRequest { api_token_id }).await.unwrap();
    assert_eq!(programs.end(Instant::now()).await.0, [ENDED; 2]);
}

/// As after a message that Redis has lost: only the database knows.
#[tokio::test]
async fn a_stream_that_was_told_nothing_asks_and_ends() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let olgas = follow(&olga, &project).await;
    let since = Instant::now();
    let revoke = "UPDATE identity.user_sessions SET is_active = FALSE";
    suite.admin().await.batch_execute(revoke).await.unwrap();
    suite.forget_session(olga.session_token.as_deref().unwrap()).await;
    let (ends, delay) = olgas.end(since).await;
    assert_eq!(ends, [ENDED; 2]);
    assert!(delay < STREAM_RECHECK_INTERVAL * 2, "{delay:?}");
}

#[tokio::test]
async fn an_upload_under_way_ends_too() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let header = UploadHeader {
        target: Some(ContentTarget { target: Some(content_target::Target::ProjectId(project.id.clone())) }),
        filename: "endless.bin".to_owned(),
        ..Default::default()
    };
    let header =
        futures::stream::once(async { UploadAttachmentRequest { part: Some(Part::Header(header)) } });
    let chunk = UploadAttachmentRequest { part: Some(Part::Chunk(vec![0; CHUNK_BYTES].into())) };
    let (under_way, is_under_way) = tokio::sync::oneshot::channel();
    // More than fits into any window: it is sent only because it is read.
    let chunks = futures::stream::repeat(chunk).take(CHUNKS);
    let silence =
        futures::stream::once(async move { under_way.send(()).unwrap() }).then(|()| std::future::pending());
    let mut attachments = olga.attachments();
    let upload = attachments.upload_attachment(header.chain(chunks).chain(silence));
    let logout = async {
        is_under_way.await.unwrap();
        olga.auth().logout(identity::LogoutRequest {}).await.unwrap();
    };
    let (end, ()) = tokio::join!(tokio::time::timeout(TIMEOUT, upload), logout);
    assert_eq!(summary(&end.unwrap().unwrap_err()), ENDED);
}

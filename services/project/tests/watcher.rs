//! A watcher of a project.

use std::time::Duration;

use proto::project::v1::project_event::Subject;
use proto::project::v1::{Project, ProjectEvent, WatchProjectRequest, WatchProjectResponse};
use testkit::*;
use tokio::time::timeout;
use tonic::{Status, Streaming};

/// Far above what any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

pub struct Watcher {
    stream: Streaming<WatchProjectResponse>,
    pub token: String,
    pub seen: Vec<ProjectEvent>,
}

impl Watcher {
    pub async fn of(who: &Actor, request: WatchProjectRequest) -> Result<Self, Status> {
        let stream = who.projects().watch_project(request).await?.into_inner();
        Ok(Self { stream, token: String::new(), seen: Vec::new() })
    }

    pub async fn from_now(suite: &Suite, who: &Actor, project: &Project) -> Self {
        suite.wait_for_open_transactions().await;
        let mut watcher = Self::of(who, watch(project, "")).await.unwrap();
        watcher.next().await.unwrap();
        watcher
    }

    pub async fn next(&mut self) -> Result<(), Status> {
        let message = timeout(TIMEOUT, self.stream.message()).await.unwrap()?;
        let message = message.ok_or_else(|| Status::ok("the end"))?;
        self.token = message.resume_token;
        self.seen.extend(message.events);
        Ok(())
    }

    /// Reads until there are so many events.
    pub async fn until(&mut self, count: usize) -> &[ProjectEvent] {
        while self.seen.len() < count {
            self.next().await.unwrap();
        }
        &self.seen
    }

    /// Reads until the stream ends.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }
}

pub fn watch(project: &Project, resume_token: &str) -> WatchProjectRequest {
    WatchProjectRequest {
        project_id: project.id.clone(),
        resume_token: resume_token.to_owned(),
        ..Default::default()
    }
}

/// Events in short: resource, kind and changed fields.
pub fn describe(events: &[ProjectEvent]) -> Vec<String> {
    let name = |event: &ProjectEvent| {
        let part = match event.subject.as_ref().unwrap() {
            Subject::Project(_) => "project",
            Subject::Member(_) => "member",
            Subject::Invitation(_) => "invitation",
            Subject::Transfer(_) => "transfer",
        };
        format!("{part} {:?} {}", event.kind(), event.changed_fields.join(","))
    };
    events.iter().map(|event| name(event).trim().to_lowercase()).collect()
}

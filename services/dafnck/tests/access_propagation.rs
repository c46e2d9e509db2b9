//! How soon each kind of change of access takes effect in task and content, without a token, from its answer on.
//!
//! `MAX_FEED_SILENCE` bounds it to five seconds for which a copy is trusted: no call that begins later goes by the state before.
//! The figures are for those who look at the output.

use crate::harness::harness;
use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use prost_types::FieldMask;
use proto::content::v1::{Document, GetDocumentRequest, UpdateDocumentRequest};
use proto::project::v1 as project;
use proto::project::v1::{Project, ProjectRole, ProjectVisibility};
use proto::task::v1::{GetTaskRequest, Task, UpdateTaskRequest};
use shared::access::MAX_FEED_SILENCE;
use testkit::{Actor, Suite, summary, until_ok};
use tonic::{Code, Status};

const ROUNDS: usize = 10;

/// A project of Olga's with a task and a document, in which Mia is a member; Gus is a stranger.
struct Fixture {
    olga: Actor,
    mia: Actor,
    gus: Actor,
    project: Project,
    task: Task,
    document: Document,
    suite: Suite,
}

async fn fixture() -> Fixture {
    let suite = harness().start().await;
    let [olga, mia, gus] = suite.guests(["olga", "mia", "gus"]).await;
    let project = olga.project("apollo").await;
    let task = olga.task(&project, "buy milk").await;
    let document = olga.document(&project, "plan", "up").await;
    olga.add(&project, &mia, ProjectRole::Member).await;
    Fixture { olga, mia, gus, project, task, document, suite }
}

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: vec![path.to_owned()] })
}

/// Where it is tried.
#[derive(Clone, Copy, Debug)]
enum Service {
    Task,
    Content,
}

impl Fixture {
    async fn read(&self, who: &Actor, at: Service) -> Result<(), Status> {
        match at {
            Service::Task => {
                who.tasks().get_task(GetTaskRequest { task_id: self.task.id.clone() }).await.map(drop)
            }
            Service::Content => {
                let request = GetDocumentRequest { document_id: self.document.id.clone() };
                who.documents().get_document(request).await.map(drop)
            }
        }
    }

    /// A write that changes nothing, and passes every check.
    async fn write(&self, who: &Actor, at: Service) -> Result<(), Status> {
        match at {
            Service::Task => {
                let task = Task { id: self.task.id.clone(), ..Default::default() };
                let request = UpdateTaskRequest { task: Some(task), update_mask: None, ..Default::default() };
                who.tasks().update_task(request).await.map(drop)
            }
            Service::Content => {
                let document = Document { id: self.document.id.clone(), ..Default::default() };
                let request = UpdateDocumentRequest { document: Some(document), ..Default::default() };
                who.documents().update_document(request).await.map(drop)
            }
        }
    }

    async fn give_mia(&self, role: ProjectRole) {
        let member = project::Member {
            project_id: self.project.id.clone(),
            user_id: self.mia.id.to_string(),
            role: role.into(),
            ..Default::default()
        };
        let request = project::UpdateMemberRequest { member: Some(member), update_mask: mask("role") };
        self.olga.members().update_member(request).await.unwrap();
    }

    async fn show(&self, visibility: ProjectVisibility) {
        let project =
            Project { id: self.project.id.clone(), visibility: visibility.into(), ..Default::default() };
        let request = project::UpdateProjectRequest {
            project: Some(project),
            update_mask: mask("visibility"),
            ..Default::default()
        };
        self.olga.projects().update_project(request).await.unwrap();
    }

    async fn archive(&self) {
        let request =
            project::ArchiveProjectRequest { project_id: self.project.id.clone(), ..Default::default() };
        self.olga.projects().archive_project(request).await.unwrap();
    }

    async fn reopen(&self) {
        let request =
            project::ReopenProjectRequest { project_id: self.project.id.clone(), ..Default::default() };
        self.olga.projects().reopen_project(request).await.unwrap();
    }
}

/// A change of access.
#[derive(Clone, Copy, Debug)]
enum Change {
    LowerMia,
    RaiseMia,
    Show,
    Hide,
    Archive,
    Reopen,
}

impl Change {
    async fn make(self, fixture: &Fixture) {
        match self {
            Self::LowerMia => fixture.give_mia(ProjectRole::Viewer).await,
            Self::RaiseMia => fixture.give_mia(ProjectRole::Member).await,
            Self::Show => fixture.show(ProjectVisibility::Internal).await,
            Self::Hide => fixture.show(ProjectVisibility::Private).await,
            Self::Archive => fixture.archive().await,
            Self::Reopen => fixture.reopen().await,
        }
    }

    /// How those whom it concerns are answered then.
    fn answer(self) -> &'static str {
        match self {
            Self::LowerMia => "PERMISSION_DENIED PERMISSION_MISSING",
            Self::Hide => "NOT_FOUND RESOURCE_NOT_FOUND",
            Self::Archive => "FAILED_PRECONDITION PROJECT_READ_ONLY",
            Self::RaiseMia | Self::Show | Self::Reopen => "OK",
        }
    }

    async fn try_it(self, fixture: &Fixture, at: Service) -> Result<(), Status> {
        match self {
            Self::LowerMia | Self::RaiseMia => fixture.write(&fixture.mia, at).await,
            Self::Show | Self::Hide => fixture.read(&fixture.gus, at).await,
            Self::Archive | Self::Reopen => fixture.write(&fixture.olga, at).await,
        }
    }

    /// How long until it is so at a service, from now on. No call that begins after the bound goes by what was before.
    async fn time_of_effect(self, fixture: &Fixture, at: Service) -> Duration {
        let since = Instant::now();
        loop {
            let begun = since.elapsed();
            let answer =
                self.try_it(fixture, at).await.map_or_else(|refusal| summary(&refusal), |()| "OK".into());
            if answer == self.answer() {
                return since.elapsed();
            }
            assert!(
                begun < MAX_FEED_SILENCE,
                "{self:?}: still {answer} for a call that began after {begun:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_change_of_access_takes_effect_soon() {
    let fixture = fixture().await;
    for there_and_back in [
        [Change::LowerMia, Change::RaiseMia],
        [Change::Show, Change::Hide],
        [Change::Archive, Change::Reopen],
    ] {
        let mut times: [[Vec<Duration>; 2]; 2] = Default::default();
        for _ in 0..ROUNDS {
            for (change, [task, content]) in there_and_back.iter().zip(&mut times) {
                change.make(&fixture).await;
                let both = tokio::join!(
                    change.time_of_effect(&fixture, Service::Task),
                    change.time_of_effect(&fixture, Service::Content)
                );
                task.push(both.0);
                content.push(both.1);
            }
        }
        for (change, times) in there_and_back.iter().zip(&mut times) {
            report(*change, times);
        }
    }
}

fn report(change: Change, times: &mut [Vec<Duration>; 2]) {
    for (service, times) in [Service::Task, Service::Content].into_iter().zip(times) {
        times.sort_unstable();
        let [p50, p99] = [50, 99].map(|percent| times[(times.len() - 1) * percent / 100]);
        println!("{change:?} takes effect in {service:?} after p50 {p50:?}, p99 {p99:?}");
    }
}

/// The feed of access falls silent with its connection open, for the project service cannot read. Then task and content
/// trust their copies for as long as DESIGN says, and from then on nobody: never open.
#[tokio::test]
async fn a_feed_that_is_silent_is_not_believed_for_long() {
    let fixture = fixture().await;
    for service in [Service::Task, Service::Content] {
        fixture.read(&fixture.mia, service).await.unwrap();
    }
    let mut admin = fixture.suite.admin_of("project").await;
    admin.batch_execute("BEGIN; LOCK TABLE project.access_revisions, project.change_log").await.unwrap();
    let since = Instant::now();
    let refused = async |service| {
        loop {
            let begun = since.elapsed();
            match fixture.read(&fixture.mia, service).await {
                // A heartbeat may have been on its way.
                Ok(()) => {
                    assert!(begun < MAX_FEED_SILENCE + Duration::from_secs(1), "{service:?} still trusts")
                }
                Err(refusal) => return refusal.code(),
            }
        }
    };
    let codes = tokio::join!(refused(Service::Task), refused(Service::Content));
    for code in [codes.0, codes.1] {
        assert!(matches!(code, Code::Unavailable | Code::DeadlineExceeded), "{code:?}");
    }
    assert!(since.elapsed() >= MAX_FEED_SILENCE - Duration::from_secs(1), "{:?}", since.elapsed());

    admin.batch_execute("ROLLBACK").await.unwrap();
    for service in [Service::Task, Service::Content] {
        until_ok("it comes back", MAX_FEED_SILENCE * 12, async || fixture.read(&fixture.mia, service).await)
            .await;
    }
}

//! A project with everything in it, and everybody who may meet it.

use futures::stream;
use proto::content::v1 as content;
use proto::content::v1::upload_attachment_request::Part;
use proto::project::v1 as project;
use proto::project::v1::{Project, ProjectVisibility};
use proto::task::v1 as task;
use shared::access::{AT_LEAST_AS_FRESH, CONSISTENCY_TOKEN};
use shared::schema::ProjectRole;
use testkit::{Actor, Service, Suite, new_id};
use tonic::Request;
use tonic::transport::Channel;

use super::sample::Ids;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    Owner,
    Admin,
    Member,
    Viewer,
    Stranger,
    Nobody,
}

impl Person {
    pub const ALL: [Self; 6] =
        [Self::Owner, Self::Admin, Self::Member, Self::Viewer, Self::Stranger, Self::Nobody];

    pub fn title(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
            Self::Stranger => "stranger",
            Self::Nobody => "signed out",
        }
    }

    pub fn role(self) -> Option<ProjectRole> {
        match self {
            Self::Owner => Some(ProjectRole::Owner),
            Self::Admin => Some(ProjectRole::Admin),
            Self::Member => Some(ProjectRole::Member),
            Self::Viewer => Some(ProjectRole::Viewer),
            Self::Stranger | Self::Nobody => None,
        }
    }
}

/// What kind of project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Private,
    Internal,
    Public,
    /// And private.
    Archived,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Private, Self::Internal, Self::Public, Self::Archived];

    pub fn title(self) -> &'static str {
        match self {
            Self::Private => "A private project",
            Self::Internal => "An internal project",
            Self::Public => "A public project",
            Self::Archived => "A private project that is archived",
        }
    }

    fn visibility(self) -> ProjectVisibility {
        match self {
            Self::Private | Self::Archived => ProjectVisibility::Private,
            Self::Internal => ProjectVisibility::Internal,
            Self::Public => ProjectVisibility::Public,
        }
    }

    /// Whether somebody without a role sees it.
    pub fn is_seen_by(self, person: Person) -> bool {
        match self {
            Self::Private | Self::Archived => false,
            Self::Internal => person != Person::Nobody,
            Self::Public => true,
        }
    }
}

pub struct World {
    /// In the order of [`Person::ALL`].
    people: [(Actor, Ids); 6],
    channels: [Channel; 3],
}

impl World {
    pub async fn of(suite: &Suite, kind: Kind) -> Self {
        let names = ["owner", "admin", "member", "viewer", "stranger", "heir"];
        let names = names.map(|name| format!("{name}-{kind:?}").to_lowercase());
        let [owner, admin, member, viewer, stranger, heir] =
            suite.guests(names.each_ref().map(String::as_str)).await;
        let project = create_project(&owner, kind).await;
        for (who, role) in [
            (&admin, project::ProjectRole::Admin),
            (&member, project::ProjectRole::Member),
            (&viewer, project::ProjectRole::Viewer),
            (&heir, project::ProjectRole::Viewer),
        ] {
            owner.add(&project, who, role).await;
        }
        let ids = fill(&owner, &heir, &project).await;
        if kind == Kind::Archived {
            archive(&owner, &ids).await;
        }
        let people = [owner, admin, member, viewer, stranger, suite.anonymous()];
        let channels = [Service::Project, Service::Task, Service::Content].map(|one| suite.channel(one));
        let people: Vec<_> = people.into_iter().zip(ids).collect();
        Self { people: people.try_into().ok().unwrap(), channels }
    }

    pub fn actor(&self, person: Person) -> &Actor {
        &self.people[person as usize].0
    }

    pub fn ids(&self, person: Person) -> &Ids {
        &self.people[person as usize].1
    }

    pub fn channel(&self, path: &str) -> Channel {
        let service = ["/dafnck.project.", "/dafnck.task.", "/dafnck.content."];
        let place = service.iter().position(|package| path.starts_with(package)).unwrap();
        self.channels[place].clone()
    }
}

async fn create_project(owner: &Actor, kind: Kind) -> Project {
    let request = project::CreateProjectRequest {
        project: Some(project::Project {
            name: "apollo".to_owned(),
            visibility: kind.visibility().into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    owner.projects().create_project(request).await.unwrap().into_inner()
}

/// Puts one of everything into a project, and of what may be deleted one for each person.
async fn fill(owner: &Actor, heir: &Actor, project: &Project) -> Vec<Ids> {
    let project_id = project.id.clone();
    let offer = project::OfferOwnershipRequest {
        project_id: project_id.clone(),
        user_id: heir.id.to_string(),
        ..Default::default()
    };
    let transfer = owner.members().offer_ownership(offer).await.unwrap().into_inner().id;
    let invitation = project::CreateInvitationRequest {
        invitation: Some(project::Invitation {
            project_id: project_id.clone(),
            email: "vera@example.org".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let invitation = owner.members().create_invitation(invitation).await.unwrap().into_inner().id;
    let (webhook, webhook_delivery) = webhook(owner, &project_id).await;
    let [task, other_task] = [owner.task(project, "fly").await, owner.task(project, "build").await];
    let things = Ids {
        project: project_id,
        owner: owner.id.to_string(),
        member: heir.id.to_string(),
        invitation,
        transfer,
        webhook,
        webhook_delivery,
        task: task.id.clone(),
        task_key: task.key.clone(),
        other_task: other_task.id,
        document: owner.document(project, "plan", "up").await.id,
        upload: begin_upload(owner, &task.id).await,
        comment: comment(owner, &task.id).await,
        ..Ids::default()
    };
    let mut all = Vec::new();
    for person in Person::ALL {
        let waiting = owner.task(project, person.title()).await;
        let dependency = depend(owner, &waiting, &task).await;
        let attachment = attach(owner, &task.id).await;
        let time_entry = track(owner, &task.id).await;
        let milestone = plan_milestone(owner, project).await;
        let at = Some(shared::json::to_timestamp(chrono::Utc::now()));
        all.push(Ids { dependency, attachment, milestone, time_entry, at, ..things.clone() });
    }
    all
}

async fn depend(owner: &Actor, waiting: &task::Task, on: &task::Task) -> String {
    let request = task::CreateTaskDependencyRequest {
        task_dependency: Some(task::TaskDependency {
            task_id: waiting.id.clone(),
            depends_on_task_id: on.id.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    owner.plans().create_task_dependency(request).await.unwrap().into_inner().id
}

async fn plan_milestone(owner: &Actor, project: &Project) -> String {
    let milestone =
        task::Milestone { project_id: project.id.clone(), name: "landed".to_owned(), ..Default::default() };
    let request = task::CreateMilestoneRequest { milestone: Some(milestone), ..Default::default() };
    owner.milestones().create_milestone(request).await.unwrap().into_inner().id
}

async fn track(owner: &Actor, task_id: &str) -> String {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let time_entry = task::TimeEntry {
        task_id: task_id.to_owned(),
        started_at: at(1_000),
        ended_at: at(2_000),
        ..Default::default()
    };
    let request = task::CreateTimeEntryRequest { time_entry: Some(time_entry), ..Default::default() };
    owner.time_entries().create_time_entry(request).await.unwrap().into_inner().id
}

async fn attach(owner: &Actor, task_id: &str) -> String {
    let header = content::UploadHeader {
        target: Some(content::ContentTarget {
            target: Some(content::content_target::Target::TaskId(task_id.to_owned())),
        }),
        filename: "plan.txt".to_owned(),
        ..Default::default()
    };
    let parts = [Part::Header(header), Part::Chunk("up".into())];
    let parts = stream::iter(parts.map(|part| content::UploadAttachmentRequest { part: Some(part) }));
    owner.attachments().upload_attachment(parts).await.unwrap().into_inner().id
}

/// A webhook whose endpoint nobody serves, and a delivery to it.
async fn webhook(owner: &Actor, project_id: &str) -> (String, String) {
    let webhook = project::Webhook {
        project_id: project_id.to_owned(),
        url: "https://127.0.0.1:1/".to_owned(),
        ..Default::default()
    };
    let request = project::CreateWebhookRequest { webhook: Some(webhook), ..Default::default() };
    let created = owner.webhooks().create_webhook(request).await.unwrap().into_inner().webhook.unwrap();
    let request = project::SendTestEventRequest { request_id: new_id(), webhook_id: created.id.clone() };
    let delivery = owner.webhooks().send_test_event(request).await.unwrap().into_inner();
    (created.id, delivery.id)
}

async fn comment(owner: &Actor, task_id: &str) -> String {
    let comment = content::Comment {
        target: Some(content::ContentTarget {
            target: Some(content::content_target::Target::TaskId(task_id.to_owned())),
        }),
        content: "why?".to_owned(),
        ..Default::default()
    };
    let request = content::CreateCommentRequest { comment: Some(comment), ..Default::default() };
    owner.comments().create_comment(request).await.unwrap().into_inner().id
}

async fn begin_upload(owner: &Actor, task_id: &str) -> String {
    let request = content::CreateUploadRequest {
        request_id: new_id(),
        upload: Some(content::Upload {
            target: Some(content::ContentTarget {
                target: Some(content::content_target::Target::TaskId(task_id.to_owned())),
            }),
            filename: "film.bin".to_owned(),
            size: 10,
            ..Default::default()
        }),
    };
    owner.attachments().create_upload(request).await.unwrap().into_inner().id
}

/// Archives, and waits until task and content know.
async fn archive(owner: &Actor, ids: &[Ids]) {
    let Ids { project, task, document, .. } = ids[0].clone();
    let request = project::ArchiveProjectRequest { project_id: project, ..Default::default() };
    let answer = owner.projects().archive_project(request).await.unwrap();
    let token = answer.metadata().get(CONSISTENCY_TOKEN).unwrap().clone();
    let mut know = Request::new(task::GetTaskRequest { task_id: task });
    know.metadata_mut().insert(AT_LEAST_AS_FRESH, token.clone());
    owner.tasks().get_task(know).await.unwrap();
    let mut know = Request::new(content::GetDocumentRequest { document_id: document });
    know.metadata_mut().insert(AT_LEAST_AS_FRESH, token);
    owner.documents().get_document(know).await.unwrap();
}

//! A deleted project goes with everything that hangs on it, in all services: by foreign keys where the schemas share a
//! database, and by the feeds alone where they do not. Files go after a grace period, which the content service's own tests
//! look at.

use crate::harness::harness;
use dafnck::services::REFERENCES;
use std::time::{Duration, Instant};

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures::stream;
use proto::content::v1::content_target::Target;
use proto::content::v1::upload_attachment_request::Part;
use proto::content::v1::{
    AddCommentReactionRequest, Comment, ContentTarget, CreateCommentRequest, UploadAttachmentRequest,
    UploadHeader,
};
use proto::project::v1::{
    CreateInvitationRequest, DeleteProjectRequest, Invitation, OfferOwnershipRequest, Project, ProjectRole,
};
use proto::task::v1::{
    CreateMilestoneRequest, CreateTaskDependencyRequest, CreateTimeEntryRequest, Milestone, TaskDependency,
    TimeEntry,
};
use shared::migrate;
use testkit::{Actor, Suite, Topology};

/// All that is counted, and how.
const EVERYTHING: [(&str, &str); 15] = [
    ("projects", "project.projects WHERE id"),
    ("members", "project.project_members WHERE project_id"),
    ("offers", "project.ownership_transfers WHERE project_id"),
    ("invitations", "project.invitations WHERE project_id"),
    ("tasks", "task.tasks WHERE project_id"),
    ("dependencies", "task.task_dependencies d JOIN task.tasks t ON t.id = d.task_id WHERE t.project_id"),
    ("milestones", "task.milestones WHERE project_id"),
    ("time entries", "task.time_entries WHERE project_id"),
    ("members in task", "task.project_access_members WHERE project_id"),
    ("documents", "content.documents WHERE project_id"),
    (
        "versions",
        "content.document_versions v JOIN content.documents d ON d.id = v.document_id WHERE d.project_id",
    ),
    ("attachments", "content.file_attachments WHERE project_id"),
    ("comments", "content.comments WHERE project_id"),
    ("reactions", "content.comment_reactions WHERE project_id"),
    ("members in content", "content.project_access_members WHERE project_id"),
];

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn attach(who: &Actor, target: Target) {
    let header = UploadHeader {
        target: Some(ContentTarget { target: Some(target) }),
        filename: "plan.txt".to_owned(),
        ..Default::default()
    };
    let parts = [Part::Header(header), Part::Chunk("up, and down again".into())];
    let parts = parts.map(|part| UploadAttachmentRequest { part: Some(part) });
    who.attachments().upload_attachment(stream::iter(parts)).await.unwrap();
}

async fn comment(who: &Actor, target: Target) {
    let target = Some(ContentTarget { target: Some(target) });
    let comment = Comment { target, content: "Why?".to_owned(), ..Default::default() };
    let request = CreateCommentRequest { comment: Some(comment), ..Default::default() };
    let comment_id = who.comments().create_comment(request).await.unwrap().into_inner().id;
    let request = AddCommentReactionRequest { comment_id, emoji: "👍".to_owned() };
    who.comments().add_comment_reaction(request).await.unwrap();
}

/// A project with something of everything.
pub async fn full_project(olga: &Actor, gus: &Actor) -> Project {
    let project = olga.project("apollo").await;
    olga.add(&project, gus, ProjectRole::Member).await;
    let offer = OfferOwnershipRequest {
        project_id: project.id.clone(),
        user_id: gus.id.to_string(),
        ..Default::default()
    };
    olga.members().offer_ownership(offer).await.unwrap();
    let invitation = CreateInvitationRequest {
        invitation: Some(Invitation {
            project_id: project.id.clone(),
            email: "vera@example.org".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    olga.members().create_invitation(invitation).await.unwrap();
    let [build, fly] = [olga.task(&project, "build").await, olga.task(&project, "fly").await];
    let dependency = CreateTaskDependencyRequest {
        task_dependency: Some(TaskDependency {
            task_id: fly.id.clone(),
            depends_on_task_id: build.id,
            ..Default::default()
        }),
        ..Default::default()
    };
    olga.plans().create_task_dependency(dependency).await.unwrap();
    let milestone =
        Some(Milestone { project_id: project.id.clone(), name: "landed".to_owned(), ..Default::default() });
    let request = CreateMilestoneRequest { milestone, ..Default::default() };
    olga.milestones().create_milestone(request).await.unwrap();
    let time_entry = Some(TimeEntry { task_id: fly.id.clone(), ..Default::default() });
    let request = CreateTimeEntryRequest { time_entry, ..Default::default() };
    olga.time_entries().create_time_entry(request).await.unwrap();
    let document = olga.document(&project, "plan", "up").await;
    attach(olga, Target::ProjectId(project.id.clone())).await;
    attach(olga, Target::TaskId(fly.id.clone())).await;
    comment(olga, Target::TaskId(fly.id)).await;
    attach(olga, Target::DocumentId(document.id)).await;
    project
}

/// What is left of a project, by name.
async fn left_of(suite: &Suite, project: &Project) -> Vec<&'static str> {
    let mut left = Vec::new();
    for (name, source) in EVERYTHING {
        let mut admin = suite.admin_of(source.split('.').next().unwrap()).await;
        let query = format!("SELECT count(*) FROM {source} = '{}'", project.id);
        if sql_query(query).get_result::<Count>(&mut admin).await.unwrap().count > 0 {
            left.push(name);
        }
    }
    left
}

async fn deleting_leaves_nothing(suite: &Suite) {
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = full_project(&olga, &gus).await;
    let all: Vec<_> = EVERYTHING.iter().map(|(name, _)| *name).collect();
    assert_eq!(left_of(suite, &project).await, all);
    let delete = DeleteProjectRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().delete_project(delete).await.unwrap();
    nothing_is_left(suite, &project).await;
}

/// Waits until a deleted project has left nothing anywhere.
pub async fn nothing_is_left(suite: &Suite, project: &Project) {
    let start = Instant::now();
    loop {
        let left = left_of(suite, project).await;
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_deleted_project_leaves_nothing_in_one_database() {
    deleting_leaves_nothing(&harness().start_in(Topology::PLAIN).await).await;
}

#[tokio::test]
async fn a_deleted_project_leaves_nothing_where_only_the_feeds_tell_of_it() {
    let suite = harness().start_in(Topology::PLAIN).await;
    assert!(migrate::down(&suite.admin_url, &REFERENCES, 0).await.unwrap() > 0);
    deleting_leaves_nothing(&suite).await;
}

#[tokio::test]
async fn a_deleted_project_leaves_nothing_in_four_databases() {
    deleting_leaves_nothing(&harness().start_in(Topology::FOUR).await).await;
}

/// Each batch holds the lock of the dependency graph only for itself.
#[tokio::test]
async fn the_tasks_of_a_large_deleted_project_go_in_batches() {
    let suite = harness().start_in(Topology::FOUR).await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = full_project(&olga, &gus).await;
    let root = olga.task(&project, "root").await;
    let (id, who) = (&project.id, olga.id);
    let mut admin = suite.admin_of(task::NAME).await;
    admin
        .batch_execute(&format!(
            "INSERT INTO task.tasks (project_id, parent_task_id, title, creator_id) \
             SELECT '{id}', '{}', 'part', '{who}' FROM generate_series(1, 1200)",
            root.id
        ))
        .await
        .unwrap();

    let delete = DeleteProjectRequest { project_id: id.clone(), ..Default::default() };
    olga.projects().delete_project(delete).await.unwrap();
    nothing_is_left(&suite, &project).await;

    let deletions =
        format!("task.change_log WHERE entity = 'tasks' AND operation = 'delete' AND project_id = '{id}'");
    assert!(suite.count(&deletions).await > 1_200);
    let batches = format!("(SELECT DISTINCT transaction_id FROM {deletions}) batches");
    assert!(suite.count(&batches).await >= 3);
}

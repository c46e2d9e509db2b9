//! A member who may write, but not read, is told nothing of what there is to read: by no method, in no field, in no error.

use std::fmt::Write;

use expect_test::expect_file;
use prost_types::FieldMask;
use proto::common::Permission;
use proto::content::v1 as content;
use proto::project::v1 as project;
use proto::task::v1 as task;
use testkit::{Actor, Suite, until};
use tonic::Status;

use super::sample::{Ids, Sample};
use super::world::{Kind, Person, World};
use super::{PREFIX, requests, task_requests, verdict};
use crate::harness::harness;
use crate::method_rules::call;

const SECRET: &str = "confidential";
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: vec![path.to_owned()] })
}

/// Writes the secret wherever a title, a text or a name is.
async fn write_secrets(owner: &Actor, ids: &Ids) {
    for id in [&ids.task, &ids.other_task] {
        let titled = task::Task { id: id.clone(), title: SECRET.to_owned(), ..Default::default() };
        let request =
            task::UpdateTaskRequest { task: Some(titled), update_mask: mask("title"), ..Default::default() };
        owner.tasks().update_task(request).await.unwrap();
    }
    let document = content::Document {
        id: ids.document.clone(),
        title: SECRET.to_owned(),
        content: Some(SECRET.to_owned()),
        ..Default::default()
    };
    let update_mask = Some(FieldMask { paths: vec!["title".to_owned(), "content".to_owned()] });
    let request =
        content::UpdateDocumentRequest { document: Some(document), update_mask, ..Default::default() };
    owner.documents().update_document(request).await.unwrap();
    let attachment =
        content::Attachment { id: ids.attachment.clone(), filename: SECRET.to_owned(), ..Default::default() };
    let request = content::UpdateAttachmentRequest {
        attachment: Some(attachment),
        update_mask: mask("filename"),
        ..Default::default()
    };
    owner.attachments().update_attachment(request).await.unwrap();
    let comment =
        content::Comment { id: ids.comment.clone(), content: SECRET.to_owned(), ..Default::default() };
    let request = content::UpdateCommentRequest { comment: Some(comment), ..Default::default() };
    owner.comments().update_comment(request).await.unwrap();
}

/// Takes all permissions to read from an admin, and waits until task and content know.
async fn deny_reading(owner: &Actor, admin: &Actor, ids: &Ids) {
    let denied = [
        Permission::MemberRead,
        Permission::TaskRead,
        Permission::DocumentRead,
        Permission::AttachmentRead,
        Permission::CommentRead,
    ];
    let member = project::Member {
        project_id: ids.project.clone(),
        user_id: admin.id.to_string(),
        denied_permissions: denied.into_iter().map(Into::into).collect(),
        ..Default::default()
    };
    let request =
        project::UpdateMemberRequest { member: Some(member), update_mask: mask("denied_permissions") };
    owner.members().update_member(request).await.unwrap();
    let get_task = || task::GetTaskRequest { task_id: ids.task.clone() };
    until("task knows", TIMEOUT, async || admin.tasks().get_task(get_task()).await.is_err()).await;
    let get_document = || content::GetDocumentRequest { document_id: ids.document.clone() };
    until("content knows", TIMEOUT, async || admin.documents().get_document(get_document()).await.is_err())
        .await;
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Calls as an admin, and fails if the answer or the error holds one of the secrets.
async fn call_blind(world: &World, (method, message): Sample, secrets: &[&str]) -> &'static str {
    let admin = world.actor(Person::Admin);
    let authorization = admin.session_token.as_ref().map(|token| format!("Bearer {token}"));
    let path = format!("{PREFIX}{method}");
    let answer = call(world.channel(&path), &path, authorization, message.into()).await;
    let seen: Vec<u8> = match &answer {
        Ok(answer) => answer.clone().unwrap_or_default().to_vec(),
        Err(status) => text_of(status),
    };
    for secret in secrets {
        assert!(!holds(&seen, secret), "{method} tells {secret}: {}", String::from_utf8_lossy(&seen));
    }
    verdict(method, answer)
}

fn text_of(status: &Status) -> Vec<u8> {
    [status.message().as_bytes(), status.details()].concat()
}

async fn blind_world(suite: &Suite) -> World {
    let world = World::of(suite, Kind::Private).await;
    write_secrets(world.actor(Person::Owner), world.ids(Person::Admin)).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_tells_a_member_what_they_may_not_read() {
    let suite = harness().start().await;
    let world = blind_world(&suite).await;
    let ids = world.ids(Person::Admin);
    deny_reading(world.actor(Person::Owner), world.actor(Person::Admin), ids).await;

    let mut table = String::new();
    for sample in requests::all(ids) {
        let method = sample.0;
        let verdict = call_blind(&world, sample, &[SECRET]).await;
        writeln!(table, "{method:<62}{verdict}").unwrap();
    }
    expect_file!["./without_read.txt"].assert_eq(&table);
}

/// Tasks of the admin's own project wait for a task that they may not read any more, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn no_method_tells_of_hidden_tasks_that_are_linked_to_visible_ones() {
    let suite = harness().start().await;
    let world = blind_world(&suite).await;
    let (owner, admin, ids) =
        (world.actor(Person::Owner), world.actor(Person::Admin), world.ids(Person::Admin));
    let own = admin.project("own").await;
    let [waiting, awaited] = [admin.task(&own, "waiting").await, admin.task(&own, "awaited").await];
    let dependency = depend(admin, &waiting.id, &ids.task).await;
    depend(admin, &ids.task, &ids.other_task).await;
    depend(admin, &ids.other_task, &awaited.id).await;
    deny_reading(owner, admin, ids).await;

    let visible = Ids {
        project: own.id.clone(),
        // A dependency of the awaited task on the waiting one would close a cycle through the hidden ones.
        task: waiting.id.clone(),
        other_task: awaited.id,
        task_key: waiting.key.clone(),
        dependency,
        ..ids.clone()
    };
    let complete = task::CompleteTaskRequest { task_id: waiting.id, ..Default::default() };
    let complete = ("task.v1.TaskService/CompleteTask", prost::Message::encode_to_vec(&complete));
    let secrets = [SECRET, ids.task.as_str(), ids.other_task.as_str()];
    let mut passed = 0;
    for sample in [complete].into_iter().chain(task_requests::all(&visible)) {
        let verdict = call_blind(&world, sample, &secrets).await;
        passed += usize::from(verdict == "may");
    }
    assert!(passed > 20, "{passed}");
}

async fn depend(who: &Actor, waiting: &str, on: &str) -> String {
    let dependency = task::TaskDependency {
        task_id: waiting.to_owned(),
        depends_on_task_id: on.to_owned(),
        ..Default::default()
    };
    let request =
        task::CreateTaskDependencyRequest { task_dependency: Some(dependency), ..Default::default() };
    who.plans().create_task_dependency(request).await.unwrap().into_inner().id
}

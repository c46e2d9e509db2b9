//! An archived project is read-only in task and content too, for every method that writes.

use crate::harness::harness;
use std::collections::BTreeSet;

use futures::stream;
use prost_reflect::prost_types::method_options::IdempotencyLevel;
use proto::MethodRules;
use proto::content::v1 as content;
use proto::content::v1::upload_attachment_request::Part;
use proto::project::v1 as project;
use proto::task::v1 as task;
use shared::access::Permissions;
use shared::schema::ProjectRole;
use testkit::{Actor, new_id, summary};
use tonic::Status;

use crate::method_rules::{methods, path_of};

/// Whether a method says of itself that it only reads.
fn only_reads(method: &prost_reflect::MethodDescriptor) -> bool {
    method
        .method_descriptor_proto()
        .options
        .as_ref()
        .is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
}

/// A method that writes into a project and is not stopped by archiving would be a hole, whoever adds it.
#[test]
fn every_writing_method_of_task_and_content_needs_what_archiving_suspends() {
    let owner = Permissions::of(Some(ProjectRole::Owner), None);
    let (suspended, _) = owner.split_by_archiving();
    let rules = MethodRules::suite();
    let mut open = BTreeSet::new();
    for method in methods() {
        let path = path_of(&method);
        let is_of_project = path.starts_with("/dafnck.task.v1.") || path.starts_with("/dafnck.content.v1.");
        if is_of_project && !only_reads(&method) && !suspended.contains(rules.get(&path).unwrap().permission)
        {
            open.insert(path);
        }
    }
    // Whoever has started time may end it: it would run on.
    assert_eq!(open, BTreeSet::from(["/dafnck.task.v1.TimeEntryService/StopTimeEntry".to_owned()]));
}

/// Somebody's things in a project, made before it was archived.
struct Contents {
    project: project::Project,
    task: task::Task,
    dependency: task::TaskDependency,
    document: content::Document,
    attachment: content::Attachment,
}

fn upload(entity_id: &str) -> impl futures::Stream<Item = content::UploadAttachmentRequest> + use<> {
    let header = content::UploadHeader {
        target: Some(content::ContentTarget {
            target: Some(content::content_target::Target::DocumentId(entity_id.to_owned())),
        }),
        filename: "plan.txt".to_owned(),
        ..Default::default()
    };
    let parts = [Part::Header(header), Part::Chunk("up".into())];
    stream::iter(parts.map(|part| content::UploadAttachmentRequest { part: Some(part) }))
}

async fn things(olga: &Actor) -> Contents {
    let project = olga.project("apollo").await;
    let [task, other] = [olga.task(&project, "fly").await, olga.task(&project, "build").await];
    let dependency = task::CreateTaskDependencyRequest {
        task_dependency: Some(task::TaskDependency {
            task_id: task.id.clone(),
            depends_on_task_id: other.id,
            ..Default::default()
        }),
        ..Default::default()
    };
    let dependency = olga.plans().create_task_dependency(dependency).await.unwrap().into_inner();
    let document = olga.document(&project, "plan", "up").await;
    let attachment = olga.attachments().upload_attachment(upload(&document.id)).await.unwrap().into_inner();
    Contents { project, task, dependency, document, attachment }
}

fn mask(path: &str) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: vec![path.to_owned()] })
}

async fn write_tasks(who: &Actor, of: &Contents) -> Vec<(&'static str, Result<(), Status>)> {
    let task_id = of.task.id.clone();
    let create = task::CreateTaskRequest {
        task: Some(task::Task {
            project_id: of.project.id.clone(),
            title: "more".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let update = task::UpdateTaskRequest {
        task: Some(task::Task { etag: String::new(), ..of.task.clone() }),
        update_mask: mask("title"),
        ..Default::default()
    };
    let complete = task::CompleteTaskRequest { task_id: task_id.clone(), ..Default::default() };
    let delete = task::DeleteTaskRequest { task_id: task_id.clone(), ..Default::default() };
    let link = task::CreateTaskDependencyRequest {
        task_dependency: Some(task::TaskDependency {
            task_id: of.dependency.depends_on_task_id.clone(),
            depends_on_task_id: task_id,
            ..Default::default()
        }),
        ..Default::default()
    };
    let unlink = task::DeleteTaskDependencyRequest {
        selector: Some(task::delete_task_dependency_request::Selector::DependencyId(
            of.dependency.id.clone(),
        )),
    };
    let mut dependencies = who.plans();
    vec![
        ("CreateTask", who.tasks().create_task(create).await.map(drop)),
        ("UpdateTask", who.tasks().update_task(update).await.map(drop)),
        ("CompleteTask", who.tasks().complete_task(complete).await.map(drop)),
        ("DeleteTask", who.tasks().delete_task(delete).await.map(drop)),
        ("CreateTaskDependency", dependencies.create_task_dependency(link).await.map(drop)),
        ("DeleteTaskDependency", dependencies.delete_task_dependency(unlink).await.map(drop)),
    ]
}

async fn write_content(who: &Actor, of: &Contents) -> Vec<(&'static str, Result<(), Status>)> {
    let (document_id, mut documents) = (of.document.id.clone(), who.documents());
    let create = content::CreateDocumentRequest {
        document: Some(content::Document {
            project_id: of.project.id.clone(),
            title: "more".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let update = content::UpdateDocumentRequest {
        document: Some(content::Document { etag: String::new(), ..of.document.clone() }),
        update_mask: mask("title"),
        ..Default::default()
    };
    let id = document_id.clone();
    let submit = content::SubmitDocumentRequest { document_id: id.clone(), ..Default::default() };
    let publish = content::PublishDocumentRequest { document_id: id.clone(), ..Default::default() };
    let archive = content::ArchiveDocumentRequest { document_id: id.clone(), ..Default::default() };
    let revise = content::ReviseDocumentRequest { document_id: id.clone(), ..Default::default() };
    let delete = content::DeleteDocumentRequest { document_id: id.clone(), ..Default::default() };
    let restore = content::RestoreDocumentVersionRequest {
        request_id: new_id(),
        document_id: id,
        version_number: 1,
        ..Default::default()
    };
    let detach =
        content::DeleteAttachmentRequest { attachment_id: of.attachment.id.clone(), ..Default::default() };
    vec![
        ("CreateDocument", documents.create_document(create).await.map(drop)),
        ("UpdateDocument", documents.update_document(update).await.map(drop)),
        ("SubmitDocument", documents.submit_document(submit).await.map(drop)),
        ("PublishDocument", documents.publish_document(publish).await.map(drop)),
        ("ArchiveDocument", documents.archive_document(archive).await.map(drop)),
        ("ReviseDocument", documents.revise_document(revise).await.map(drop)),
        ("DeleteDocument", documents.delete_document(delete).await.map(drop)),
        ("RestoreDocumentVersion", documents.restore_document_version(restore).await.map(drop)),
        ("UploadAttachment", who.attachments().upload_attachment(upload(&document_id)).await.map(drop)),
        ("DeleteAttachment", who.attachments().delete_attachment(detach).await.map(drop)),
    ]
}

#[tokio::test]
async fn nothing_is_written_into_an_archived_project_and_everything_is_read() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let of = things(&olga).await;
    let archive = project::ArchiveProjectRequest { project_id: of.project.id.clone(), ..Default::default() };
    let answer = olga.projects().archive_project(archive).await.unwrap();
    let token = answer.metadata().get(shared::access::CONSISTENCY_TOKEN).unwrap().clone();
    // From here on both services know.
    let mut know = tonic::Request::new(task::GetTaskRequest { task_id: of.task.id.clone() });
    know.metadata_mut().insert(shared::access::AT_LEAST_AS_FRESH, token.clone());
    olga.tasks().get_task(know).await.unwrap();
    let mut know = tonic::Request::new(content::GetDocumentRequest { document_id: of.document.id.clone() });
    know.metadata_mut().insert(shared::access::AT_LEAST_AS_FRESH, token);
    olga.documents().get_document(know).await.unwrap();

    for (method, outcome) in [write_tasks(&olga, &of).await, write_content(&olga, &of).await].concat() {
        let refusal = outcome.expect_err(method);
        assert_eq!(summary(&refusal), "FAILED_PRECONDITION PROJECT_READ_ONLY", "{method}");
    }
}

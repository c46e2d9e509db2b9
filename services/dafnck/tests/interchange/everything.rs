//! A suite with one of everything, made as people make it.

use diesel_async::SimpleAsyncConnection;
use proto::common::Permission;
use proto::content::v1 as content;
use proto::content::v1::content_target::Target;
use proto::identity::admin::v1 as administration;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1 as identity;
use proto::project::v1 as project;
use proto::project::v1::{Project, ProjectRole, ProjectVisibility};
use proto::task::v1 as task;
use proto::task::v1::move_task_request::Destination;
use proto::task::v1::{DependencyType, Task, TaskPriority, TaskStatus};
use serde_json::{Value, json};
use shared::json::to_struct;
use shared::siblings::Sibling;
use testkit::{Actor, Suite};

use super::files_and_comments::{attach, comments, files};

/// JSON of every kind, with numbers that are hard to write down.
fn json_of_every_kind() -> Value {
    json!({
        "b": [1, -2.5, 0.1, 1e-7, 1e300, 0.300_000_000_000_000_04, 9_007_199_254_740_991_i64, null, true],
        "a": {"ü": "😀\n\"\\\u{1}", "": {}, "z": []}
    })
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

/// Users in every state, projects in every state and visibility, members in every role, tasks in every status, all
/// dependencies, documents in every state with versions, and files on all that has some.
pub(super) async fn fill(suite: &Suite) {
    let olga = suite.user("olga").await;
    let [gus, vera, ada, max] = suite.guests(["gus", "vera", "ada", "max"]).await;
    let apollo = apollo(&olga, [&gus, &vera, &ada]).await;
    accounts(suite, &olga, [&ada, &max]).await;
    let fly = tasks(&olga, &gus, &apollo).await;
    let plan = documents(&olga, &gus, &apollo).await;
    time_entries(&olga, &gus, &fly).await;
    files(&olga, &gus, &apollo, &fly, &plan).await;
    comments(&olga, &gus, &apollo, &fly, &plan).await;
    other_projects(&olga, &gus).await;
    // Who has left has left something behind.
    let gone = project::RemoveMemberRequest {
        project_id: apollo.id,
        user_id: gus.id.to_string(),
        ..Default::default()
    };
    olga.members().remove_member(gone).await.unwrap();
}

async fn accounts(suite: &Suite, olga: &Actor, [ada, max]: [&Actor; 2]) {
    let user = identity::User {
        id: olga.id.to_string(),
        first_name: Some("Ольга".to_owned()),
        last_name: Some("encrypted:Ruiz".to_owned()),
        avatar_url: Some("https://example.org/ö.png".to_owned()),
        metadata: Some(to_struct(&json_of_every_kind())),
        ..Default::default()
    };
    let update_mask = mask(&["first_name", "last_name", "avatar_url", "metadata"]);
    let change = identity::UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    olga.account().update_user(change).await.unwrap();
    let profile = identity::UserProfile {
        user_id: olga.id.to_string(),
        bio: Some("two\nlines".to_owned()),
        location: Some("Köln".to_owned()),
        website_url: Some("https://example.org".to_owned()),
        social_links: Some(to_struct(&json!({"fediverse": "@olga"}))),
        preferences: Some(to_struct(&json!({"theme": {"dark": true}}))),
        ..Default::default()
    };
    let update_mask = mask(&["bio", "location", "website_url", "social_links", "preferences"]);
    let change =
        identity::UpdateUserProfileRequest { profile: Some(profile), update_mask, ..Default::default() };
    olga.account().update_user_profile(change).await.unwrap();
    let verified =
        "UPDATE identity.users SET email_verified = TRUE, last_login_at = now() WHERE username = 'olga'";
    suite.admin().await.batch_execute(verified).await.unwrap();
    let mut operator = UserAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Identity));
    let suspended = administration::SuspendUserRequest { user_id: ada.id.to_string() };
    operator.suspend_user(suspended).await.unwrap();
    let erased = administration::EraseUserRequest { user_id: max.id.to_string() };
    operator.erase_user(erased).await.unwrap();
}

async fn apollo(olga: &Actor, [gus, vera, ada]: [&Actor; 3]) -> Project {
    let request = project::CreateProjectRequest {
        project: Some(project::Project {
            name: "Аполлон 🚀".to_owned(),
            description: Some("To the moon.\n\nAnd back.".to_owned()),
            settings: Some(to_struct(&json_of_every_kind())),
            ..Default::default()
        }),
        ..Default::default()
    };
    let apollo = olga.projects().create_project(request).await.unwrap().into_inner();
    olga.add(&apollo, gus, ProjectRole::Admin).await;
    olga.add(&apollo, ada, ProjectRole::Member).await;
    let member = project::AddMemberRequest {
        member: Some(project::Member {
            project_id: apollo.id.clone(),
            user_id: vera.id.to_string(),
            role: ProjectRole::Viewer.into(),
            granted_permissions: vec![Permission::TaskDelete.into()],
            denied_permissions: vec![Permission::DocumentWrite.into()],
            ..Default::default()
        }),
        ..Default::default()
    };
    olga.members().add_member(member).await.unwrap();
    apollo
}

async fn new_task(who: &Actor, task: Task) -> Task {
    let request = task::CreateTaskRequest { task: Some(task), ..Default::default() };
    who.tasks().create_task(request).await.unwrap().into_inner()
}

/// Tasks in every status and of every shape; answers with one of them.
async fn tasks(olga: &Actor, gus: &Actor, apollo: &Project) -> Task {
    let plain = |title: &str, status: TaskStatus| Task {
        project_id: apollo.id.clone(),
        title: title.to_owned(),
        status: status.into(),
        ..Default::default()
    };
    let in_a_year = chrono::Utc::now() + chrono::TimeDelta::days(365);
    let milestone_id = Some(milestone(olga, apollo).await);
    let fly = Task {
        milestone_id,
        description: Some("Up,\nand \u{1F31D}.".to_owned()),
        priority: TaskPriority::Urgent.into(),
        assignee_id: Some(gus.id.to_string()),
        start_at: Some(shared::json::to_timestamp(chrono::Utc::now())),
        due_at: Some(shared::json::to_timestamp(in_a_year)),
        estimated_duration: Some(prost_types::Duration { seconds: 12 * 3600, nanos: 0 }),
        actual_duration: Some(prost_types::Duration { seconds: 90 * 60, nanos: 0 }),
        tags: vec!["z".to_owned(), "ä, {b}".to_owned()],
        metadata: Some(to_struct(&json_of_every_kind())),
        ..plain("Fly", TaskStatus::Pending)
    };
    let fly = new_task(olga, fly).await;
    let build = new_task(gus, plain("Bauen “schnell”", TaskStatus::InProgress)).await;
    let review = new_task(olga, plain("Look at it", TaskStatus::InProgress)).await;
    set_status(olga, &review, TaskStatus::Review).await;
    new_task(olga, plain("Never", TaskStatus::Cancelled)).await;
    let held = new_task(olga, plain("Wait for the weather", TaskStatus::Blocked)).await;
    let waiting = new_task(olga, plain("Wait for both", TaskStatus::Pending)).await;
    let done = new_task(olga, plain("Done", TaskStatus::InProgress)).await;
    let complete = task::CompleteTaskRequest { task_id: done.id.clone(), ..Default::default() };
    olga.tasks().complete_task(complete).await.unwrap();
    // Subtasks of subtasks, of which the youngest has the smallest id.
    let part = Task { parent_task_id: Some(build.id.clone()), ..plain("part", TaskStatus::Pending) };
    let part = new_task(olga, part).await;
    let part_of_part = Task {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
        parent_task_id: Some(part.id.clone()),
        ..plain("part of a part", TaskStatus::Pending)
    };
    new_task(olga, part_of_part).await;
    for (from, to, kind) in [
        (&fly, &build, DependencyType::Blocks),
        (&waiting, &fly, DependencyType::Blocks),
        (&held, &fly, DependencyType::Blocks),
        (&waiting, &done, DependencyType::Blocks),
        (&fly, &review, DependencyType::RelatesTo),
        (&review, &fly, DependencyType::Duplicates),
        (&review, &build, DependencyType::SubtaskOf),
    ] {
        depend(olga, from, to, kind).await;
    }
    let moved = task::MoveTaskRequest {
        task_id: done.id,
        destination: Some(Destination::BeforeTaskId(fly.id.clone())),
        ..Default::default()
    };
    olga.tasks().move_task(moved).await.unwrap();
    // The last number stays given.
    let last = new_task(olga, plain("last", TaskStatus::Pending)).await;
    olga.tasks()
        .delete_task(task::DeleteTaskRequest { task_id: last.id, ..Default::default() })
        .await
        .unwrap();
    fly
}

async fn set_status(who: &Actor, of: &Task, status: TaskStatus) {
    let changed = Task { id: of.id.clone(), status: status.into(), ..Default::default() };
    let change =
        task::UpdateTaskRequest { task: Some(changed), update_mask: mask(&["status"]), ..Default::default() };
    who.tasks().update_task(change).await.unwrap();
}

async fn depend(who: &Actor, from: &Task, to: &Task, kind: DependencyType) {
    let request = task::CreateTaskDependencyRequest {
        task_dependency: Some(task::TaskDependency {
            task_id: from.id.clone(),
            depends_on_task_id: to.id.clone(),
            dependency_type: kind.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    who.plans().create_task_dependency(request).await.unwrap();
}

/// Documents in every state; answers with one of them.
async fn documents(olga: &Actor, gus: &Actor, apollo: &Project) -> content::Document {
    let request = content::CreateDocumentRequest {
        change_summary: Some("first".to_owned()),
        document: Some(content::Document {
            project_id: apollo.id.clone(),
            title: "Flugplan".to_owned(),
            content: Some("Up.\r\n\tAnd ✈.\u{b}".to_owned()),
            content_type: "text/markdown".to_owned(),
            tags: vec!["plan".to_owned()],
            metadata: Some(to_struct(&json_of_every_kind())),
            ..Default::default()
        }),
        ..Default::default()
    };
    let plan = olga.documents().create_document(request).await.unwrap().into_inner();
    for (who, title, text) in
        [(gus, "Flight plan", "Up."), (olga, "Flight plan", ""), (gus, "Plan", "Up, down.")]
    {
        let changed = content::Document {
            id: plan.id.clone(),
            title: title.to_owned(),
            content: Some(text.to_owned()),
            ..Default::default()
        };
        let change = content::UpdateDocumentRequest {
            document: Some(changed),
            update_mask: mask(&["title", "content"]),
            change_summary: None,
            ..Default::default()
        };
        who.documents().update_document(change).await.unwrap();
    }
    let [review, published, archived] =
        futures::future::join_all(["review", "published", "archived"].map(|t| olga.document(apollo, t, t)))
            .await
            .try_into()
            .unwrap();
    for document in [&review, &published, &archived] {
        let document_id = document.id.clone();
        let submit = content::SubmitDocumentRequest { document_id, ..Default::default() };
        olga.documents().submit_document(submit).await.unwrap();
    }
    for document in [&published, &archived] {
        let document_id = document.id.clone();
        let publish = content::PublishDocumentRequest { document_id, ..Default::default() };
        olga.documents().publish_document(publish).await.unwrap();
    }
    let archive = content::ArchiveDocumentRequest { document_id: archived.id, ..Default::default() };
    olga.documents().archive_document(archive).await.unwrap();
    plan
}

/// A milestone with a time, and one without; answers with the id of the first.
async fn milestone(olga: &Actor, apollo: &Project) -> String {
    let plain = |name: &str| task::Milestone {
        project_id: apollo.id.clone(),
        name: name.to_owned(),
        ..Default::default()
    };
    let landed = task::Milestone {
        description: Some("With all three\non “board”.".to_owned()),
        due_at: Some(prost_types::Timestamp { seconds: 1_900_000_000, nanos: 1_000 }),
        ..plain("Gelandet")
    };
    let mut ids = Vec::new();
    for milestone in [landed, plain("Open")] {
        let request = task::CreateMilestoneRequest { milestone: Some(milestone), ..Default::default() };
        ids.push(olga.milestones().create_milestone(request).await.unwrap().into_inner().id);
    }
    ids.swap_remove(0)
}

/// Time that has ended and time that is running.
async fn time_entries(olga: &Actor, gus: &Actor, fly: &Task) {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 1_000 });
    let past = task::TimeEntry {
        task_id: fly.id.clone(),
        started_at: at(1_700_000_000),
        ended_at: at(1_700_001_234),
        note: Some("Ünter “Wasser”".to_owned()),
        ..Default::default()
    };
    let running = task::TimeEntry { task_id: fly.id.clone(), ..Default::default() };
    for (who, entry) in [(olga, past.clone()), (gus, past), (gus, running)] {
        let request = task::CreateTimeEntryRequest { time_entry: Some(entry), ..Default::default() };
        who.time_entries().create_time_entry(request).await.unwrap();
    }
}

/// One project in each other state, one that changed hands, one with nothing but a key, and a task in one that depends on
/// one in another.
async fn other_projects(olga: &Actor, gus: &Actor) {
    let [done, archived, given_up, empty] =
        futures::future::join_all(["Gemini", "Mercury", "Soyuz", "Empty"].map(|name| olga.project(name)))
            .await
            .try_into()
            .unwrap();
    let [from, to] = [olga.task(&done, "from").await, olga.task(&archived, "to").await];
    depend(olga, &from, &to, DependencyType::Blocks).await;
    attach(olga, Target::TaskId(to.id.clone()), "kept.txt", b"kept").await;
    publish(olga, &archived, ProjectVisibility::Public).await;
    publish(olga, &given_up, ProjectVisibility::Internal).await;
    let named = Project { id: empty.id, key: "EMPTY1".to_owned(), ..Default::default() };
    let change = project::UpdateProjectRequest { project: Some(named), ..Default::default() };
    olga.projects().update_project(change).await.unwrap();
    hand_over(olga, gus, &given_up).await;
    let complete = project::CompleteProjectRequest { project_id: done.id, ..Default::default() };
    olga.projects().complete_project(complete).await.unwrap();
    let archive = project::ArchiveProjectRequest { project_id: archived.id, ..Default::default() };
    olga.projects().archive_project(archive).await.unwrap();
    let cancel = project::CancelProjectRequest { project_id: given_up.id, ..Default::default() };
    gus.projects().cancel_project(cancel).await.unwrap();
}

async fn publish(who: &Actor, of: &Project, visibility: ProjectVisibility) {
    let changed = Project { id: of.id.clone(), visibility: visibility.into(), ..Default::default() };
    let change = project::UpdateProjectRequest {
        project: Some(changed),
        update_mask: mask(&["visibility"]),
        ..Default::default()
    };
    who.projects().update_project(change).await.unwrap();
}

async fn hand_over(from: &Actor, to: &Actor, of: &Project) {
    from.add(of, to, ProjectRole::Member).await;
    let offer = project::OfferOwnershipRequest {
        project_id: of.id.clone(),
        user_id: to.id.to_string(),
        ..Default::default()
    };
    let offer = from.members().offer_ownership(offer).await.unwrap().into_inner();
    let accept = project::AcceptOwnershipRequest {
        project_id: of.id.clone(),
        transfer_id: offer.id,
        ..Default::default()
    };
    to.members().accept_ownership(accept).await.unwrap();
}

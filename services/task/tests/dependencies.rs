//! Dependencies between tasks.

use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use proto::common::Permission;
use proto::project::v1::{Member, Project, ProjectRole, UpdateMemberRequest};
use proto::task::v1 as pb;
use proto::task::v1::delete_task_dependency_request::Selector as DeleteSelector;
use proto::task::v1::get_task_dependency_request::Selector;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;

async fn unlink(who: &Actor, id: &str) -> Result<(), Status> {
    let selector = Some(DeleteSelector::DependencyId(id.to_owned()));
    let request = pb::DeleteTaskDependencyRequest { selector };
    who.plans().delete_task_dependency(request).await.map(|_| ())
}

async fn list(who: &Actor, request: pb::ListTaskDependenciesRequest) -> Vec<String> {
    let page = who.plans().list_task_dependencies(request).await.unwrap().into_inner();
    page.dependencies.into_iter().map(|dependency| dependency.id).collect()
}

#[tokio::test]
async fn dependencies_are_listed_from_both_tasks_and_deleted() {
    let Team { olga, mia, vic, project, .. } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    let made = link(mia, &a, &b, pb::DependencyType::Unspecified).await.unwrap();
    assert_eq!(made.dependency_type(), pb::DependencyType::Blocks);
    assert_eq!((&made.task_id, &made.depends_on_task_id), (&a.id, &b.id));

    let of = |task: &pb::Task, direction: pb::DependencyDirection| pb::ListTaskDependenciesRequest {
        task_id: task.id.clone(),
        direction: direction.into(),
        ..Default::default()
    };
    use pb::DependencyDirection::{Dependents, DependsOn, Unspecified};
    assert_eq!(list(vic, of(&a, DependsOn)).await, [made.id.as_str()]);
    assert_eq!(list(vic, of(&a, Unspecified)).await, [made.id.as_str()]);
    assert_eq!(list(vic, of(&b, Dependents)).await, [made.id.as_str()]);
    assert!(list(vic, of(&a, Dependents)).await.is_empty() && list(vic, of(&b, DependsOn)).await.is_empty());

    assert_eq!(summary(&unlink(vic, &made.id).await.unwrap_err()), "PERMISSION_DENIED PERMISSION_MISSING");
    unlink(mia, &made.id).await.unwrap();
    assert_eq!(summary(&unlink(mia, &made.id).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn dependencies_are_listed_by_direction_and_type() {
    use pb::DependencyType::{Blocks, Duplicates, RelatesTo, SubtaskOf};
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "a").await;
    for kind in [Blocks, RelatesTo, Duplicates, SubtaskOf] {
        let other = olga.task(project, "b").await;
        let made = link(olga, &task, &other, kind).await.unwrap();
        for (end, direction) in [(&task, 1), (&other, 2)] {
            let request = pb::ListTaskDependenciesRequest {
                task_id: end.id.clone(),
                direction,
                dependency_types: vec![kind.into()],
                ..Default::default()
            };
            assert_eq!(list(olga, request).await, [made.id.as_str()]);
        }
    }
    let two = pb::ListTaskDependenciesRequest {
        task_id: task.id,
        dependency_types: vec![Blocks.into(), Duplicates.into()],
        ..Default::default()
    };
    assert_eq!(list(olga, two).await.len(), 2);
}

#[tokio::test]
async fn dependency_pages_are_complete_and_oldest_first() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "a").await;
    let mut made = Vec::new();
    for title in ["b", "c", "d", "e", "f"] {
        let other = olga.task(project, title).await;
        made.push(blocks(olga, &task, &other).await.unwrap().id);
    }
    let mut request =
        pb::ListTaskDependenciesRequest { task_id: task.id, page_size: 2, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = olga.plans().list_task_dependencies(request.clone()).await.unwrap().into_inner();
        seen.extend(page.dependencies.into_iter().map(|dependency| dependency.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn cycles_of_every_waiting_relation_are_rejected() {
    let Team { olga, project, .. } = &team().await;
    let [epic, story, chore] =
        [olga.task(project, "epic").await, olga.task(project, "story").await, olga.task(project, "c").await];
    link(olga, &story, &epic, pb::DependencyType::SubtaskOf).await.unwrap();
    blocks(olga, &story, &chore).await.unwrap();

    let refusal = blocks(olga, &chore, &epic).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
    assert_eq!(metadata(&refusal, "cycle"), ids(&[&epic, &story, &chore]));

    let below = pb::Task { parent_task_id: Some(chore.id.clone()), ..epic.clone() };
    let refusal = update(olga, below, &["parent_task_id"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
    link(olga, &chore, &epic, pb::DependencyType::RelatesTo).await.unwrap();
}

#[tokio::test]
async fn cycle_errors_hide_invisible_tasks() {
    let Team { olga, mia, project, .. } = &team().await;
    let hidden = olga.task(&olga.project("secret").await, "hidden").await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    blocks(olga, &a, &hidden).await.unwrap();
    blocks(olga, &hidden, &b).await.unwrap();
    let refusal = blocks(mia, &b, &a).await.unwrap_err();
    assert_eq!(metadata(&refusal, "cycle"), format!("{},hidden,{}", a.id, b.id));
}

#[tokio::test]
async fn create_task_dependency_requires_task_write_in_both_projects() {
    let Team { suite, olga, mia, sam, project, .. } = &team().await;
    let gemini = olga.project("gemini").await;
    let [here, there] = [olga.task(project, "here").await, olga.task(&gemini, "there").await];
    let refused = async |who: &Actor| summary(&blocks(who, &here, &there).await.unwrap_err());
    assert_eq!(refused(mia).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refused(sam).await, "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refused(&suite.anonymous()).await, "UNAUTHENTICATED SESSION_REQUIRED");
    olga.add(&gemini, mia, ProjectRole::Viewer).await;
    assert_eq!(refused(mia).await, "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(
        summary(&blocks(mia, &there, &here).await.unwrap_err()),
        "PERMISSION_DENIED PERMISSION_MISSING"
    );

    let made = blocks(olga, &here, &there).await.unwrap();
    assert_eq!(summary(&unlink(sam, &made.id).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    unlink(mia, &made.id).await.unwrap();
}

#[tokio::test]
async fn create_task_dependency_rejects_a_repeated_pair_and_answers_retries() {
    let Team { olga, project, .. } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    let new =
        pb::TaskDependency { task_id: a.id.clone(), depends_on_task_id: b.id.clone(), ..Default::default() };
    let request =
        pb::CreateTaskDependencyRequest { request_id: new_id(), task_dependency: Some(new.clone()) };
    let mut client = olga.plans();
    let first = client.create_task_dependency(request.clone()).await.unwrap().into_inner();
    let again = client.create_task_dependency(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!(summary(&blocks(olga, &a, &b).await.unwrap_err()), "ALREADY_EXISTS ALREADY_EXISTS");
    let other = Some(pb::TaskDependency { dependency_type: 2, ..new });
    let other = pb::CreateTaskDependencyRequest { task_dependency: other, ..request };
    let refusal = client.create_task_dependency(other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");
}

#[tokio::test]
async fn malformed_dependency_requests_name_every_field() {
    let Team { olga, sam, project, .. } = &team().await;
    let task = olga.task(project, "a").await;
    assert_eq!(
        violations(&blocks(olga, &task, &task).await.unwrap_err()),
        ["task_dependency.depends_on_task_id"]
    );
    let garbage = pb::CreateTaskDependencyRequest {
        request_id: "x".to_owned(),
        task_dependency: Some(pb::TaskDependency {
            task_id: "x".to_owned(),
            depends_on_task_id: String::new(),
            dependency_type: 99,
            ..Default::default()
        }),
    };
    let refusal = olga.plans().create_task_dependency(garbage).await.unwrap_err();
    assert_eq!(
        violations(&refusal),
        [
            "request_id",
            "task_dependency.task_id",
            "task_dependency.depends_on_task_id",
            "task_dependency.dependency_type"
        ]
    );
    let garbage = pb::ListTaskDependenciesRequest {
        task_id: "x".to_owned(),
        direction: 99,
        page_size: -1,
        page_token: String::new(),
        dependency_types: vec![0],
    };
    let refusal = olga.plans().list_task_dependencies(garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["task_id", "direction", "dependency_types[0]", "page_size"]);
    assert_eq!(violations(&unlink(olga, "x").await.unwrap_err()), ["dependency_id"]);

    let strange = pb::ListTaskDependenciesRequest { task_id: task.id, ..Default::default() };
    let refusal = sam.plans().list_task_dependencies(strange.clone()).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let forged = pb::ListTaskDependenciesRequest { page_token: "AAAA".to_owned(), ..strange };
    let refusal = olga.plans().list_task_dependencies(forged).await.unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn dependencies_are_read_and_deleted_by_id_or_pair() {
    let Team { suite, olga, mia, sam, project, .. } = &team().await;
    let gemini = olga.project("gemini").await;
    let [here, there] = [olga.task(project, "here").await, olga.task(&gemini, "there").await];
    let made = blocks(olga, &here, &there).await.unwrap();
    let pair = pb::TaskPair { task_id: here.id.clone(), depends_on_task_id: there.id.clone() };
    let read = async |who: &Actor, selector: Option<Selector>| {
        let request = pb::GetTaskDependencyRequest { selector };
        who.plans().get_task_dependency(request).await.map(tonic::Response::into_inner)
    };
    let selectors = [Selector::DependencyId(made.id.clone()), Selector::Pair(pair.clone())];
    for selector in selectors.map(Some) {
        assert_eq!(read(olga, selector.clone()).await.unwrap(), made);
        for blind in [sam, &suite.anonymous()] {
            let refusal = read(blind, selector.clone()).await.unwrap_err();
            assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
        }
    }
    let refusal = read(mia, Some(Selector::Pair(pair.clone()))).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND", "its name must not tell that it exists");
    let masked = read(mia, Some(Selector::DependencyId(made.id.clone()))).await.unwrap();
    let hidden = pb::TaskDependency { depends_on_task_id: String::new(), hidden: true, ..made.clone() };
    assert_eq!(masked, hidden);
    assert_eq!(violations(&read(olga, None).await.unwrap_err()), ["selector"]);

    let request = pb::DeleteTaskDependencyRequest { selector: Some(DeleteSelector::Pair(pair.clone())) };
    let refusal = mia.plans().delete_task_dependency(request.clone()).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    olga.plans().delete_task_dependency(request.clone()).await.unwrap();
    let refusal = olga.plans().delete_task_dependency(request).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let refusal = read(olga, Some(Selector::Pair(pair))).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

/// A blocker that one can no longer see goes on blocking. Whoever may write the waiting task sees that there is one, and
/// may remove it.
#[tokio::test]
async fn a_dependency_on_a_hidden_task_is_masked_and_can_be_deleted() {
    let Team { suite, olga, mia, vic, project, .. } = &team().await;
    let gemini = olga.project("gemini").await;
    let [here, there] = [olga.task(project, "here").await, olga.task(&gemini, "there").await];
    let made = blocks(olga, &here, &there).await.unwrap();
    let listed = async |who: &Actor, task: &pb::Task, direction: pb::DependencyDirection| {
        let request = pb::ListTaskDependenciesRequest {
            task_id: task.id.clone(),
            direction: direction.into(),
            ..Default::default()
        };
        who.plans().list_task_dependencies(request).await.map(|page| page.into_inner().dependencies)
    };
    let hidden = pb::TaskDependency { depends_on_task_id: String::new(), hidden: true, ..made.clone() };
    use pb::DependencyDirection::{Dependents, DependsOn};
    for who in [mia, vic] {
        assert_eq!(listed(who, &here, DependsOn).await.unwrap(), std::slice::from_ref(&hidden));
    }
    // One who sees the project, but may not read its tasks.
    olga.add(&gemini, mia, ProjectRole::Member).await;
    until("shown", WAIT_LIMIT, async || {
        listed(mia, &here, DependsOn).await.unwrap() == std::slice::from_ref(&made)
    })
    .await;
    deny_task_read(olga, &gemini, mia).await;
    until("hidden again", WAIT_LIMIT, async || {
        listed(mia, &here, DependsOn).await.unwrap() == std::slice::from_ref(&hidden)
    })
    .await;
    // From the other side, a waiting task that is hidden is left out.
    let back = blocks(olga, &olga.task(&gemini, "waits").await, &here).await.unwrap();
    assert!(listed(mia, &here, Dependents).await.unwrap().is_empty());
    assert_eq!(listed(olga, &here, Dependents).await.unwrap(), [back]);

    let refusal = complete(mia, &here).await.unwrap_err();
    assert_eq!(metadata(&refusal, "blockers"), "hidden");
    assert_eq!(summary(&unlink(vic, &made.id).await.unwrap_err()), "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(
        summary(&unlink(&suite.anonymous(), &made.id).await.unwrap_err()),
        "UNAUTHENTICATED SESSION_REQUIRED"
    );
    unlink(mia, &made.id).await.unwrap();
    complete(mia, &here).await.unwrap();
}

#[tokio::test]
async fn relations_without_a_direction_are_stored_once() {
    use pb::DependencyType::RelatesTo;
    let Team { olga, project, .. } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    link(olga, &a, &b, RelatesTo).await.unwrap();
    for (task, on) in [(&a, &b), (&b, &a)] {
        let refusal = link(olga, task, on, RelatesTo).await.unwrap_err();
        assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
    }
    // Another relation has its own direction.
    blocks(olga, &b, &a).await.unwrap();
}

#[tokio::test]
async fn duplicates_form_no_cycle() {
    use pb::DependencyType::Duplicates;
    let Team { olga, project, .. } = &team().await;
    let [a, b, c] =
        [olga.task(project, "a").await, olga.task(project, "b").await, olga.task(project, "c").await];
    link(olga, &a, &b, Duplicates).await.unwrap();
    link(olga, &b, &c, Duplicates).await.unwrap();
    for (task, on, cycle) in [(&b, &a, ids(&[&a, &b])), (&c, &a, ids(&[&a, &b, &c]))] {
        let refusal = link(olga, task, on, Duplicates).await.unwrap_err();
        assert_eq!(summary(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
        assert_eq!(metadata(&refusal, "cycle"), cycle);
    }
    // It is a graph of its own.
    blocks(olga, &c, &a).await.unwrap();
}

/// The work is proportional to the tasks that the search reaches, so depth and width do not matter.
#[tokio::test]
async fn a_cycle_is_found_in_a_deep_chain_and_below_a_wide_root() {
    const CHAIN: i32 = 8_000;
    let Team { suite, olga, project, .. } = &team().await;
    let [root, first] = [olga.task(project, "root").await, olga.task(project, "first").await];
    // Without the triggers of each row, which need as many statements.
    suite
        .execute(&format!(
            "SET session_replication_role = replica; \
             INSERT INTO task.tasks (id, project_id, title, creator_id, number, rank, parent_task_id) \
             SELECT md5('child' || n)::uuid, '{project}', 'child', '{olga}', 10000 + n, task.initial_rank(10000 + n), \
                 '{root}' FROM generate_series(1, 20000) n; \
             INSERT INTO task.tasks (id, project_id, title, creator_id, number, rank) \
             SELECT md5('chain' || n)::uuid, '{project}', 'chain', '{olga}', 40000 + n, task.initial_rank(40000 + n) \
             FROM generate_series(1, {CHAIN}) n; \
             INSERT INTO task.task_dependencies (task_id, depends_on_task_id) \
             SELECT CASE n WHEN 0 THEN '{first}' ELSE md5('chain' || n)::uuid END, md5('chain' || n + 1)::uuid \
             FROM generate_series(0, {CHAIN} - 1) n",
            project = project.id,
            olga = olga.id,
            root = root.id,
            first = first.id,
        ))
        .await;
    let task = |id: String| pb::Task { id, ..Default::default() };
    let child = task(text_of(suite, "SELECT md5('child15000')::uuid::text AS text").await);
    let end = task(text_of(suite, &format!("SELECT md5('chain{CHAIN}')::uuid::text AS text")).await);

    let refusal = blocks(olga, &child, &root).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
    assert_eq!(metadata(&refusal, "cycle"), ids(&[&root, &child]));
    let refusal = blocks(olga, &end, &first).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
    assert_eq!(metadata(&refusal, "cycle"), "", "too long to be named");
    blocks(olga, &root, &first).await.unwrap();
}

async fn deny_task_read(olga: &Actor, project: &Project, who: &Actor) {
    let member = Member {
        project_id: project.id.clone(),
        user_id: who.id.to_string(),
        denied_permissions: vec![Permission::TaskRead.into()],
        ..Default::default()
    };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["denied_permissions".to_owned()] });
    olga.members().update_member(UpdateMemberRequest { member: Some(member), update_mask }).await.unwrap();
}

#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

async fn text_of(suite: &Suite, query: &str) -> String {
    let row: TextRow = sql_query(query).get_result(&mut suite.admin().await).await.unwrap();
    row.text
}

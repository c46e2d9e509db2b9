//! Importing tasks.

use crate::harness::harness;
use prost_types::Timestamp;
use proto::common::{ImportOutcome, ImportResult};
use proto::project::v1::Project;
use proto::task::admin::v1 as admin;
use proto::task::admin::v1::task_admin_service_client::TaskAdminServiceClient;
use proto::task::v1 as pb;
use shared::siblings::{Sibling, SiblingChannel};
use testkit::*;

use crate::fixtures::*;

pub fn importer(suite: &Suite) -> TaskAdminServiceClient<SiblingChannel> {
    TaskAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Task))
}

async fn import(suite: &Suite, batches: Vec<Vec<admin::ImportedTask>>) -> Vec<Vec<ImportResult>> {
    let requests: Vec<_> =
        batches.into_iter().map(|tasks| admin::ImportTasksRequest { tasks, ..Default::default() }).collect();
    let answers = importer(suite).import_tasks(tokio_stream::iter(requests)).await.unwrap();
    let mut answers = answers.into_inner();
    let mut results = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        results.push(answer.results);
    }
    results
}

fn item(line: u64, who: &Actor, project: &Project) -> admin::ImportedTask {
    admin::ImportedTask {
        line,
        id: new_id(),
        project_id: project.id.clone(),
        title: format!("task {line}"),
        creator_id: who.id.to_string(),
        ..Default::default()
    }
}

/// `line outcome reason`, with the outcome's first letter.
pub fn shown(results: &[ImportResult]) -> Vec<String> {
    let letter = |result: &ImportResult| match result.outcome() {
        ImportOutcome::Created => 'C',
        ImportOutcome::Unchanged => 'U',
        ImportOutcome::Refused => 'R',
        ImportOutcome::Unspecified => '?',
    };
    results.iter().map(|r| format!("{} {} {}", r.line, letter(r), r.reason).trim_end().to_owned()).collect()
}

#[tokio::test]
async fn import_keeps_every_field() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let parent = item(1, olga, project);
    let child = admin::ImportedTask {
        parent_task_id: Some(parent.id.clone()),
        description: Some("\"quoted\" \\ and, {braced}".to_owned()),
        status: pb::TaskStatus::Done.into(),
        priority: pb::TaskPriority::High.into(),
        assignee_id: Some(mia.id.to_string()),
        start_at: at(500),
        due_at: at(2_000),
        estimated_duration: work_hours(5),
        tags: vec!["a\"b".to_owned(), "c,d".to_owned(), "NULL".to_owned()],
        created_at: at(1_000),
        updated_at: at(1_500),
        ..item(2, olga, project)
    };
    let results = import(suite, vec![vec![parent, child.clone()]]).await;
    assert_eq!(shown(&results[0]), ["1 C", "2 C"]);

    let stored = get(olga, &pb::Task { id: child.id.clone(), ..Default::default() }).await.unwrap();
    assert_eq!((stored.description, stored.tags), (child.description, child.tags));
    assert_eq!((stored.status, stored.priority, stored.assignee_id), (4, 3, child.assignee_id));
    assert_eq!((stored.created_at, stored.updated_at), (at(1_000), at(1_500)));
    assert_eq!((stored.completed_at, stored.start_at, stored.due_at), (at(1_500), at(500), at(2_000)));
}

#[tokio::test]
async fn import_keeps_or_assigns_numbers_and_ranks() {
    let Team { suite, olga, project, .. } = &team().await;
    let numbered = |line, number, rank: Option<&str>| admin::ImportedTask {
        number,
        rank: rank.map(str::to_owned),
        ..item(line, olga, project)
    };
    let moved = numbered(2, 7, Some("000000000002V"));
    let last = item(1, olga, project);
    let batch = vec![
        last.clone(),
        moved.clone(),
        numbered(3, 7, None),
        numbered(4, 5, Some("000000000004")),
        numbered(5, -1, None),
        numbered(6, 6, Some("000000000002V")),
        numbered(9, 9, Some("000000000009")),
    ];
    let results = import(suite, vec![batch]).await;
    expect_test::expect![[r#"
        [
            "1 C",
            "2 C",
            "3 R number is taken",
            "4 R rank: must be a rank that this task may have",
            "5 R number: must be 0 to 999999999999",
            "6 R rank is taken",
            "9 C",
        ]
    "#]]
    .assert_debug_eq(&shown(&results[0]));
    let stored = async |item: &admin::ImportedTask| {
        let task = pb::Task { id: item.id.clone(), ..Default::default() };
        get(olga, &task).await.unwrap()
    };
    let kept = stored(&moved).await;
    assert_eq!((kept.key.as_str(), kept.rank.as_str()), ("APO-7", "000000000002V"));
    let given = stored(&last).await;
    assert_eq!((given.key.as_str(), given.rank.as_str()), ("APO-10", "000000000010"));
    assert_eq!(olga.task(project, "next").await.key, "APO-11");
}

#[tokio::test]
async fn importing_an_existing_task_changes_nothing() {
    let Team { suite, olga, project, .. } = &team().await;
    let task = item(1, olga, project);
    let other = admin::ImportedTask { line: 2, title: "other".to_owned(), ..task.clone() };
    let results = import(suite, vec![vec![task.clone(), other.clone()], vec![other]]).await;
    assert_eq!(shown(&results[0]), ["1 C", "2 U"]);
    assert_eq!(shown(&results[1]), ["2 U"]);
    let stored = get(olga, &pb::Task { id: task.id, ..Default::default() }).await.unwrap();
    assert_eq!(stored.title, "task 1");
}

#[tokio::test]
async fn refused_items_do_not_stop_an_import() {
    let Team { suite, olga, project, .. } = &team().await;
    let good = || item(9, olga, project);
    let far = olga.task(&olga.project("gemini").await, "far").await;
    let orphan = admin::ImportedTask { parent_task_id: Some(new_id()), ..good() };
    let batch = vec![
        admin::ImportedTask { project_id: new_id(), ..good() },
        admin::ImportedTask { creator_id: new_id(), ..good() },
        admin::ImportedTask { assignee_id: Some(new_id()), ..good() },
        admin::ImportedTask { parent_task_id: Some(orphan.id.clone()), ..good() },
        orphan,
        admin::ImportedTask { parent_task_id: Some(far.id), ..good() },
        admin::ImportedTask { title: String::new(), status: 99, ..good() },
        admin::ImportedTask { due_at: in_hours(-1), ..good() },
        admin::ImportedTask { start_at: in_hours(2), due_at: in_hours(1), ..good() },
        admin::ImportedTask { completed_at: in_hours(-1), ..good() },
        good(),
    ];
    let results = import(suite, vec![batch]).await;
    expect_test::expect![[r#"
        [
            "9 R project_id names no project",
            "9 R creator_id names no user",
            "9 R assignee_id names no user",
            "9 R parent_task_id names no task",
            "9 R parent_task_id names no task",
            "9 R parent_task_id names a task of another project",
            "9 R status: 99 is not a value of this enum; title: must have 1 to 255 characters, has 0; title: must not be blank",
            "9 R due_at: must be later than created_at",
            "9 R start_at: must not be later than due_at",
            "9 R completed_at: is for done tasks only",
            "9 C",
        ]
    "#]]
    .assert_debug_eq(&shown(&results[0]));
}

#[tokio::test]
async fn import_finds_a_project_that_was_just_created() {
    let Team { suite, olga, .. } = &team().await;
    let fresh = olga.project("fresh").await;
    let results = import(suite, vec![vec![item(1, olga, &fresh)]]).await;
    assert_eq!(shown(&results[0]), ["1 C"]);
}

#[tokio::test]
async fn database_violations_do_not_stop_an_import() {
    // In a shared database, foreign keys check references.
    let Team { suite, olga, project, .. } = &team_on(harness().start_in(Topology::PLAIN).await).await;
    olga.task(project, "so that the copy is there").await;
    let ghost = olga.project("ghost").await;
    let seen = item(1, olga, &ghost);
    import(suite, vec![vec![seen]]).await;
    // The copy still has the deleted project.
    let gone = format!(
        "DELETE FROM task.tasks WHERE project_id = '{0}'; DELETE FROM project.projects WHERE id = '{0}'; \
         UPDATE task.project_access SET deleted = FALSE, revision = 1000000 WHERE project_id = '{0}'",
        ghost.id
    );
    let mut admin = suite.admin_of(task::NAME).await;
    diesel_async::SimpleAsyncConnection::batch_execute(&mut admin, &gone).await.unwrap();
    let results = import(suite, vec![vec![item(2, olga, &ghost), item(3, olga, project)]]).await;
    assert_eq!(shown(&results[0]), ["2 R breaks the rule tasks_project_id_fkey", "3 C"]);
}

#[tokio::test]
async fn import_batches_have_at_most_a_thousand_items() {
    let Team { suite, olga, project, .. } = &team().await;
    let batch: Vec<_> = (0..1_000).map(|line| item(line, olga, project)).collect();
    let results = import(suite, vec![batch]).await;
    assert!(results[0].iter().all(|result| result.outcome() == ImportOutcome::Created));
    let tasks = (0..1_001).map(|line| item(line, olga, project)).collect();
    let requests = tokio_stream::once(admin::ImportTasksRequest { tasks, ..Default::default() });
    let mut answers = importer(suite).import_tasks(requests).await.unwrap().into_inner();
    assert_eq!(violations(&answers.message().await.unwrap_err()), ["tasks"]);
}

#[tokio::test]
async fn import_raises_task_counters_and_never_lowers_them() {
    let Team { suite, olga, project, .. } = &team().await;
    let other = olga.project("Other").await;
    olga.task(&other, "has a number").await;
    let counter = |line, project_id: &str, last_number| admin::ImportedTaskCounter {
        line,
        project_id: project_id.to_owned(),
        last_number,
    };
    let task_counters = vec![
        counter(1, &project.id, 41),
        counter(2, &project.id, 7),
        counter(3, &other.id, 9),
        counter(4, &new_id(), 0),
        counter(5, "x", -1),
    ];
    let request = admin::ImportTasksRequest { task_counters, ..Default::default() };
    let requests = tokio_stream::iter([request.clone(), request]);
    let mut answers = importer(suite).import_tasks(requests).await.unwrap().into_inner();
    let first = shown(&answers.message().await.unwrap().unwrap().results);
    let again = shown(&answers.message().await.unwrap().unwrap().results);

    assert_eq!(first[..4], ["1 C", "2 U", "3 C", "4 R project_id names no project"]);
    assert!(first[4].contains("project_id: ") && first[4].contains("last_number: must be 0 to"), "{first:?}");
    assert_eq!(again[..3], ["1 U", "2 U", "3 U"]);
    assert_eq!(olga.task(project, "next").await.number, 42);
    assert_eq!(olga.task(&other, "next").await.number, 10);
}

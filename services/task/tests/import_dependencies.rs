//! Importing dependencies.

use crate::harness::harness;
use proto::common::ImportResult;
use proto::task::admin::v1 as admin;
use proto::task::v1 as pb;
use testkit::*;

use crate::fixtures::*;
use crate::import::{importer, shown};

async fn import(suite: &Suite, dependencies: Vec<admin::ImportedTaskDependency>) -> Vec<ImportResult> {
    let request = admin::ImportTaskDependenciesRequest { dependencies };
    let answers = importer(suite).import_task_dependencies(tokio_stream::once(request)).await.unwrap();
    answers.into_inner().message().await.unwrap().unwrap().results
}

fn item(line: u64, task: &pb::Task, on: &pb::Task) -> admin::ImportedTaskDependency {
    admin::ImportedTaskDependency {
        line,
        task_id: task.id.clone(),
        depends_on_task_id: on.id.clone(),
        ..Default::default()
    }
}

#[tokio::test]
async fn each_imported_dependency_has_its_own_result() {
    let Team { suite, olga, project, .. } = &team().await;
    let [a, b, c] =
        [olga.task(project, "a").await, olga.task(project, "b").await, olga.task(project, "c").await];
    let nowhere = pb::Task { id: new_id(), ..Default::default() };
    let garbage = pb::Task { id: "x".to_owned(), ..Default::default() };
    let batch = vec![
        item(u64::MAX, &a, &b),
        item(2, &a, &b),
        item(3, &b, &c),
        item(4, &c, &a),
        item(5, &a, &a),
        item(6, &a, &nowhere),
        item(7, &nowhere, &a),
        item(8, &garbage, &a),
        admin::ImportedTaskDependency { dependency_type: 2, ..item(9, &c, &a) },
        admin::ImportedTaskDependency { dependency_type: 99, ..item(10, &c, &b) },
    ];
    let results = import(suite, batch).await;
    expect_test::expect![[r#"
        [
            "18446744073709551615 C",
            "2 U",
            "3 C",
            "4 R would close a cycle: a -> b -> c",
            "5 R depends_on_task_id: must be another task",
            "6 R depends_on_task_id names no task",
            "7 R task_id names no task",
            "8 R task_id: must be a UUID",
            "9 C",
            "10 R dependency_type: 99 is not a value of this enum",
        ]
    "#]]
    .assert_debug_eq(&shown(&results));
}

#[tokio::test]
async fn import_batches_have_at_most_a_thousand_items() {
    let suite = harness().start().await;
    let dependencies = vec![admin::ImportedTaskDependency::default(); 1_001];
    let request = admin::ImportTaskDependenciesRequest { dependencies };
    let answers = importer(&suite).import_task_dependencies(tokio_stream::once(request)).await.unwrap();
    assert_eq!(violations(&answers.into_inner().message().await.unwrap_err()), ["dependencies"]);
}

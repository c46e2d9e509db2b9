//! Reading tasks.

use proto::project::v1::ProjectVisibility;
use proto::task::v1 as pb;
use testkit::*;

use crate::fixtures::*;

#[tokio::test]
async fn get_task_of_an_invisible_project_is_not_found() {
    let Team { suite, olga, vic, sam, project, .. } = &team().await;
    let task = olga.task(project, "buy milk").await;
    assert_eq!(get(vic, &task).await.unwrap(), task);
    for stranger in [sam, &suite.anonymous()] {
        let refusal = get(stranger, &task).await.unwrap_err();
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
}

#[tokio::test]
async fn get_task_respects_project_visibility() {
    let Team { suite, olga, sam, .. } = &team().await;
    let internal = open_project(olga, ProjectVisibility::Internal).await;
    let public = open_project(olga, ProjectVisibility::Public).await;
    let [inside, outside] = [olga.task(&internal, "in").await, olga.task(&public, "out").await];
    assert!(get(sam, &inside).await.is_ok() && get(sam, &outside).await.is_ok());
    assert!(get(&suite.anonymous(), &outside).await.is_ok());
    let refusal = get(&suite.anonymous(), &inside).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn get_task_of_an_unknown_id_is_not_found() {
    let Team { olga, .. } = &team().await;
    let refusal = get(olga, &pb::Task { id: new_id(), ..Default::default() }).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let refusal = get(olga, &pb::Task { id: "x".to_owned(), ..Default::default() }).await.unwrap_err();
    assert_eq!(violations(&refusal), ["task_id"]);
}

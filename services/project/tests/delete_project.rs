use crate::calls::*;
use crate::harness::harness;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use proto::project::v1::ProjectRole;
use testkit::*;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[tokio::test]
async fn the_owner_deletes_a_project_with_its_members() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &gus, ProjectRole::Admin).await;

    delete(&olga, &project, &project.etag).await.unwrap();

    for who in [&olga, &gus] {
        assert_eq!(summary(&get(who, &project).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let refusal = delete(&olga, &project, "").await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let mut admin = suite.admin_of("project").await;
    let left: Count =
        sql_query("SELECT count(*) FROM project.project_members").get_result(&mut admin).await.unwrap();
    assert_eq!(left.count, 0);
}

#[tokio::test]
async fn an_archived_project_can_be_deleted() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    archive(&olga, &project, "").await.unwrap();
    delete(&olga, &project, "").await.unwrap();
}

#[tokio::test]
async fn concurrent_joining_and_deletion_do_not_deadlock() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    for _ in 0..10 {
        let project = olga.project("apollo").await;
        let (joined, deleted) =
            tokio::join!(add(&olga, joining(&project, &gus, VIEWER)), delete(&olga, &project, ""));
        deleted.unwrap();
        if let Err(refusal) = joined {
            assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
        }
    }
}

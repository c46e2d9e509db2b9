//! A project has exactly one owner under concurrent changes.

use crate::calls::*;
use crate::harness::harness;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures::future::join_all;
use proto::project::v1::{OfferStatus, Project, ProjectRole};
use testkit::*;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Owners of a project that are both in the members and in the project row.
async fn owners(conn: &mut AsyncPgConnection, project: &Project) -> i64 {
    let query = format!(
        "SELECT count(*) FROM project.project_members m JOIN project.projects p ON p.id = m.project_id \
         WHERE p.id = '{}' AND m.role = 'owner' AND m.user_id = p.owner_id",
        project.id
    );
    sql_query(query).get_result::<Count>(conn).await.unwrap().count
}

#[tokio::test]
async fn of_concurrent_offers_one_is_created() {
    let suite = harness().start().await;
    let [olga, ada, max] = suite.guests(["olga", "ada", "max"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    olga.add(&project, &max, ProjectRole::Member).await;
    let heirs = [&ada, &max, &ada, &max];
    let outcomes = join_all(heirs.map(|heir| offer(&olga, offering(&project, heir)))).await;
    let refused: Vec<_> = outcomes.iter().filter_map(|one| one.as_ref().err().map(summary)).collect();
    assert_eq!(refused, ["FAILED_PRECONDITION TRANSFER_PENDING"; 3]);
}

#[tokio::test]
async fn of_concurrent_accept_and_withdraw_one_succeeds() {
    let suite = harness().start().await;
    let [olga, ada] = suite.guests(["olga", "ada"]).await;
    let mut admin = suite.admin_of("project").await;
    for _ in 0..12 {
        let project = olga.project("apollo").await;
        olga.add(&project, &ada, ProjectRole::Viewer).await;
        let offered = offer(&olga, offering(&project, &ada)).await.unwrap();
        let (accepted, withdrawn) = tokio::join!(accept(&ada, &offered, ""), withdraw(&olga, &offered, ""));
        assert_ne!(accepted.is_ok(), withdrawn.is_ok());
        let refusal = accepted.as_ref().err().or(withdrawn.as_ref().err()).unwrap();
        assert_eq!(summary(refusal), "FAILED_PRECONDITION OFFER_CLOSED");
        let owner = if accepted.is_ok() { &ada } else { &olga };
        assert_eq!(get(&olga, &project).await.unwrap().owner_id, owner.id.to_string());
        assert_eq!(owners(&mut admin, &project).await, 1);
    }
}

#[tokio::test]
async fn concurrent_accept_and_removal_leave_one_owner() {
    let suite = harness().start().await;
    let [olga, ada, abe] = suite.guests(["olga", "ada", "abe"]).await;
    let mut admin = suite.admin_of("project").await;
    for _ in 0..12 {
        let project = olga.project("apollo").await;
        olga.add(&project, &ada, ProjectRole::Viewer).await;
        olga.add(&project, &abe, ProjectRole::Admin).await;
        let offered = offer(&olga, offering(&project, &ada)).await.unwrap();
        let (accepted, removed) = tokio::join!(accept(&ada, &offered, ""), remove(&abe, &project, &ada));
        match (&accepted, &removed) {
            (Ok(_), Err(refusal)) => assert_eq!(summary(refusal), "FAILED_PRECONDITION OWNER_REQUIRED"),
            (Err(refusal), Ok(())) => {
                let expected = ["NOT_FOUND RESOURCE_NOT_FOUND", "FAILED_PRECONDITION OFFER_CLOSED"];
                assert!(expected.contains(&summary(refusal).as_str()), "{refusal:?}");
            }
            _ => panic!("{accepted:?} {removed:?}"),
        }
        assert_eq!(owners(&mut admin, &project).await, 1);
    }
}

/// The project changes hands repeatedly while its owners are counted.
#[tokio::test]
async fn a_project_has_one_owner_at_every_moment() {
    let suite = harness().start().await;
    let [olga, ada] = suite.guests(["olga", "ada"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Member).await;
    let mut watcher = suite.admin_of("project").await;
    let handing_over = async {
        let (mut owner, mut heir) = (&olga, &ada);
        for _ in 0..10 {
            let offered = offer(owner, offering(&project, heir)).await.unwrap();
            assert_eq!(accept(heir, &offered, "").await.unwrap().status(), OfferStatus::Accepted);
            (owner, heir) = (heir, owner);
        }
    };
    let mut counts = Vec::new();
    tokio::pin!(handing_over);
    loop {
        tokio::select! {
            () = &mut handing_over => break,
            count = owners(&mut watcher, &project) => counts.push(count),
        }
    }
    assert!(counts.len() > 10 && counts.iter().all(|count| *count == 1), "{counts:?}");
}

#[tokio::test]
async fn the_database_rejects_a_project_without_owner() {
    let suite = harness().start().await;
    let [olga, ada] = suite.guests(["olga", "ada"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    let mut admin = suite.admin_of("project").await;
    for attempt in [
        "UPDATE project.project_members SET role = 'admin' WHERE role = 'owner'".to_owned(),
        "DELETE FROM project.project_members WHERE role = 'owner'".to_owned(),
        "UPDATE project.project_members SET role = 'owner'".to_owned(),
        format!("UPDATE project.projects SET owner_id = '{}'", ada.id),
    ] {
        admin.batch_execute(&attempt).await.expect_err(&attempt);
        assert_eq!(owners(&mut admin, &project).await, 1);
    }
    admin.batch_execute("DELETE FROM project.projects").await.unwrap();
}

use shared::proto::project::v1::ProjectRole;
use suite::testing::*;

#[tokio::test]
async fn olga_makes_a_project_and_gus_joins() {
    let suite = Suite::start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    assert_eq!(project.owner_id, olga.id.to_string());
    olga.add(&project, &gus, ProjectRole::Viewer).await;
}

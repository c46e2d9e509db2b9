//! A project with a member in each role.

use crate::harness::harness;
use proto::project::v1::{Project, ProjectRole};
use testkit::*;

/// Olga owns a project in which Ada is an admin, Max a member and Vera a viewer; Gus is a stranger.
pub struct Team {
    pub suite: Suite,
    pub olga: Actor,
    pub ada: Actor,
    pub max: Actor,
    pub vera: Actor,
    pub gus: Actor,
    pub project: Project,
}

pub async fn team() -> Team {
    let suite = harness().start().await;
    let [olga, ada, max, vera, gus] = suite.guests(["olga", "ada", "max", "vera", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &ada, ProjectRole::Admin).await;
    olga.add(&project, &max, ProjectRole::Member).await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    Team { suite, olga, ada, max, vera, gus, project }
}

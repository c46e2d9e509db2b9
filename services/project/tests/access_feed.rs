//! The feed of access states.

use crate::harness::harness;
use std::time::Duration;

use crate::calls::*;
use diesel_async::SimpleAsyncConnection;
use proto::project::backend::v1::{
    ListProjectAccessRequest, ProjectAccess, WatchProjectAccessRequest, WatchProjectAccessResponse,
};
use proto::project::v1::ProjectRole;
use testkit::*;
use tokio::time::timeout;
use tonic::{Status, Streaming};

/// Far above what any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

struct Follower {
    feed: Streaming<WatchProjectAccessResponse>,
    cursor: String,
    caught_up: bool,
}

impl Follower {
    async fn from(suite: &Suite, cursor: &str) -> Result<Self, Status> {
        let request = WatchProjectAccessRequest { cursor: cursor.to_owned() };
        let answer = suite.as_service("task").project_access().watch_project_access(request).await?;
        Ok(Self { feed: answer.into_inner(), cursor: cursor.to_owned(), caught_up: false })
    }

    async fn from_now(suite: &Suite) -> Self {
        let cursor = head(suite).await;
        Self::from(suite, &cursor).await.unwrap()
    }

    async fn next(&mut self) -> Vec<ProjectAccess> {
        let message = timeout(TIMEOUT, self.feed.message()).await.unwrap().unwrap().unwrap();
        self.cursor = message.cursor;
        self.caught_up = message.caught_up;
        message.projects
    }

    /// Reads until a state matches.
    async fn until(&mut self, is_it: impl Fn(&ProjectAccess) -> bool) -> ProjectAccess {
        let search = async {
            loop {
                if let Some(found) = self.next().await.into_iter().find(|state| is_it(state)) {
                    return found;
                }
            }
        };
        timeout(TIMEOUT, search).await.unwrap()
    }
}

async fn head(suite: &Suite) -> String {
    let request = ListProjectAccessRequest::default();
    let mut access = suite.as_service("task").project_access();
    access.list_project_access(request).await.unwrap().into_inner().cursor
}

/// Makes more changes of a project than one poll reads.
async fn churn(suite: &Suite, project: &str) {
    let change = format!("UPDATE project.projects SET visibility = visibility WHERE id = '{project}'");
    let often = format!("DO $$ BEGIN FOR n IN 1..600 LOOP {change}; END LOOP; END $$");
    suite.execute(&often).await;
}

fn has(state: &ProjectAccess, who: &Actor) -> bool {
    state.members.iter().any(|member| member.user_id == who.id.to_string())
}

#[tokio::test]
async fn the_feed_sends_joining_leaving_and_deletion() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let mut follower = Follower::from_now(&suite).await;
    let project = olga.project("apollo").await;
    follower.until(|state| state.project_id == project.id && has(state, &olga)).await;
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    let joined = follower.until(|state| has(state, &gus)).await;
    remove(&olga, &project, &gus).await.unwrap();
    let left = follower.until(|state| state.revision > joined.revision).await;
    assert!(!has(&left, &gus));
    delete(&olga, &project, "").await.unwrap();
    follower.until(|state| state.project_id == project.id && state.deleted).await;
}

#[tokio::test]
async fn a_resumed_feed_sends_every_missed_change() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let mut follower = Follower::from_now(&suite).await;
    let first = olga.project("first").await;
    follower.until(|state| state.project_id == first.id).await;
    let cursor = follower.cursor.clone();
    drop(follower);

    let second = olga.project("second").await;
    olga.add(&first, &gus, ProjectRole::Viewer).await;

    let mut follower = Follower::from(&suite, &cursor).await.unwrap();
    let mut missing = vec![first.id, second.id];
    let all = async {
        while !missing.is_empty() {
            let states = follower.next().await;
            missing.retain(|id| !states.iter().any(|state| state.project_id == *id));
        }
    };
    timeout(TIMEOUT, all).await.unwrap();
}

#[tokio::test]
async fn an_idle_feed_sends_heartbeats_with_the_same_cursor() {
    let suite = harness().start().await;
    let mut follower = Follower::from_now(&suite).await;
    let start = follower.cursor.clone();
    for _ in 0..3 {
        let heartbeat = timeout(Duration::from_secs(4), follower.next()).await.unwrap();
        assert!(heartbeat.is_empty() && follower.caught_up);
        assert_eq!(follower.cursor, start);
    }
}

#[tokio::test]
async fn a_long_transaction_neither_delays_a_removal_nor_loses_changes() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    let mut follower = Follower::from_now(&suite).await;

    // The older transaction has changed a project; nothing of it is visible before it commits.
    let late = olga.project("late").await;
    follower.until(|state| state.project_id == late.id).await;
    let mut slow = suite.admin_of("project").await;
    let change = format!("BEGIN; UPDATE project.projects SET visibility = 'public' WHERE id = '{}'", late.id);
    slow.batch_execute(&change).await.unwrap();

    remove(&olga, &project, &gus).await.unwrap();
    follower.until(|state| state.project_id == project.id && !has(state, &gus)).await;
    slow.batch_execute("COMMIT").await.unwrap();
    follower.until(|state| state.project_id == late.id && state.visibility == PUBLIC).await;
}

#[tokio::test]
async fn a_long_transaction_does_not_delay_a_removal_behind_many_changes() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let [busy, late] = [olga.project("busy").await, olga.project("late").await];
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    let mut slow = suite.admin_of("project").await;
    let change = format!("BEGIN; UPDATE project.projects SET visibility = 'public' WHERE id = '{}'", late.id);
    slow.batch_execute(&change).await.unwrap();
    let mut follower = Follower::from_now(&suite).await;

    churn(&suite, &busy.id).await;
    remove(&olga, &project, &gus).await.unwrap();
    follower.until(|state| state.project_id == project.id && !has(state, &gus)).await;
    let catch_up = async {
        while !follower.caught_up {
            follower.next().await;
        }
    };
    timeout(TIMEOUT, catch_up).await.unwrap();
    slow.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_feed_is_caught_up_only_after_its_whole_backlog() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let [project, busy] = [olga.project("apollo").await, olga.project("busy").await];
    olga.add(&project, &gus, ProjectRole::Viewer).await;
    let cursor = head(&suite).await;
    churn(&suite, &busy.id).await;
    remove(&olga, &project, &gus).await.unwrap();

    let mut follower = Follower::from(&suite, &cursor).await.unwrap();
    let mut is_out = false;
    let catch_up = async {
        while !follower.caught_up {
            is_out |=
                follower.next().await.iter().any(|state| state.project_id == project.id && !has(state, &gus));
        }
    };
    timeout(TIMEOUT, catch_up).await.unwrap();
    assert!(is_out);
}

#[tokio::test]
async fn a_trimmed_or_future_cursor_is_out_of_range() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let mut admin = suite.admin_of("project").await;
    olga.project("apollo").await;
    let trim = "SELECT project.trim_change_log('0 seconds', 1000)";
    admin.batch_execute(trim).await.unwrap();
    for cursor in ["0.0", "9223372036854775806.1"] {
        let refusal = Follower::from(&suite, cursor).await.err().unwrap();
        assert_eq!(summary(&refusal), "OUT_OF_RANGE CURSOR_EXPIRED");
    }
}

#[tokio::test]
async fn the_feed_ends_when_the_service_stops() {
    let mut suite = harness().start().await;
    let mut follower = Follower::from_now(&suite).await;
    follower.next().await;
    timeout(TIMEOUT, suite.stop()).await.unwrap();
    let rest = async { while let Ok(Some(_)) = follower.feed.message().await {} };
    timeout(TIMEOUT, rest).await.unwrap();
}

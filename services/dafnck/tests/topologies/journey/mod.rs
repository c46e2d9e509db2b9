//! The whole way through the suite, as two people and a stranger go it. It takes any running suite and knows nothing of
//! how that was put together: a topology works when the journey comes to its end.
//!
//! Reading order: [`people`], [`work`], [`writing`], [`endings`].

mod endings;
mod people;
mod work;
mod writing;

use std::time::Duration;

use proto::project::v1::{Project, ProjectRole};
use testkit::{Actor, Suite, until_ok};
use tonic::Status;

/// How long a journey waits for what must come, also on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Who travels, and where they are.
struct Journey<'a> {
    suite: &'a Suite,
    /// Owner of the project.
    olga: Actor,
    /// Member of the project, until he is removed.
    gus: Actor,
    /// Somebody else.
    vera: Actor,
    project: Project,
}

/// Goes the whole way.
pub async fn travel(suite: &Suite) {
    let mut olga = suite.user("olga").await;
    let [gus, vera] = suite.guests(["gus", "vera"]).await;
    people::refresh_the_session(&mut olga).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &gus, ProjectRole::Member).await;
    let journey = Journey { suite, olga, gus, vera, project };
    people::strangers_see_nothing(&journey).await;
    let mut watched = work::watch(&journey).await;
    let [build, fly] = work::plan_two_tasks(&journey).await;
    writing::write_and_search(&journey).await;
    let files = writing::attach_files(&journey, &build).await;
    work::complete_in_order(&journey, &build, &fly).await;
    work::all_was_told(&mut watched, &[&build, &fly]).await;
    endings::a_removed_member_is_out(&journey, watched).await;
    endings::files_go_with_their_task(&journey, &build, &files).await;
    endings::everything_goes_with_the_project(&journey, &fly).await;
    endings::a_revoked_session_is_refused_everywhere(&journey).await;
}

/// Asks until the answer is a refusal with this summary. What is told through a feed takes a moment.
pub async fn until_refused<T>(what: &str, summary: &str, ask: impl AsyncFn() -> Result<T, Status>) {
    until_ok(what, TIMEOUT, async || match ask().await {
        Ok(_) => Err("OK".to_owned()),
        Err(status) => {
            let now = testkit::summary(&status);
            if now == summary { Ok(()) } else { Err(now) }
        }
    })
    .await;
}

//! Watching a project under load: interrupted and resumed, and read too slowly.

use crate::harness::harness;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use proto::project::v1::project_event::Subject;
use proto::project::v1::{ListMembersRequest, Member, Project, ProjectEvent, ProjectRole};
use testkit::*;

use crate::calls::*;
use crate::fixtures::*;
use crate::watcher::*;

const KILLS: u64 = 100;
/// Limit per writer, which stops when the reader is done.
const STEPS: u64 = 2_000;

/// A pseudorandom number, equal in every run.
fn roll(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

/// Adds, removes, promotes and demotes a member and renames the project.
async fn write(olga: &Actor, project: &Project, whom: &Actor, mut seed: u64, is_over: &AtomicBool) {
    for step in 0..STEPS {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let _there_already_or_gone = match roll(&mut seed, 4) {
            0 => add(olga, joining(project, whom, MEMBER)).await.map(drop),
            1 => remove(olga, project, whom).await,
            2 => match get_member(olga, project, whom).await {
                Ok(member) => {
                    let role = if roll(&mut seed, 2) == 0 { ADMIN } else { VIEWER };
                    update_member(olga, Member { role, ..member }, &["role"]).await.map(drop)
                }
                Err(_) => Ok(()),
            },
            _ => {
                let name = format!("{seed} {step}");
                let renamed = Project { name, etag: String::new(), ..project.clone() };
                update(olga, renamed, &["name"]).await.map(drop)
            }
        };
    }
}

/// A copy of a project and its members; keeps the sequence of deleted ones.
#[derive(Default)]
struct Copy {
    project: (i64, Option<Project>),
    members: BTreeMap<String, (i64, Option<Member>)>,
    applied: usize,
}

impl Copy {
    fn apply(&mut self, event: ProjectEvent) {
        self.applied += 1;
        match event.subject.unwrap() {
            Subject::Project(change) => put(&mut self.project, event.sequence, change.after),
            Subject::Member(change) => {
                let id = change.after.as_ref().or(change.before.as_ref()).unwrap().id.clone();
                put(self.members.entry(id).or_default(), event.sequence, change.after);
            }
            Subject::Invitation(_) | Subject::Transfer(_) => {}
        }
    }

    fn members(&self) -> BTreeMap<String, Member> {
        self.members.iter().filter_map(|(id, (_, member))| Some((id.clone(), member.clone()?))).collect()
    }
}

fn put<T>(known: &mut (i64, Option<T>), sequence: i64, after: Option<T>) {
    assert_ne!(known.0, sequence, "twice");
    if known.0 < sequence {
        *known = (sequence, after);
    }
}

async fn members(who: &Actor, project: &Project) -> BTreeMap<String, Member> {
    let request = ListMembersRequest { project_id: project.id.clone(), ..Default::default() };
    let page = who.members().list_members(request).await.unwrap().into_inner();
    page.members.into_iter().map(|member| (member.id.clone(), member)).collect()
}

/// Reads a few messages, applies some of them and disconnects. Keeps the token of the last applied one.
async fn watch_briefly(who: &Actor, project: &Project, token: &mut String, copy: &mut Copy, seed: &mut u64) {
    let mut watcher = Watcher::of(who, watch(project, token)).await.unwrap();
    for _ in 0..=roll(seed, 4) {
        watcher.next().await.unwrap();
        if roll(seed, 4) == 0 {
            return;
        }
        watcher.seen.drain(..).for_each(|event| copy.apply(event));
        token.clone_from(&watcher.token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_reconnects_a_hundred_times_ends_with_the_stored_state() {
    let suite = harness().start().await;
    let [olga, vera] = suite.guests(["olga", "vera"]).await;
    let movers = suite.guests(["max", "mia", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    let mut token = Watcher::from_now(&suite, &vera, &project).await.token;
    let mut copy = Copy { project: (0, Some(get(&vera, &project).await.unwrap())), ..Copy::default() };
    copy.members = members(&vera, &project).await.into_iter().map(|(id, m)| (id, (0, Some(m)))).collect();
    let is_over = AtomicBool::new(false);
    let writers =
        join_all(movers.iter().zip(1..).map(|(whom, seed)| write(&olga, &project, whom, seed, &is_over)));
    let reader = async {
        let mut seed = 11;
        for _ in 0..KILLS {
            watch_briefly(&vera, &project, &mut token, &mut copy, &mut seed).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    futures::join!(writers, reader);

    let last = Project { name: "the last".to_owned(), etag: String::new(), ..project.clone() };
    let last = update(&olga, last, &["name"]).await.unwrap();
    let mut watcher = Watcher::of(&vera, watch(&project, &token)).await.unwrap();
    while copy.project.1.as_ref() != Some(&last) {
        watcher.next().await.unwrap();
        watcher.seen.drain(..).for_each(|event| copy.apply(event));
    }
    assert_eq!(copy.members(), members(&vera, &project).await);
    assert!(copy.applied > 50, "{}", copy.applied);
}

/// More than fits into the flow-control window and the buffers.
async fn write_much(suite: &Suite, project: &Project) {
    let statement = format!(
        "DO $$ BEGIN FOR n IN 1..100 LOOP UPDATE project.projects \
         SET name = 'name ' || n, description = repeat(md5(n::text), 3000) WHERE id = '{}'; END LOOP; END $$",
        project.id
    );
    suite.execute(&statement).await;
}

fn names(events: &[ProjectEvent]) -> Vec<String> {
    let name = |event: &ProjectEvent| match event.subject.as_ref().unwrap() {
        Subject::Project(change) => change.after.clone().unwrap().name,
        other => panic!("{other:?}"),
    };
    events.iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_stops_reading_is_disconnected_and_resumes() {
    let Team { suite, olga, project, .. } = &team().await;
    let mut watcher = Watcher::from_now(suite, olga, project).await;
    write_much(suite, project).await;
    // The reader sleeps for longer than the server's patience.
    tokio::time::sleep(shared::change_log::feed::PATIENCE * 2).await;

    assert_eq!(summary(&watcher.end().await), "RESOURCE_EXHAUSTED WATCH_TOO_SLOW");

    let mut heard = names(&watcher.seen);
    assert!(heard.len() < 100);
    let mut watcher = Watcher::of(olga, watch(project, &watcher.token)).await.unwrap();
    heard.extend(names(watcher.until(100 - heard.len()).await));
    assert_eq!(heard, (1..=100).map(|n| format!("name {n}")).collect::<Vec<_>>());
}

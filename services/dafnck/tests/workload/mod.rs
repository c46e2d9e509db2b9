//! Several users do random things; a model that knows nothing of the services says what each is answered and sees.

mod documents;
mod faults;
mod looks;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use proto::content::v1 as content;
use proto::project::v1 as project;
use proto::task::v1 as task;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use rand::{Rng as _, SeedableRng as _};
use shared::access::{AT_LEAST_AS_FRESH, CONSISTENCY_TOKEN};
use testkit::{Actor, Suite, new_id, reason_of, summary, until};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Response, Status};

use crate::harness::harness;
use model::{HIDDEN, OK, Project, Role, Task, User};

const NAMES: [&str; 4] = ["olga", "gus", "eva", "tom"];
const STEPS: usize = 240;
/// Until each common thing has been done once.
const MAX_STEPS: usize = 2_400;
/// Steps between two looks at everything that everybody sees.
const STEPS_PER_LOOK: usize = 40;
const MAX_PROJECTS: usize = 5;
const MAX_TASKS: usize = 12;
/// How long a suite may take to answer again after a fault.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY_DELAY: Duration = Duration::from_millis(20);

struct Workload {
    random: StdRng,
    actors: [Actor; NAMES.len()],
    projects: BTreeMap<String, Project>,
    /// What was done with success.
    done: BTreeSet<&'static str>,
    has_faults: bool,
}

struct Answer<T> {
    got: String,
    message: Option<T>,
    token: Option<MetadataValue<Ascii>>,
    /// Whether an earlier call of the same was not answered: it may have been applied.
    is_repeated: bool,
}

/// Whether the call was cut off or came at the wrong time. What has no reason comes from the connection, not from a service.
fn is_no_answer(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) || reason_of(status).is_empty()
}

impl Workload {
    async fn new(suite: &Suite, seed: u64) -> Self {
        let actors = suite.guests(NAMES).await;
        let (projects, done) = (BTreeMap::new(), BTreeSet::new());
        Self { random: StdRng::seed_from_u64(seed), actors, projects, done, has_faults: false }
    }

    /// Calls, while faults happen until there is an answer.
    async fn answer<T>(&self, call: impl AsyncFn() -> Result<Response<T>, Status>) -> Answer<T> {
        let (began, mut is_repeated) = (Instant::now(), false);
        loop {
            match call().await {
                Ok(response) => {
                    let token = response.metadata().get(CONSISTENCY_TOKEN).cloned();
                    return Answer {
                        got: OK.to_owned(),
                        message: Some(response.into_inner()),
                        token,
                        is_repeated,
                    };
                }
                Err(status)
                    if self.has_faults && is_no_answer(&status) && began.elapsed() < RECOVERY_TIMEOUT =>
                {
                    is_repeated = true;
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                Err(status) => {
                    return Answer { got: summary(&status), message: None, token: None, is_repeated };
                }
            }
        }
    }

    fn user(&mut self) -> User {
        self.random.random_range(0..NAMES.len())
    }

    fn project(&mut self) -> Option<String> {
        self.projects.keys().choose(&mut self.random).cloned()
    }

    fn task(&mut self, project: &str) -> Option<String> {
        self.projects[project].tasks.keys().choose(&mut self.random).cloned()
    }

    /// Does one thing, and compares its answer with the model's.
    async fn step(&mut self, number: usize) {
        let user = self.user();
        let verb = self.random.random_range(0..16);
        let Some(id) = self.project().filter(|_| verb > 0) else {
            return self.create_project(user, number).await;
        };
        match verb {
            1 | 2 => self.change_member(user, &id).await,
            3..=5 => self.create_task(user, &id, number).await,
            12 => self.create_document(user, &id, number).await,
            13.. => self.change_document(user, &id, number).await,
            _ => {
                let (Some(one), Some(other)) = (self.task(&id), self.task(&id)) else { return };
                match verb {
                    6 => self.rename_task(user, &id, &one, number).await,
                    7 => self.complete_task(user, &id, &one).await,
                    8 => self.delete_task(user, &id, &one).await,
                    9 => self.remove_dependency(user, &id, &one, &other).await,
                    _ => self.add_dependency(user, &id, &one, &other).await,
                }
            }
        }
    }

    /// Whether it was done. What is repeated and finds the thing gone may have been done by the first call.
    fn compare<T>(&mut self, verb: &'static str, answer: &Answer<T>, expected: &str) -> bool {
        let was_removed = answer.is_repeated && expected == OK && answer.got == HIDDEN;
        assert!(was_removed || answer.got == expected, "{verb}: {}, expected {expected}", answer.got);
        if expected == OK {
            self.done.insert(verb);
        }
        expected == OK
    }

    async fn create_project(&mut self, user: User, number: usize) {
        if self.projects.len() == MAX_PROJECTS {
            return;
        }
        let is_public = self.random.random_bool(0.3);
        let visibility = match is_public {
            true => project::ProjectVisibility::Public,
            false => project::ProjectVisibility::Private,
        };
        let new = project::Project {
            name: format!("project {number}"),
            visibility: visibility.into(),
            ..Default::default()
        };
        let request = project::CreateProjectRequest { request_id: new_id(), project: Some(new) };
        let made =
            self.answer(async || self.actors[user].projects().create_project(request.clone()).await).await;
        self.compare("create project", &made, OK);
        self.projects.insert(made.message.unwrap().id, Project::of(user, is_public));
    }

    async fn change_member(&mut self, user: User, id: &str) {
        let other = self.user();
        let role = if self.random.random_bool(0.5) { Role::Viewer } else { Role::Member };
        let is_member = match self.projects[id].roles.get(&other) {
            // An owner stays one.
            Some(Role::Owner) => return,
            role => role.is_some(),
        };
        // Members may remove themselves.
        let leaves = is_member && user == other;
        let expected = if leaves { OK } else { self.projects[id].manage_members(user) };
        let (project_id, user_id) = (id.to_owned(), self.actors[other].id.to_string());
        let actor = &self.actors[user];
        let (verb, changed) = if is_member {
            let request = project::RemoveMemberRequest { project_id, user_id, ..Default::default() };
            let removed = self.answer(async || actor.members().remove_member(request.clone()).await).await;
            let Answer { got, token, is_repeated, .. } = removed;
            ("remove member", Answer { got, message: Some(()), token, is_repeated })
        } else {
            let role = match role {
                Role::Viewer => project::ProjectRole::Viewer,
                _ => project::ProjectRole::Member,
            };
            let member = project::Member { project_id, user_id, role: role.into(), ..Default::default() };
            let request = project::AddMemberRequest { request_id: new_id(), member: Some(member) };
            let added = self.answer(async || actor.members().add_member(request.clone()).await).await;
            let Answer { got, token, is_repeated, .. } = added;
            ("add member", Answer { got, message: Some(()), token, is_repeated })
        };
        if !self.compare(verb, &changed, expected) {
            return;
        }
        let project = self.projects.get_mut(id).unwrap();
        if is_member {
            project.roles.remove(&other);
        } else {
            project.roles.insert(other, role);
        }
        self.await_access(user, id, changed.token).await;
    }

    /// From here on the task and the content service know of a change of members: at once with the token, which a call that
    /// was repeated may not have got.
    async fn await_access(&self, user: User, id: &str, token: Option<MetadataValue<Ascii>>) {
        let (actor, is_visible) = (&self.actors[user], self.projects[id].is_visible(user));
        let Some(token) = token else {
            return until("the change of members is known", RECOVERY_TIMEOUT, async || {
                let tasks = self.answer(async || actor.tasks().list_tasks(tasks_of(id)).await).await;
                let documents =
                    self.answer(async || actor.documents().list_documents(documents_of(id)).await).await;
                (tasks.got == OK, documents.got == OK) == (is_visible, is_visible)
            })
            .await;
        };
        let tasks =
            self.answer(async || actor.tasks().list_tasks(at_least_as_fresh(tasks_of(id), &token)).await);
        let tasks = tasks.await;
        assert_eq!(tasks.got == OK, is_visible, "{}", tasks.got);
        let documents = self.answer(async || {
            actor.documents().list_documents(at_least_as_fresh(documents_of(id), &token)).await
        });
        let documents = documents.await;
        assert_eq!(documents.got == OK, is_visible, "{}", documents.got);
    }

    async fn create_task(&mut self, user: User, id: &str, number: usize) {
        if self.projects[id].tasks.len() == MAX_TASKS {
            return;
        }
        let expected = self.projects[id].create_task(user);
        let title = format!("task {number}");
        let new = task::Task { project_id: id.to_owned(), title: title.clone(), ..Default::default() };
        let request = task::CreateTaskRequest { request_id: new_id(), task: Some(new) };
        let made = self.answer(async || self.actors[user].tasks().create_task(request.clone()).await).await;
        if self.compare("create task", &made, expected) {
            let tasks = &mut self.projects.get_mut(id).unwrap().tasks;
            tasks.insert(made.message.unwrap().id, Task { title, ..Task::default() });
        }
    }

    async fn rename_task(&mut self, user: User, id: &str, task: &str, number: usize) {
        let expected = self.projects[id].rename_task(user);
        let title = format!("renamed {number}");
        let changed = task::Task { id: task.to_owned(), title: title.clone(), ..Default::default() };
        let request = task::UpdateTaskRequest { task: Some(changed), ..Default::default() };
        let got = self.answer(async || self.actors[user].tasks().update_task(request.clone()).await).await;
        if self.compare("rename task", &got, expected) {
            self.projects.get_mut(id).unwrap().tasks.get_mut(task).unwrap().title = title;
        }
    }

    async fn complete_task(&mut self, user: User, id: &str, task: &str) {
        if self.projects[id].tasks[task].is_done {
            return;
        }
        let expected = self.projects[id].complete_task(user, task);
        let request = task::CompleteTaskRequest { task_id: task.to_owned(), ..Default::default() };
        let got = self.answer(async || self.actors[user].tasks().complete_task(request.clone()).await).await;
        if self.compare("complete task", &got, expected) {
            self.projects.get_mut(id).unwrap().tasks.get_mut(task).unwrap().is_done = true;
        }
    }

    async fn delete_task(&mut self, user: User, id: &str, task: &str) {
        let expected = self.projects[id].delete_task(user);
        let request = task::DeleteTaskRequest { task_id: task.to_owned(), ..Default::default() };
        let got = self.answer(async || self.actors[user].tasks().delete_task(request.clone()).await).await;
        if self.compare("delete task", &got, expected) {
            self.projects.get_mut(id).unwrap().forget(task);
        }
    }

    async fn add_dependency(&mut self, user: User, id: &str, one: &str, other: &str) {
        let tasks = &self.projects[id].tasks;
        // What is done is not held up any more.
        if one == other || tasks[one].is_done || tasks[other].is_done {
            return;
        }
        let expected = self.projects[id].add_dependency(user, one, other);
        let new = task::TaskDependency {
            task_id: one.to_owned(),
            depends_on_task_id: other.to_owned(),
            ..Default::default()
        };
        let request = task::CreateTaskDependencyRequest { request_id: new_id(), task_dependency: Some(new) };
        let plans = || self.actors[user].plans();
        let got = self.answer(async || plans().create_task_dependency(request.clone()).await).await;
        if self.compare("add dependency", &got, expected) {
            let task = self.projects.get_mut(id).unwrap().tasks.get_mut(one).unwrap();
            task.depends_on.insert(other.to_owned());
        }
    }

    async fn remove_dependency(&mut self, user: User, id: &str, one: &str, other: &str) {
        // Mostly one that is there.
        let known = self.projects[id].tasks[one].depends_on.iter().choose(&mut self.random).cloned();
        let other = known.unwrap_or_else(|| other.to_owned());
        if *one == other {
            return;
        }
        let expected = self.projects[id].remove_dependency(user, one, &other);
        let pair = task::TaskPair { task_id: one.to_owned(), depends_on_task_id: other.clone() };
        let selector = Some(task::delete_task_dependency_request::Selector::Pair(pair));
        let request = task::DeleteTaskDependencyRequest { selector };
        let plans = || self.actors[user].plans();
        let got = self.answer(async || plans().delete_task_dependency(request.clone()).await).await;
        if self.compare("remove dependency", &got, expected) {
            let task = self.projects.get_mut(id).unwrap().tasks.get_mut(one).unwrap();
            task.depends_on.remove(&other);
        }
    }

    fn has_done_what_is_common(&self) -> bool {
        let tasks = ["add dependency", "create task", "rename task"];
        let others = ["add member", "create project", "create document", "edit document"];
        tasks.iter().chain(&others).all(|verb| self.done.contains(verb))
    }

    async fn steps(&mut self, numbers: Range<usize>) {
        for number in numbers {
            self.step(number).await;
        }
    }
}

fn tasks_of(project: &str) -> task::ListTasksRequest {
    let filter = task::TaskFilter { project_ids: vec![project.to_owned()], ..Default::default() };
    task::ListTasksRequest { filter: Some(filter), page_size: 1_000, ..Default::default() }
}

fn documents_of(project: &str) -> content::ListDocumentsRequest {
    let filter = content::DocumentFilter { project_ids: vec![project.to_owned()], ..Default::default() };
    content::ListDocumentsRequest { filter: Some(filter), page_size: 1_000, ..Default::default() }
}

fn at_least_as_fresh<T>(message: T, token: &MetadataValue<Ascii>) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(AT_LEAST_AS_FRESH, token.clone());
    request
}

#[tokio::test]
async fn random_changes_of_several_users_are_answered_and_seen_as_a_model_says() {
    // Shown when the test fails: put it here to see the same again.
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let suite = harness().start().await;
    let mut workload = Workload::new(&suite, seed).await;
    for number in 0..MAX_STEPS {
        if number >= STEPS && workload.has_done_what_is_common() {
            break;
        }
        workload.step(number).await;
        if number % STEPS_PER_LOOK == STEPS_PER_LOOK - 1 {
            workload.look().await;
        }
    }
    assert!(workload.has_done_what_is_common(), "only {:?}", workload.done);
}

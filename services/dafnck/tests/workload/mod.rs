//! Several users do random things; a model that knows nothing of the services says what each is answered and sees.

mod model;

use std::collections::{BTreeMap, BTreeSet};

use proto::project::v1 as project;
use proto::task::v1 as task;
use proto::task::v1::TaskStatus;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use rand::{Rng as _, SeedableRng as _};
use shared::access::{AT_LEAST_AS_FRESH, CONSISTENCY_TOKEN};
use testkit::{Actor, Suite, summary};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Response, Status};

use crate::harness::harness;
use model::{OK, Project, Role, State, Task, User};

const NAMES: [&str; 4] = ["olga", "gus", "eva", "tom"];
const STEPS: usize = 240;
/// Until each common thing has been done once.
const MAX_STEPS: usize = 2_400;
/// Steps between two looks at everything that everybody sees.
const STEPS_PER_LOOK: usize = 40;
const MAX_PROJECTS: usize = 5;
const MAX_TASKS: usize = 12;

struct Workload {
    random: StdRng,
    actors: [Actor; NAMES.len()],
    projects: BTreeMap<String, Project>,
    /// What was done with success.
    done: BTreeSet<&'static str>,
}

fn answer<T>(outcome: Result<Response<T>, Status>) -> (String, Option<T>, Option<MetadataValue<Ascii>>) {
    match outcome {
        Ok(response) => {
            let token = response.metadata().get(CONSISTENCY_TOKEN).cloned();
            (OK.to_owned(), Some(response.into_inner()), token)
        }
        Err(status) => (summary(&status), None, None),
    }
}

impl Workload {
    async fn new(suite: &Suite, seed: u64) -> Self {
        let actors = suite.guests(NAMES).await;
        Self { random: StdRng::seed_from_u64(seed), actors, projects: BTreeMap::new(), done: BTreeSet::new() }
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
        let verb = self.random.random_range(0..12);
        let Some(id) = self.project().filter(|_| verb > 0) else {
            return self.create_project(user, number).await;
        };
        match verb {
            1 | 2 => self.change_member(user, &id).await,
            3..=5 => self.create_task(user, &id, number).await,
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

    fn compare(&mut self, verb: &'static str, got: &str, expected: &str) -> bool {
        assert_eq!(got, expected, "{verb}");
        if got == OK {
            self.done.insert(verb);
        }
        got == OK
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
        let request = project::CreateProjectRequest { project: Some(new), ..Default::default() };
        let (got, made, _) = answer(self.actors[user].projects().create_project(request).await);
        self.compare("create project", &got, OK);
        self.projects.insert(made.unwrap().id, Project::of(user, is_public));
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
        let mut members = self.actors[user].members();
        let (got, token) = if is_member {
            let request = project::RemoveMemberRequest { project_id, user_id, ..Default::default() };
            let (got, _, token) = answer(members.remove_member(request).await);
            (got, token)
        } else {
            let role = match role {
                Role::Viewer => project::ProjectRole::Viewer,
                _ => project::ProjectRole::Member,
            };
            let member = project::Member { project_id, user_id, role: role.into(), ..Default::default() };
            let request = project::AddMemberRequest { member: Some(member), ..Default::default() };
            let (got, _, token) = answer(members.add_member(request).await);
            (got, token)
        };
        let verb = if is_member { "remove member" } else { "add member" };
        if !self.compare(verb, &got, expected) {
            return;
        }
        let project = self.projects.get_mut(id).unwrap();
        if is_member {
            project.roles.remove(&other);
        } else {
            project.roles.insert(other, role);
        }
        // From here on the task service knows of it.
        let mut request = Request::new(tasks_of(id));
        request.metadata_mut().insert(AT_LEAST_AS_FRESH, token.unwrap());
        let (got, _, _) = answer(self.actors[user].tasks().list_tasks(request).await);
        assert_eq!(got == OK, self.projects[id].is_visible(user), "{got}");
    }

    async fn create_task(&mut self, user: User, id: &str, number: usize) {
        if self.projects[id].tasks.len() == MAX_TASKS {
            return;
        }
        let expected = self.projects[id].create_task(user);
        let title = format!("task {number}");
        let new = task::Task { project_id: id.to_owned(), title: title.clone(), ..Default::default() };
        let request = task::CreateTaskRequest { task: Some(new), ..Default::default() };
        let (got, made, _) = answer(self.actors[user].tasks().create_task(request).await);
        if self.compare("create task", &got, expected) {
            let tasks = &mut self.projects.get_mut(id).unwrap().tasks;
            tasks.insert(made.unwrap().id, Task { title, ..Task::default() });
        }
    }

    async fn rename_task(&mut self, user: User, id: &str, task: &str, number: usize) {
        let expected = self.projects[id].rename_task(user);
        let title = format!("renamed {number}");
        let changed = task::Task { id: task.to_owned(), title: title.clone(), ..Default::default() };
        let request = task::UpdateTaskRequest { task: Some(changed), ..Default::default() };
        let (got, _, _) = answer(self.actors[user].tasks().update_task(request).await);
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
        let (got, _, _) = answer(self.actors[user].tasks().complete_task(request).await);
        if self.compare("complete task", &got, expected) {
            self.projects.get_mut(id).unwrap().tasks.get_mut(task).unwrap().is_done = true;
        }
    }

    async fn delete_task(&mut self, user: User, id: &str, task: &str) {
        let expected = self.projects[id].delete_task(user);
        let request = task::DeleteTaskRequest { task_id: task.to_owned(), ..Default::default() };
        let (got, _, _) = answer(self.actors[user].tasks().delete_task(request).await);
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
        let request = task::CreateTaskDependencyRequest { task_dependency: Some(new), ..Default::default() };
        let (got, _, _) = answer(self.actors[user].plans().create_task_dependency(request).await);
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
        let (got, _, _) = answer(self.actors[user].plans().delete_task_dependency(request).await);
        if self.compare("remove dependency", &got, expected) {
            let task = self.projects.get_mut(id).unwrap().tasks.get_mut(one).unwrap();
            task.depends_on.remove(&other);
        }
    }

    /// Compares all that everybody sees with the model.
    async fn look(&self) {
        for (user, actor) in self.actors.iter().enumerate() {
            let request = project::ListProjectsRequest { page_size: 1_000, ..Default::default() };
            let listed = actor.projects().list_projects(request).await.unwrap().into_inner().projects;
            let seen: BTreeSet<String> = listed.into_iter().map(|project| project.id).collect();
            let visible = self.projects.iter().filter(|(_, project)| project.is_visible(user));
            assert_eq!(seen, visible.map(|(id, _)| id.clone()).collect(), "projects of {}", NAMES[user]);
            for (id, project) in &self.projects {
                self.look_at_tasks(user, actor, id, project).await;
            }
        }
    }

    async fn look_at_tasks(&self, user: User, actor: &Actor, id: &str, project: &Project) {
        let (got, listed, _) = answer(actor.tasks().list_tasks(tasks_of(id)).await);
        if !project.is_visible(user) {
            assert_eq!(got, "NOT_FOUND RESOURCE_NOT_FOUND", "tasks of {id} for {}", NAMES[user]);
            return;
        }
        let seen: BTreeSet<(String, String, State)> = listed.unwrap().tasks.iter().map(shown).collect();
        let tasks = project.tasks.iter();
        let expected = tasks.map(|(id, task)| (id.clone(), task.title.clone(), project.state(id))).collect();
        assert_eq!(seen, expected, "tasks of {id} for {}", NAMES[user]);
        for (id, task) in &project.tasks {
            let request = task::ListTaskDependenciesRequest { task_id: id.clone(), ..Default::default() };
            let listed = actor.plans().list_task_dependencies(request).await.unwrap().into_inner();
            let seen = listed.dependencies.into_iter().map(|dependency| dependency.depends_on_task_id);
            assert_eq!(seen.collect::<BTreeSet<_>>(), task.depends_on, "dependencies of {id}");
        }
    }
}

fn tasks_of(project: &str) -> task::ListTasksRequest {
    let filter = task::TaskFilter { project_ids: vec![project.to_owned()], ..Default::default() };
    task::ListTasksRequest { filter: Some(filter), page_size: 1_000, ..Default::default() }
}

fn shown(task: &task::Task) -> (String, String, State) {
    let state = match task.status() {
        TaskStatus::Done => State::Done,
        TaskStatus::Blocked => State::Blocked,
        TaskStatus::Pending => State::Pending,
        other => panic!("nobody has set {other:?}"),
    };
    (task.id.clone(), task.title.clone(), state)
}

#[tokio::test]
async fn random_changes_of_several_users_are_answered_and_seen_as_a_model_says() {
    // Shown when the test fails: put it here to see the same again.
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let suite = harness().start().await;
    let mut workload = Workload::new(&suite, seed).await;
    let common = ["add dependency", "add member", "create project", "create task", "rename task"];
    for number in 0..MAX_STEPS {
        if number >= STEPS && common.iter().all(|verb| workload.done.contains(verb)) {
            break;
        }
        workload.step(number).await;
        if number % STEPS_PER_LOOK == STEPS_PER_LOOK - 1 {
            workload.look().await;
        }
    }
    assert!(common.iter().all(|verb| workload.done.contains(verb)), "only {:?}", workload.done);
}

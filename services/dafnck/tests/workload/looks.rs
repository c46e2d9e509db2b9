//! What everybody sees, compared with the model.

use std::collections::BTreeSet;

use proto::project::v1 as project;
use proto::task::v1 as task;
use proto::task::v1::TaskStatus;
use testkit::Actor;

use super::model::{HIDDEN, Project, State, User};
use super::{Answer, NAMES, Workload, tasks_of};

impl Workload {
    /// Compares all that everybody sees with the model.
    pub(super) async fn look(&self) {
        for (user, actor) in self.actors.iter().enumerate() {
            let request = project::ListProjectsRequest { page_size: 1_000, ..Default::default() };
            let listed = self.answer(async || actor.projects().list_projects(request.clone()).await).await;
            let seen: BTreeSet<String> =
                listed.message.unwrap().projects.into_iter().map(|project| project.id).collect();
            let visible = self.projects.iter().filter(|(_, project)| project.is_visible(user));
            assert_eq!(seen, visible.map(|(id, _)| id.clone()).collect(), "projects of {}", NAMES[user]);
            for (id, project) in &self.projects {
                self.look_at_tasks(user, actor, id, project).await;
                self.look_at_documents(user, actor, id, project).await;
            }
        }
    }

    async fn look_at_tasks(&self, user: User, actor: &Actor, id: &str, project: &Project) {
        let Answer { got, message: listed, .. } =
            self.answer(async || actor.tasks().list_tasks(tasks_of(id)).await).await;
        if !project.is_visible(user) {
            assert_eq!(got, HIDDEN, "tasks of {id} for {}", NAMES[user]);
            return;
        }
        let seen: BTreeSet<(String, String, State)> = listed.unwrap().tasks.iter().map(shown).collect();
        let tasks = project.tasks.iter();
        let expected = tasks.map(|(id, task)| (id.clone(), task.title.clone(), project.state(id))).collect();
        assert_eq!(seen, expected, "tasks of {id} for {}", NAMES[user]);
        for (id, task) in &project.tasks {
            let request = task::ListTaskDependenciesRequest { task_id: id.clone(), ..Default::default() };
            let listed =
                self.answer(async || actor.plans().list_task_dependencies(request.clone()).await).await;
            let seen = listed
                .message
                .unwrap()
                .dependencies
                .into_iter()
                .map(|dependency| dependency.depends_on_task_id);
            assert_eq!(seen.collect::<BTreeSet<_>>(), task.depends_on, "dependencies of {id}");
        }
    }
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

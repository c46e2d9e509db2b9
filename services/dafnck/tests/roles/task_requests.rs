//! The requests of `requests.rs` that are about tasks and plans.

use prost::Message;
use proto::task::v1::move_task_request::Destination;
use proto::task::v1::*;

use super::sample::{Ids, Sample, stale};

/// In the order in which a caller sends them.
pub fn all(ids: &Ids) -> Vec<Sample> {
    [
        of_tasks(ids),
        of_dependencies(ids),
        of_batches_and_the_past(ids),
        of_plans_and_searches(ids),
        of_time(ids),
        of_milestones(ids),
    ]
    .concat()
}

fn another_task(ids: &Ids) -> Task {
    Task { project_id: ids.project.clone(), title: "another".to_owned(), ..Default::default() }
}

fn update(ids: &Ids) -> UpdateTaskRequest {
    let unchanged = Task { id: ids.task.clone(), etag: stale(), ..Default::default() };
    UpdateTaskRequest { task: Some(unchanged), ..Default::default() }
}

fn delete(ids: &Ids) -> DeleteTaskRequest {
    DeleteTaskRequest { task_id: ids.task.clone(), etag: stale() }
}

fn of_tasks(ids: &Ids) -> Vec<Sample> {
    let create = CreateTaskRequest { task: Some(another_task(ids)), ..Default::default() };
    let by_id = GetTaskRequest { task_id: ids.task.clone() };
    let batch = BatchGetTasksRequest { task_ids: vec![ids.task.clone()] };
    let of_project = ListTasksRequest {
        filter: Some(TaskFilter { project_ids: vec![ids.project.clone()], ..Default::default() }),
        ..Default::default()
    };
    vec![
        ("task.v1.TaskService/CreateTask", create.encode_to_vec()),
        ("task.v1.TaskService/GetTask", by_id.encode_to_vec()),
        ("task.v1.TaskService/BatchGetTasks", batch.encode_to_vec()),
        ("task.v1.TaskService/ListTasks", of_project.encode_to_vec()),
        ("task.v1.TaskService/UpdateTask", update(ids).encode_to_vec()),
        ("task.v1.TaskService/CompleteTask", delete(ids).encode_to_vec()),
        ("task.v1.TaskService/DeleteTask", delete(ids).encode_to_vec()),
    ]
}

fn of_milestones(ids: &Ids) -> Vec<Sample> {
    let milestone_id = ids.milestone.clone();
    let new = Milestone { project_id: ids.project.clone(), name: "more".to_owned(), ..Default::default() };
    let create = CreateMilestoneRequest { milestone: Some(new), ..Default::default() };
    let by_id = GetMilestoneRequest { milestone_id: milestone_id.clone() };
    let list = ListMilestonesRequest { project_id: ids.project.clone(), ..Default::default() };
    let unchanged = Milestone { id: milestone_id.clone(), etag: stale(), ..Default::default() };
    let update = UpdateMilestoneRequest { milestone: Some(unchanged), ..Default::default() };
    let delete = DeleteMilestoneRequest { milestone_id, etag: stale() };
    vec![
        ("task.v1.MilestoneService/CreateMilestone", create.encode_to_vec()),
        ("task.v1.MilestoneService/GetMilestone", by_id.encode_to_vec()),
        ("task.v1.MilestoneService/ListMilestones", list.encode_to_vec()),
        ("task.v1.MilestoneService/UpdateMilestone", update.encode_to_vec()),
        ("task.v1.MilestoneService/DeleteMilestone", delete.encode_to_vec()),
    ]
}

/// A caller's own time entry is made on the way; most are about one of the owner's.
fn of_time(ids: &Ids) -> Vec<Sample> {
    let time_entry_id = ids.time_entry.clone();
    let own = TimeEntry { task_id: ids.task.clone(), ..Default::default() };
    let create = CreateTimeEntryRequest { time_entry: Some(own), ..Default::default() };
    let by_id = GetTimeEntryRequest { time_entry_id: time_entry_id.clone() };
    let filter = Some(TimeEntryFilter { project_ids: vec![ids.project.clone()], ..Default::default() });
    let list = ListTimeEntriesRequest { filter: filter.clone(), ..Default::default() };
    let unchanged = TimeEntry { id: time_entry_id.clone(), etag: stale(), ..Default::default() };
    let update = UpdateTimeEntryRequest { time_entry: Some(unchanged), ..Default::default() };
    let by_verb = StopTimeEntryRequest { time_entry_id, etag: stale() }.encode_to_vec();
    let report = GetTimeReportRequest { filter, ..Default::default() };
    vec![
        ("task.v1.TimeEntryService/CreateTimeEntry", create.encode_to_vec()),
        ("task.v1.TimeEntryService/GetTimeEntry", by_id.encode_to_vec()),
        ("task.v1.TimeEntryService/ListTimeEntries", list.encode_to_vec()),
        ("task.v1.TimeEntryService/UpdateTimeEntry", update.encode_to_vec()),
        ("task.v1.TimeEntryService/StopTimeEntry", by_verb.clone()),
        ("task.v1.TimeEntryService/DeleteTimeEntry", by_verb),
        ("task.v1.TimeEntryService/GetTimeReport", report.encode_to_vec()),
    ]
}

fn of_dependencies(ids: &Ids) -> Vec<Sample> {
    let (task_id, dependency_id) = (ids.task.clone(), ids.dependency.clone());
    let progress = GetProjectProgressRequest { project_id: ids.project.clone(), ..Default::default() };
    let link = CreateTaskDependencyRequest {
        task_dependency: Some(TaskDependency {
            task_id: ids.other_task.clone(),
            depends_on_task_id: task_id.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let list = ListTaskDependenciesRequest { task_id, ..Default::default() };
    let selector = get_task_dependency_request::Selector::DependencyId(dependency_id.clone());
    let get = GetTaskDependencyRequest { selector: Some(selector) };
    let selector = delete_task_dependency_request::Selector::DependencyId(dependency_id);
    let unlink = DeleteTaskDependencyRequest { selector: Some(selector) };
    vec![
        ("task.v1.PlanService/GetProjectProgress", progress.encode_to_vec()),
        ("task.v1.PlanService/CreateTaskDependency", link.encode_to_vec()),
        ("task.v1.PlanService/ListTaskDependencies", list.encode_to_vec()),
        ("task.v1.PlanService/GetTaskDependency", get.encode_to_vec()),
        ("task.v1.PlanService/DeleteTaskDependency", unlink.encode_to_vec()),
    ]
}

fn of_batches_and_the_past(ids: &Ids) -> Vec<Sample> {
    let (project_id, task_id) = (ids.project.clone(), ids.task.clone());
    let create = BatchCreateTasksRequest {
        project_id: project_id.clone(),
        tasks: vec![another_task(ids)],
        ..Default::default()
    };
    let individual = IndividualTaskUpdates { requests: vec![update(ids)] };
    let update = BatchUpdateTasksRequest {
        updates: Some(batch_update_tasks_request::Updates::Individual(individual)),
        ..Default::default()
    };
    let delete = BatchDeleteTasksRequest { requests: vec![delete(ids)], ..Default::default() };
    let watch = WatchTasksRequest { project_id: project_id.clone(), ..Default::default() };
    let history = ListTaskHistoryRequest { task_id: task_id.clone(), ..Default::default() };
    let lookup = LookupTaskRequest { key: ids.task_key.clone() };
    let place = MoveTaskRequest {
        task_id: task_id.clone(),
        etag: stale(),
        destination: Some(Destination::AfterTaskId(ids.other_task.clone())),
    };
    let task_at = GetTaskAtRequest { task_id, at_time: ids.at };
    let tasks_at = ListTasksAtRequest { project_id, at_time: ids.at, ..Default::default() };
    vec![
        ("task.v1.TaskService/BatchCreateTasks", create.encode_to_vec()),
        ("task.v1.TaskService/BatchUpdateTasks", update.encode_to_vec()),
        ("task.v1.TaskService/BatchDeleteTasks", delete.encode_to_vec()),
        ("task.v1.TaskService/WatchTasks", watch.encode_to_vec()),
        ("task.v1.TaskService/ListTaskHistory", history.encode_to_vec()),
        ("task.v1.TaskService/GetTaskAt", task_at.encode_to_vec()),
        ("task.v1.TaskService/ListTasksAt", tasks_at.encode_to_vec()),
        ("task.v1.TaskService/LookupTask", lookup.encode_to_vec()),
        ("task.v1.TaskService/MoveTask", place.encode_to_vec()),
    ]
}

fn of_plans_and_searches(ids: &Ids) -> Vec<Sample> {
    let (project_id, task_id) = (ids.project.clone(), ids.task.clone());
    let graph = GetDependencyGraphRequest { task_id: task_id.clone(), ..Default::default() };
    let plan = GetPlanRequest { project_id: project_id.clone(), ..Default::default() };
    let filter = Some(TaskFilter { project_ids: vec![project_id.clone()], ..Default::default() });
    let search = SearchTasksRequest { query: "fly".to_owned(), filter: filter.clone(), ..Default::default() };
    let facets = GetTaskFacetsRequest { filter, ..Default::default() };
    let work = GetMyWorkRequest { project_ids: vec![project_id.clone()], ..Default::default() };
    let slip = GetSlipImpactRequest {
        project_id,
        task_id,
        extra_duration: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
        ..Default::default()
    };
    vec![
        ("task.v1.PlanService/GetDependencyGraph", graph.encode_to_vec()),
        ("task.v1.PlanService/GetPlan", plan.encode_to_vec()),
        ("task.v1.PlanService/GetSlipImpact", slip.encode_to_vec()),
        ("task.v1.TaskService/SearchTasks", search.encode_to_vec()),
        ("task.v1.TaskService/GetTaskFacets", facets.encode_to_vec()),
        ("task.v1.TaskService/GetMyWork", work.encode_to_vec()),
    ]
}

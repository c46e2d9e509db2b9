//! Maps the methods of the API to the handler.

use proto::task::admin::v1 as admin;
use proto::task::admin::v1::task_admin_service_server::{TaskAdminService, TaskAdminServiceServer};
use proto::task::backend::v1 as backend;
use proto::task::backend::v1::event_feed_service_server::{EventFeedService, EventFeedServiceServer};
use proto::task::backend::v1::task_lookup_service_server::{TaskLookupService, TaskLookupServiceServer};
use proto::task::v1 as pb;
use proto::task::v1::milestone_service_server::{MilestoneService, MilestoneServiceServer};
use proto::task::v1::plan_service_server::{PlanService, PlanServiceServer};
use proto::task::v1::task_service_server::{TaskService, TaskServiceServer};
use proto::task::v1::time_entry_service_server::{TimeEntryService, TimeEntryServiceServer};

use tonic::service::Routes;

use crate::handler::TaskHandler;

/// The servers of all services of this crate.
pub(crate) fn routes(handler: &TaskHandler) -> Routes {
    shared::routes![
        handler => TaskServiceServer, PlanServiceServer, TimeEntryServiceServer, MilestoneServiceServer,
        TaskLookupServiceServer, EventFeedServiceServer, TaskAdminServiceServer,
    ]
}

shared::rpc_table! {
    impl PlanService for TaskHandler {
        create_task_dependency(pb::CreateTaskDependencyRequest) -> pb::TaskDependency;
        get_task_dependency(pb::GetTaskDependencyRequest) -> pb::TaskDependency;
        list_task_dependencies(pb::ListTaskDependenciesRequest) -> pb::ListTaskDependenciesResponse;
        delete_task_dependency(pb::DeleteTaskDependencyRequest) -> pb::DeleteTaskDependencyResponse;
        get_dependency_graph(pb::GetDependencyGraphRequest) -> pb::DependencyGraph;
        get_plan(pb::GetPlanRequest) -> pb::Plan;
        get_slip_impact(pb::GetSlipImpactRequest) -> pb::SlipImpact;
        get_project_progress(pb::GetProjectProgressRequest) -> pb::ProjectProgress;
    }
}

shared::rpc_table! {
    impl TaskService for TaskHandler {
        create_task(pb::CreateTaskRequest) -> pb::Task;
        get_task(pb::GetTaskRequest) -> pb::Task;
        list_tasks(pb::ListTasksRequest) -> pb::ListTasksResponse;
        update_task(pb::UpdateTaskRequest) -> pb::Task;
        complete_task(pb::CompleteTaskRequest) -> pb::Task;
        delete_task(pb::DeleteTaskRequest) -> pb::DeleteTaskResponse;
        batch_get_tasks(pb::BatchGetTasksRequest) -> pb::BatchGetTasksResponse;
        batch_create_tasks(pb::BatchCreateTasksRequest) -> pb::BatchCreateTasksResponse;
        batch_update_tasks(pb::BatchUpdateTasksRequest) -> pb::BatchUpdateTasksResponse;
        batch_delete_tasks(pb::BatchDeleteTasksRequest) -> pb::BatchDeleteTasksResponse;
        move_task(pb::MoveTaskRequest) -> pb::Task;
        lookup_task(pb::LookupTaskRequest) -> pb::Task;
        search_tasks(pb::SearchTasksRequest) -> pb::SearchTasksResponse;
        get_task_facets(pb::GetTaskFacetsRequest) -> pb::TaskFacets;
        get_my_work(pb::GetMyWorkRequest) -> pb::MyWork;
        list_task_history(pb::ListTaskHistoryRequest) -> pb::ListTaskHistoryResponse;
        get_task_at(pb::GetTaskAtRequest) -> pb::Task;
        list_tasks_at(pb::ListTasksAtRequest) -> pb::ListTasksAtResponse;
        #[stream(WatchTasksStream)]
        watch_tasks(pb::WatchTasksRequest) -> pb::WatchTasksResponse;
    }
}

shared::rpc_table! {
    impl MilestoneService for TaskHandler {
        create_milestone(pb::CreateMilestoneRequest) -> pb::Milestone;
        get_milestone(pb::GetMilestoneRequest) -> pb::Milestone;
        list_milestones(pb::ListMilestonesRequest) -> pb::ListMilestonesResponse;
        update_milestone(pb::UpdateMilestoneRequest) -> pb::Milestone;
        delete_milestone(pb::DeleteMilestoneRequest) -> pb::DeleteMilestoneResponse;
    }
}

shared::rpc_table! {
    impl TimeEntryService for TaskHandler {
        create_time_entry(pb::CreateTimeEntryRequest) -> pb::TimeEntry;
        get_time_entry(pb::GetTimeEntryRequest) -> pb::TimeEntry;
        list_time_entries(pb::ListTimeEntriesRequest) -> pb::ListTimeEntriesResponse;
        update_time_entry(pb::UpdateTimeEntryRequest) -> pb::TimeEntry;
        stop_time_entry(pb::StopTimeEntryRequest) -> pb::TimeEntry;
        delete_time_entry(pb::DeleteTimeEntryRequest) -> pb::DeleteTimeEntryResponse;
        get_time_report(pb::GetTimeReportRequest) -> pb::TimeReport;
    }
}

shared::rpc_table! {
    impl TaskAdminService for TaskHandler {
        #[stream(ImportTasksStream)]
        import_tasks(tonic::Streaming<admin::ImportTasksRequest>) -> admin::ImportTasksResponse;
        #[stream(ImportTaskDependenciesStream)]
        import_task_dependencies(tonic::Streaming<admin::ImportTaskDependenciesRequest>) -> admin::ImportTaskDependenciesResponse;
        #[stream(ImportTimeEntriesStream)]
        import_time_entries(tonic::Streaming<admin::ImportTimeEntriesRequest>) -> admin::ImportTimeEntriesResponse;
        #[stream(ExportTasksStream)]
        export_tasks(admin::ExportTasksRequest) -> admin::ExportTasksResponse;
    }
}

shared::rpc_table! {
    impl TaskLookupService for TaskHandler {
        resolve_task(backend::ResolveTaskRequest) -> backend::ResolvedTask;
        #[stream(WatchDeletedTasksStream)]
        watch_deleted_tasks(backend::WatchDeletedTasksRequest) -> backend::WatchDeletedTasksResponse;
    }
}

shared::rpc_table! {
    impl EventFeedService for TaskHandler {
        #[stream(WatchEventsStream)]
        watch_events(backend::WatchEventsRequest) -> backend::WatchEventsResponse;
    }
}

//! Round trips to PostgreSQL, counted on the link, so that a budget cannot be lost unnoticed.

use std::time::Duration;

use crate::harness::harness;
use prost_types::FieldMask;
use proto::content::v1 as content;
use proto::project::v1 as project;
use proto::task::v1 as task;
use testkit::{Actor, RoundTrips, Suite, new_id, until};

/// How many round trips a call waits for.
macro_rules! round_trips {
    ($counted:expr, $client:expr, $method:ident, $request:expr) => {
        $counted.of(async || drop($client.$method($request).await.unwrap())).await
    };
}

async fn somebody_with_a_project() -> (Suite, RoundTrips, Actor, project::Project) {
    let (suite, counted) = harness().start_counted().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    (suite, counted, olga, project)
}

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: vec![path.to_owned()] })
}

#[tokio::test]
async fn projects_stay_within_their_round_trips() {
    let (_suite, counted, olga, project) = somebody_with_a_project().await;
    let project_id = project.id.clone();
    let mut client = olga.projects();

    let get = round_trips!(
        counted,
        client,
        get_project,
        project::GetProjectRequest { project_id: project_id.clone() }
    );
    let list = round_trips!(counted, client, list_projects, project::ListProjectsRequest::default());
    let create = round_trips!(
        counted,
        client,
        create_project,
        project::CreateProjectRequest {
            request_id: new_id(),
            project: Some(project::Project { name: "gemini".to_owned(), ..Default::default() }),
        }
    );
    let update = round_trips!(
        counted,
        client,
        update_project,
        project::UpdateProjectRequest {
            project: Some(project::Project { name: new_id(), etag: String::new(), ..project.clone() }),
            update_mask: mask("name"),
            ..Default::default()
        }
    );

    let at_time = Some(shared::json::to_timestamp(chrono::Utc::now()));
    let project_at = round_trips!(
        counted,
        olga.projects(),
        get_project_at,
        project::GetProjectAtRequest { project_id: project_id.clone(), at_time }
    );
    let members_at = round_trips!(
        counted,
        olga.members(),
        list_members_at,
        project::ListMembersAtRequest { project_id: project_id.clone(), at_time, ..Default::default() }
    );

    // Moments of the last minutes are answered when their writers have ended, which is asked first.
    assert_eq!([get, list, project_at, members_at], [1, 1, 2, 2]);
    assert!(create <= 2 && update <= 2, "create {create}, update {update}");
}

#[tokio::test]
async fn inboxes_stay_within_their_round_trips() {
    let (_suite, counted, olga, project) = somebody_with_a_project().await;
    let mut client = olga.notifications();
    let of = |task_id: String| {
        let target = project::subscription_target::Target::TaskId(task_id);
        Some(project::SubscriptionTarget { target: Some(target) })
    };
    let mut tasks = Vec::new();
    for _ in 0..16 {
        tasks.push(olga.task(&project, "buy milk").await.id);
    }
    let first = tasks[0].clone();

    let mut tasks = tasks.into_iter().cycle();
    let mut next = || of(tasks.next().unwrap());
    let subscribe = counted
        .of(async || {
            let target = next();
            let end = project::UnsubscribeRequest { target: target.clone() };
            olga.notifications().unsubscribe(end).await.unwrap();
            olga.notifications().subscribe(project::SubscribeRequest { target }).await.unwrap();
        })
        .await;
    let get = round_trips!(
        counted,
        client,
        get_subscription,
        project::GetSubscriptionRequest { target: of(first.clone()) }
    );
    let subscriptions =
        round_trips!(counted, client, list_subscriptions, project::ListSubscriptionsRequest::default());
    let list =
        round_trips!(counted, client, list_notifications, project::ListNotificationsRequest::default());
    let count = round_trips!(
        counted,
        client,
        count_unread_notifications,
        project::CountUnreadNotificationsRequest {}
    );
    let mark = round_trips!(
        counted,
        client,
        mark_notifications_read,
        project::MarkNotificationsReadRequest { position: 1 }
    );
    let preferences = round_trips!(
        counted,
        client,
        update_notification_preferences,
        project::UpdateNotificationPreferencesRequest {
            preferences: Some(project::NotificationPreferences {
                muted_kinds: vec![project::NotificationKind::Update.into()],
                ..Default::default()
            }),
            update_mask: None,
        }
    );
    assert_eq!([get, subscriptions, list, count, mark], [1, 1, 1, 1, 1]);
    // One to end a subscription, one to ask the task service, and two to subscribe.
    assert!(subscribe <= 4 && preferences <= 2, "subscribe {subscribe}, preferences {preferences}");
}

#[tokio::test]
async fn tasks_stay_within_their_round_trips() {
    let (_suite, counted, olga, project) = somebody_with_a_project().await;
    let made = olga.task(&project, "buy milk").await;
    let mut client = olga.tasks();

    let get = round_trips!(counted, client, get_task, task::GetTaskRequest { task_id: made.id.clone() });
    let list = round_trips!(
        counted,
        client,
        list_tasks,
        task::ListTasksRequest {
            filter: Some(task::TaskFilter { project_ids: vec![project.id.clone()], ..Default::default() }),
            ..Default::default()
        }
    );
    let create = round_trips!(
        counted,
        client,
        create_task,
        task::CreateTaskRequest {
            request_id: new_id(),
            task: Some(task::Task {
                project_id: project.id.clone(),
                title: "bake bread".to_owned(),
                ..Default::default()
            }),
        }
    );
    let update = round_trips!(
        counted,
        client,
        update_task,
        task::UpdateTaskRequest {
            task: Some(task::Task { title: new_id(), etag: String::new(), ..made.clone() }),
            update_mask: mask("title"),
            ..Default::default()
        }
    );

    let look_up =
        round_trips!(counted, olga.tasks(), lookup_task, task::LookupTaskRequest { key: made.key.clone() });
    let other = olga.task(&project, "bake bread").await;
    let order = round_trips!(
        counted,
        olga.tasks(),
        move_task,
        task::MoveTaskRequest {
            task_id: made.id.clone(),
            destination: Some(task::move_task_request::Destination::AfterTaskId(other.id.clone())),
            etag: String::new(),
        }
    );

    assert_eq!([get, list, look_up], [1, 1, 1]);
    assert!(create <= 2 && update <= 2 && order <= 2, "create {create}, update {update}, move {order}");
}

#[tokio::test]
async fn lists_search_and_counts_of_tasks_take_one_round_trip() {
    let (_suite, counted, olga, project) = somebody_with_a_project().await;
    olga.task(&project, "buy milk").await;
    let filter =
        Some(task::TaskFilter { ready: true, project_ids: vec![project.id.clone()], ..Default::default() });
    let order = task::TaskOrder::TitleAsc.into();

    let list = round_trips!(
        counted,
        olga.tasks(),
        list_tasks,
        task::ListTasksRequest { filter: filter.clone(), order, ..Default::default() }
    );
    let everywhere = round_trips!(counted, olga.tasks(), list_tasks, task::ListTasksRequest::default());
    let search = round_trips!(
        counted,
        olga.tasks(),
        search_tasks,
        task::SearchTasksRequest { query: "milk".to_owned(), filter: filter.clone(), ..Default::default() }
    );
    let facets = round_trips!(
        counted,
        olga.tasks(),
        get_task_facets,
        task::GetTaskFacetsRequest { filter: filter.clone(), ..Default::default() }
    );
    let my_work = round_trips!(
        counted,
        olga.tasks(),
        get_my_work,
        task::GetMyWorkRequest { project_ids: vec![project.id.clone()], ..Default::default() }
    );

    assert_eq!([list, everywhere, search, facets, my_work], [1; 5]);
}

#[tokio::test]
async fn batches_and_the_past_stay_within_their_round_trips() {
    let (_suite, counted, olga, project) = somebody_with_a_project().await;
    let some = || vec![task::Task { title: "bake".to_owned(), ..Default::default() }; 20];
    let request = || task::BatchCreateTasksRequest {
        request_id: new_id(),
        project_id: project.id.clone(),
        tasks: some(),
    };
    let mut client = olga.tasks();
    let create = round_trips!(counted, client, batch_create_tasks, request());
    let made = client.batch_create_tasks(request()).await.unwrap().into_inner().tasks;
    let update = round_trips!(
        counted,
        client,
        batch_update_tasks,
        task::BatchUpdateTasksRequest {
            request_id: new_id(),
            updates: Some(task::batch_update_tasks_request::Updates::Common(task::CommonTaskUpdate {
                task_ids: made.iter().map(|task| task.id.clone()).collect(),
                task: Some(task::Task { title: new_id(), ..Default::default() }),
                update_mask: mask("title"),
                ..Default::default()
            })),
        }
    );
    let mut doomed = Vec::new();
    for _ in 0..RoundTrips::CALLS {
        doomed.push(client.batch_create_tasks(request()).await.unwrap().into_inner().tasks);
    }
    let delete = round_trips!(counted, client, batch_delete_tasks, {
        let tasks = doomed.pop().unwrap();
        let requests =
            tasks.into_iter().map(|task| task::DeleteTaskRequest { task_id: task.id, ..Default::default() });
        task::BatchDeleteTasksRequest { requests: requests.collect(), ..Default::default() }
    });

    let at_time = Some(shared::json::to_timestamp(chrono::Utc::now()));
    let task_id = made[0].id.clone();
    let mut client = olga.tasks();
    // Reads of the past wait for who is writing, as the followers of these changes.
    let get_at_time = task::GetTaskAtRequest { task_id: task_id.clone(), at_time };
    let nobody_writes = async || round_trips!(counted, client, get_task_at, get_at_time.clone()) <= 2;
    until("nobody writes", Duration::from_secs(30), nobody_writes).await;
    let history = task::ListTaskHistoryRequest { task_id: task_id.clone(), ..Default::default() };
    let history = round_trips!(counted, client, list_task_history, history.clone());
    let get = round_trips!(counted, client, get_task_at, get_at_time.clone());
    let list = task::ListTasksAtRequest { project_id: project.id.clone(), at_time, ..Default::default() };
    let list = round_trips!(counted, client, list_tasks_at, list.clone());

    // Tasks and the graph are locked after the permission is known, in a round trip of their own.
    assert!(create <= 2 && update <= 5 && delete <= 4, "create {create}, update {update}, delete {delete}");
    assert_eq!([history, get, list], [1, 2, 2]);
}

#[tokio::test]
async fn documents_stay_within_their_round_trips() {
    let (_suite, counted, olga, project) = somebody_with_a_project().await;
    let made = olga.document(&project, "plan", "first").await;
    let mut client = olga.documents();

    let get = round_trips!(
        counted,
        client,
        get_document,
        content::GetDocumentRequest { document_id: made.id.clone() }
    );
    let list = round_trips!(
        counted,
        client,
        list_documents,
        content::ListDocumentsRequest {
            filter: Some(content::DocumentFilter {
                project_ids: vec![project.id.clone()],
                ..Default::default()
            }),
            ..Default::default()
        }
    );
    let create = round_trips!(
        counted,
        client,
        create_document,
        content::CreateDocumentRequest {
            request_id: new_id(),
            document: Some(content::Document {
                project_id: project.id.clone(),
                title: "report".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }
    );
    let update = round_trips!(
        counted,
        client,
        update_document,
        content::UpdateDocumentRequest {
            document: Some(content::Document {
                content: Some(new_id()),
                etag: String::new(),
                ..made.clone()
            }),
            update_mask: mask("content"),
            ..Default::default()
        }
    );

    assert_eq!([get, list], [1, 1]);
    assert!(create <= 2 && update <= 2, "create {create}, update {update}");
}

/// Otherwise the time of the answer would tell which ids and keys others have.
#[tokio::test]
async fn what_is_hidden_takes_as_many_round_trips_as_what_is_absent() {
    let (suite, counted, olga, project) = somebody_with_a_project().await;
    let hidden = olga.task(&project, "buy milk").await;
    let gus = suite.guest("gus").await;
    let hidden_document = olga.document(&project, "plan", "first").await;

    let task = async |task_id: &str| {
        let request = task::GetTaskRequest { task_id: task_id.to_owned() };
        counted.of(async || drop(gus.tasks().get_task(request.clone()).await.unwrap_err())).await
    };
    assert_eq!(task(&hidden.id).await, task(&new_id()).await);
    let by_key = async |key: &str| {
        let request = task::LookupTaskRequest { key: key.to_owned() };
        counted.of(async || drop(gus.tasks().lookup_task(request.clone()).await.unwrap_err())).await
    };
    assert_eq!(by_key(&hidden.key).await, by_key("ABSENT-1").await);
    let document = async |document_id: &str| {
        let request = content::GetDocumentRequest { document_id: document_id.to_owned() };
        counted.of(async || drop(gus.documents().get_document(request.clone()).await.unwrap_err())).await
    };
    assert_eq!(document(&hidden_document.id).await, document(&new_id()).await);
}

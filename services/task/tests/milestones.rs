//! Milestones, their tasks, their progress and their place in the plan.

use proto::common;
use proto::project::v1::Project;
use proto::task::admin::v1 as admin;
use proto::task::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::fixtures::*;
use crate::plan::MONDAY_MORNING;

pub fn milestone(project: &Project, name: &str) -> pb::Milestone {
    pb::Milestone { project_id: project.id.clone(), name: name.to_owned(), ..Default::default() }
}

pub async fn make(who: &Actor, milestone: pb::Milestone) -> Result<pb::Milestone, Status> {
    let request = pb::CreateMilestoneRequest { milestone: Some(milestone), ..Default::default() };
    who.milestones().create_milestone(request).await.map(tonic::Response::into_inner)
}

async fn read(who: &Actor, milestone: &pb::Milestone) -> Result<pb::Milestone, Status> {
    let request = pb::GetMilestoneRequest { milestone_id: milestone.id.clone() };
    who.milestones().get_milestone(request).await.map(tonic::Response::into_inner)
}

async fn change(who: &Actor, milestone: pb::Milestone, paths: &[&str]) -> Result<pb::Milestone, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(prost_types::FieldMask { paths });
    let request = pb::UpdateMilestoneRequest { milestone: Some(milestone), update_mask };
    who.milestones().update_milestone(request).await.map(tonic::Response::into_inner)
}

async fn remove(who: &Actor, milestone: &pb::Milestone) -> Result<(), Status> {
    let request =
        pb::DeleteMilestoneRequest { milestone_id: milestone.id.clone(), etag: milestone.etag.clone() };
    who.milestones().delete_milestone(request).await.map(drop)
}

fn on(milestone: &pb::Milestone, task: pb::Task) -> pb::Task {
    pb::Task { milestone_id: Some(milestone.id.clone()), ..task }
}

#[tokio::test]
async fn milestones_are_created_listed_and_changed() {
    let Team { olga, mia, vic, sam, project, .. } = &team().await;
    let wished = pb::Milestone {
        description: Some("on the moon".to_owned()),
        due_at: in_hours(5),
        ..milestone(project, "landed")
    };
    let request = pb::CreateMilestoneRequest { request_id: new_id(), milestone: Some(wished.clone()) };
    let landed = mia.milestones().create_milestone(request.clone()).await.unwrap().into_inner();
    assert_eq!(mia.milestones().create_milestone(request).await.unwrap().into_inner(), landed);
    assert_eq!((&landed.name, &landed.description), (&wished.name, &wished.description));
    assert_eq!((landed.due_at, read(vic, &landed).await.unwrap()), (wished.due_at, landed.clone()));
    let back = make(olga, milestone(project, "back")).await.unwrap();
    let mut request =
        pb::ListMilestonesRequest { project_id: project.id.clone(), page_size: 1, ..Default::default() };
    let first = vic.milestones().list_milestones(request.clone()).await.unwrap().into_inner();
    request.page_token = first.next_page_token;
    let second = vic.milestones().list_milestones(request).await.unwrap().into_inner();
    assert_eq!((first.milestones, second.milestones), (vec![landed.clone()], vec![back]));
    assert!(second.next_page_token.is_empty());

    let renamed = pb::Milestone { name: "down".to_owned(), due_at: None, ..landed.clone() };
    let renamed = change(mia, renamed, &["name", "due_at"]).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.due_at), ("down", None));
    let stale = change(mia, landed.clone(), &["name"]).await.unwrap_err();
    assert_eq!(summary(&stale), "ABORTED ETAG_MISMATCH");
    for (who, expected) in
        [(vic, "PERMISSION_DENIED PERMISSION_MISSING"), (sam, "NOT_FOUND RESOURCE_NOT_FOUND")]
    {
        assert_eq!(summary(&make(who, milestone(project, "mine")).await.unwrap_err()), expected);
        assert_eq!(summary(&change(who, renamed.clone(), &["name"]).await.unwrap_err()), expected);
        assert_eq!(summary(&remove(who, &renamed).await.unwrap_err()), expected);
    }
    assert_eq!(summary(&read(sam, &landed).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    let garbage =
        pb::Milestone { id: "x".to_owned(), description: Some("x".repeat(501)), ..Default::default() };
    let fields = violations(&make(olga, garbage).await.unwrap_err());
    assert_eq!(fields[..2], ["milestone.id", "milestone.project_id"]);
    assert!(fields.contains(&"milestone.name".to_owned()));
    assert!(fields.contains(&"milestone.description".to_owned()));
}

#[tokio::test]
async fn a_task_belongs_to_a_milestone_of_its_project() {
    let Team { olga, mia, vic, project, .. } = &team().await;
    let [landed, back] = [
        make(olga, milestone(project, "landed")).await.unwrap(),
        make(olga, milestone(project, "back")).await.unwrap(),
    ];
    let elsewhere = make(olga, milestone(&olga.project("gemini").await, "far")).await.unwrap();
    let fly = create(mia, on(&landed, new_task(project, "fly"))).await.unwrap();
    assert_eq!(fly.milestone_id, Some(landed.id.clone()));
    for other in [&elsewhere, &pb::Milestone { id: new_id(), ..back.clone() }] {
        let refusal = create(olga, on(other, new_task(project, "x"))).await.unwrap_err();
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
        let refusal = update(olga, on(other, fly.clone()), &["milestone_id"]).await.unwrap_err();
        assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let rest = create(mia, on(&back, new_task(project, "rest"))).await.unwrap();
    create(mia, new_task(project, "neither")).await.unwrap();
    let filter = pb::TaskFilter { milestone_ids: vec![back.id.clone()], ..in_project(project) };
    let listed = vic.tasks().list_tasks(list_of(filter)).await.unwrap().into_inner().tasks;
    assert_eq!(ids(&listed.iter().collect::<Vec<_>>()), rest.id);
    let moved = update(mia, on(&back, fly), &["milestone_id"]).await.unwrap();
    assert_eq!(moved.milestone_id, Some(back.id.clone()));

    let denied = remove(mia, &back).await.unwrap_err();
    assert_eq!(summary(&denied), "PERMISSION_DENIED PERMISSION_MISSING");
    remove(olga, &back).await.unwrap();
    assert_eq!(summary(&read(olga, &back).await.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(get(vic, &moved).await.unwrap().milestone_id, None);
    let request = pb::ListTaskHistoryRequest { task_id: moved.id, page_size: 1, ..Default::default() };
    let last = vic.tasks().list_task_history(request).await.unwrap().into_inner().events.remove(0);
    let change = last.change.unwrap();
    assert_eq!((change.actor_id, change.changed_fields[0].as_str()), (olga.id.to_string(), "milestone_id"));
}

#[tokio::test]
async fn progress_and_plan_know_the_milestones() {
    let Team { olga, vic, project, .. } = &team().await;
    let at = |hours: i64| Some(prost_types::Timestamp { seconds: MONDAY_MORNING + 3_600 * hours, nanos: 0 });
    let [early, late] = [("early", at(4)), ("late", at(24 + 4))]
        .map(|(name, due_at)| pb::Milestone { due_at, ..milestone(project, name) });
    let [early, late] = [make(olga, early).await.unwrap(), make(olga, late).await.unwrap()];
    make(olga, milestone(project, "empty")).await.unwrap();
    let task = |title, hours| pb::Task { estimated_duration: work_hours(hours), ..new_task(project, title) };
    let first = create(olga, on(&early, task("first", 4))).await.unwrap();
    let second = create(olga, on(&late, task("second", 9))).await.unwrap();
    blocks(olga, &second, &first).await.unwrap();
    let done = create(olga, on(&late, task("done", 3))).await.unwrap();
    complete(olga, &done).await.unwrap();
    let request =
        pb::GetProjectProgressRequest { project_id: project.id.clone(), milestone_id: late.id.clone() };
    let progress = vic.plans().get_project_progress(request).await.unwrap().into_inner();
    assert_eq!((progress.total_count, hours_of(progress.estimated_duration)), (2, 12));
    assert!((progress.percent_done - 50.0).abs() < f64::EPSILON);

    let request =
        pb::GetPlanRequest { project_id: project.id.clone(), start_at: at(0), ..Default::default() };
    let planned = vic.plans().get_plan(request).await.unwrap().into_inner().milestones;
    let shown: Vec<_> = planned
        .iter()
        .map(|one| (one.name.as_str(), one.open_task_count, hours_of(one.finish), one.finish_at, one.late))
        .collect();
    // Four hours on Monday, then nine: until Tuesday at 14:00.
    assert_eq!(shown, [("early", 1, 4, at(4), false), ("late", 1, 13, at(24 + 5), true)]);
}

#[tokio::test]
async fn the_feed_has_milestones() {
    let Team { olga, vic, project, .. } = &team().await;
    let request = pb::WatchTasksRequest { project_id: project.id.clone(), ..Default::default() };
    let mut watch = vic.tasks().watch_tasks(request).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().unwrap().events.is_empty());
    let landed = make(olga, milestone(project, "landed")).await.unwrap();
    let renamed =
        change(olga, pb::Milestone { name: "down".to_owned(), ..landed.clone() }, &["name"]).await.unwrap();
    remove(olga, &renamed).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        for event in watch.message().await.unwrap().unwrap().events {
            assert_eq!(event.change.unwrap().resource_type(), common::ResourceType::Milestone);
            let Some(pb::task_event::Resource::Milestone(change)) = event.resource else {
                panic!("no milestone")
            };
            seen.push((change.before.map(|before| before.name), change.after));
        }
    }
    let [created, updated, deleted] = seen.try_into().unwrap();
    assert_eq!((created, updated), ((None, Some(landed)), (Some("landed".to_owned()), Some(renamed))));
    assert_eq!(deleted, (Some("down".to_owned()), None));
}

#[tokio::test]
async fn milestones_are_imported_before_their_tasks() {
    let Team { suite, olga, project, .. } = &team().await;
    let milestone = |line| admin::ImportedMilestone {
        line,
        id: new_id(),
        project_id: project.id.clone(),
        name: "landed".to_owned(),
        ..Default::default()
    };
    let task = |line, milestone_id: &str| admin::ImportedTask {
        line,
        id: new_id(),
        project_id: project.id.clone(),
        title: "fly".to_owned(),
        creator_id: olga.id.to_string(),
        milestone_id: Some(milestone_id.to_owned()),
        ..Default::default()
    };
    let landed = milestone(1);
    let request = admin::ImportTasksRequest {
        milestones: vec![
            landed.clone(),
            admin::ImportedMilestone { project_id: new_id(), ..milestone(2) },
            admin::ImportedMilestone { name: String::new(), ..milestone(3) },
            landed.clone(),
        ],
        tasks: vec![task(4, &landed.id), task(5, &new_id())],
        ..Default::default()
    };
    let answers = crate::import::importer(suite).import_tasks(tokio_stream::once(request)).await.unwrap();
    let results = answers.into_inner().message().await.unwrap().unwrap().results;
    expect_test::expect![[r#"
        [
            "1 C",
            "2 R project_id names no project",
            "3 R name: must have 1 to 255 characters, has 0; name: must not be blank",
            "1 U",
            "4 C",
            "5 R milestone_id names no milestone of the project",
        ]
    "#]]
    .assert_debug_eq(&crate::import::shown(&results));
}

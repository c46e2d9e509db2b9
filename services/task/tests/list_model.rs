//! Compares lists with a model: a predicate for each task, and a sort.

use std::cmp::Ordering;

use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost_types::{Duration, Timestamp};
use proto::common;
use proto::task::v1 as pb;
use proto::task::v1::task_filter::Position;
use proto::task::v1::{TaskOrder, TaskStatus};
use shared::json::{from_struct, to_struct};
use testkit::*;
use tonic::Code;

use crate::bulk_rows::fill;
use crate::fixtures::*;

const CASES: usize = 250;
const PAGE_SIZE: i32 = 40;

#[tokio::test]
async fn list_tasks_agrees_with_an_independent_model() {
    let Team { suite, olga, mia, vic, project, .. } = &team().await;
    let other = olga.project("gemini").await;
    fill(suite, project, &[olga.id, mia.id, vic.id], 110).await;
    fill(suite, &other, &[olga.id, mia.id], 60).await;
    let projects = [project.id.clone(), other.id.clone()];
    let all = pb::TaskFilter { project_ids: projects.to_vec(), ..Default::default() };
    let tasks = listed(olga, all, TaskOrder::CreatedAsc).await.unwrap();
    assert_eq!(tasks.len(), 170);
    let mut runner = TestRunner::deterministic();
    let people = [olga, mia, vic].map(|who| who.id.to_string());
    let filters = filters(projects.to_vec(), people.to_vec(), tasks.clone());
    let mut refused = 0;
    for case in 0..CASES {
        let filter = filters.new_tree(&mut runner).unwrap().current();
        let order = TaskOrder::try_from(i32::try_from(case % 17).unwrap()).unwrap();
        let expected = expected(&tasks, &filter, order);
        match listed(olga, filter.clone(), order).await {
            Ok(found) => {
                let found: Vec<&str> = found.iter().map(|task| task.key.as_str()).collect();
                assert_eq!(found, expected, "{order:?} {filter:#?}");
            }
            // Contradictory conditions match nothing.
            Err(refusal) => {
                assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
                assert!(expected.is_empty(), "{filter:#?}");
                refused += 1;
            }
        }
    }
    assert!(refused < CASES / 4, "{refused} refused");
}

async fn listed(
    who: &Actor,
    filter: pb::TaskFilter,
    order: TaskOrder,
) -> Result<Vec<pb::Task>, tonic::Status> {
    let mut request = pb::ListTasksRequest {
        page_size: PAGE_SIZE,
        order: order.into(),
        filter: Some(filter),
        ..Default::default()
    };
    let mut tasks = Vec::new();
    loop {
        let page = who.tasks().list_tasks(request.clone()).await?.into_inner();
        tasks.extend(page.tasks);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(tasks);
        }
    }
}

/// Mostly `None` or empty.
fn seldom<S: Strategy>(some: S) -> impl Strategy<Value = S::Value>
where
    S::Value: Default + Clone,
{
    prop_oneof![5 => Just(S::Value::default()), 1 => some]
}

fn filters(
    projects: Vec<String>,
    people: Vec<String>,
    tasks: Vec<pb::Task>,
) -> impl Strategy<Value = pb::TaskFilter> {
    let tags = || seldom(subsequence(["t1", "t7", "frequent", "rare"].map(str::to_owned).to_vec(), 1..3));
    let some_people = || seldom(subsequence(people.clone(), 1..3));
    let what = (
        subsequence(projects, 1..=2),
        seldom(subsequence((1..=6).collect::<Vec<i32>>(), 1..5)),
        seldom(subsequence((1..=4).collect::<Vec<i32>>(), 1..4)),
        (some_people(), seldom(Just(true)), some_people()),
        (tags(), tags(), tags()),
        seldom(position(&tasks).prop_map(Some)),
    );
    let when = (range(-90..20), range(-50..50), range(-210..-190), range(-95..-85), range(-95..-85));
    let rest = (
        (seldom(hours().prop_map(Some)), seldom(hours().prop_map(Some))),
        (seldom(Just(true)), seldom(Just(true)), seldom(Just(true))),
        seldom(prop::sample::select(["red", "common", "apo-42"].map(str::to_owned).to_vec())),
        seldom((0..100_i32).prop_map(|n| Some(to_struct(&serde_json::json!({"sprint": n}))))),
    );
    (what, when, rest).prop_map(|(what, when, rest)| {
        let (project_ids, statuses, priorities, (assignee_ids, unassigned, creator_ids), tags, position) =
            what;
        let ((estimated_duration, actual_duration), (ready, blocked, overdue), text, metadata) = rest;
        let (all_tags, any_tags, no_tags) = tags;
        let (start_at, due_at, created_at, updated_at, completed_at) = when;
        pb::TaskFilter {
            project_ids,
            statuses,
            priorities,
            assignee_ids,
            unassigned,
            creator_ids,
            all_tags,
            any_tags,
            no_tags,
            start_at,
            due_at,
            created_at,
            updated_at,
            completed_at,
            estimated_duration,
            actual_duration,
            position,
            ready,
            blocked,
            overdue,
            text,
            metadata,
            ..Default::default()
        }
    })
}

fn position(tasks: &[pb::Task]) -> impl Strategy<Value = Position> + use<> {
    let parents: Vec<String> = tasks.iter().filter_map(|task| task.parent_task_id.clone()).collect();
    let ids = prop::sample::select(parents);
    prop_oneof![
        Just(Position::Root(true)),
        ids.clone().prop_map(Position::ParentTaskId),
        ids.prop_map(Position::AncestorTaskId)
    ]
}

fn hours() -> impl Strategy<Value = common::DurationRange> {
    (1..20_i64, 20..40_i64, any::<bool>()).prop_map(|(min, max, is_open)| common::DurationRange {
        min_duration: work_hours(min),
        max_duration: work_hours(max).filter(|_| !is_open),
    })
}

/// A time range around these days from now.
fn range(days: std::ops::Range<i64>) -> impl Strategy<Value = Option<common::TimeRange>> {
    let ends = (days.clone(), days, any::<[bool; 2]>()).prop_map(|(one, two, given)| {
        let now = chrono::Utc::now().timestamp();
        let at = |days: i64| Some(Timestamp { seconds: now + days * 86_400, nanos: 0 });
        Some(common::TimeRange {
            start_time: if given[0] { at(one.min(two)) } else { None },
            end_time: if given[1] || !given[0] { at(one.max(two) + 1) } else { None },
        })
    });
    seldom(ends)
}

/// The keys of the matching tasks, in order.
fn expected(tasks: &[pb::Task], filter: &pb::TaskFilter, order: TaskOrder) -> Vec<String> {
    let mut passed: Vec<&pb::Task> = tasks.iter().filter(|task| passes(tasks, filter, task)).collect();
    passed.sort_by(|a, b| compare(order, a, b));
    passed.into_iter().map(|task| task.key.clone()).collect()
}

fn passes(tasks: &[pb::Task], f: &pb::TaskFilter, task: &pb::Task) -> bool {
    let is_open = !matches!(task.status(), TaskStatus::Done | TaskStatus::Cancelled);
    let assignee = task.assignee_id.clone().unwrap_or_default();
    let is_assigned = (f.assignee_ids.is_empty() && !f.unassigned)
        || f.assignee_ids.contains(&assignee)
        || (f.unassigned && assignee.is_empty());
    let has = |tag: &String| task.tags.contains(tag);
    let sprint = |value: &prost_types::Struct| from_struct(value.clone()).unwrap()["sprint"].as_f64();
    let words = format!("{} {} {}", task.key, task.title, task.description()).to_lowercase();
    f.project_ids.contains(&task.project_id)
        && (f.statuses.is_empty() || f.statuses.contains(&task.status))
        && (f.priorities.is_empty() || f.priorities.contains(&task.priority))
        && is_assigned
        && (f.creator_ids.is_empty() || f.creator_ids.contains(&task.creator_id))
        && f.all_tags.iter().all(has)
        && (f.any_tags.is_empty() || f.any_tags.iter().any(has))
        && !f.no_tags.iter().any(has)
        && is_within(f.start_at, task.start_at)
        && is_within(f.due_at, task.due_at)
        && is_within(f.created_at, task.created_at)
        && is_within(f.updated_at, task.updated_at)
        && is_within(f.completed_at, task.completed_at)
        && is_among(f.estimated_duration, task.estimated_duration)
        && is_among(f.actual_duration, task.actual_duration)
        && is_placed(tasks, f.position.as_ref(), task)
        && (!f.ready || task.status() == TaskStatus::Pending)
        && (!f.blocked || task.status() == TaskStatus::Blocked)
        && (!f.overdue
            || is_open && task.due_at.is_some_and(|due| due.seconds < chrono::Utc::now().timestamp()))
        && (f.text.is_empty() || words.split(' ').any(|word| word == f.text))
        && f.metadata
            .as_ref()
            .is_none_or(|asked| task.metadata.as_ref().is_some_and(|own| sprint(own) == sprint(asked)))
}

fn is_within(range: Option<common::TimeRange>, time: Option<Timestamp>) -> bool {
    let key = |time: Timestamp| (time.seconds, time.nanos);
    let Some(range) = range else { return true };
    time.is_some_and(|time| {
        range.start_time.is_none_or(|start| key(time) >= key(start))
            && range.end_time.is_none_or(|end| key(time) < key(end))
    })
}

fn is_among(range: Option<common::DurationRange>, work: Option<Duration>) -> bool {
    let Some(range) = range else { return true };
    work.is_some_and(|work| {
        range.min_duration.is_none_or(|min| work.seconds >= min.seconds)
            && range.max_duration.is_none_or(|max| work.seconds <= max.seconds)
    })
}

fn is_placed(tasks: &[pb::Task], position: Option<&Position>, task: &pb::Task) -> bool {
    let parent = task.parent_task_id.as_ref();
    match position {
        None => true,
        Some(Position::Root(_)) => parent.is_none(),
        Some(Position::ParentTaskId(id)) => parent == Some(id),
        Some(Position::AncestorTaskId(id)) => {
            let above = parent.and_then(|parent| tasks.iter().find(|task| &task.id == parent));
            above.is_some_and(|above| &above.id == id || is_placed(tasks, position, above))
        }
    }
}

fn compare(order: TaskOrder, a: &pb::Task, b: &pb::Task) -> Ordering {
    let time = |time: Option<Timestamp>| time.map_or((i64::MAX, 0), |time| (time.seconds, time.nanos));
    let by_id = a.id.cmp(&b.id);
    let created = time(a.created_at).cmp(&time(b.created_at)).then(by_id);
    let updated = time(a.updated_at).cmp(&time(b.updated_at)).then(by_id);
    let rank = a.rank.cmp(&b.rank).then(by_id);
    let priority = a.priority.cmp(&b.priority).then(by_id);
    let start = time(a.start_at).cmp(&time(b.start_at)).then(by_id);
    let due = time(a.due_at).cmp(&time(b.due_at)).then(by_id);
    let title = a.title.to_lowercase().cmp(&b.title.to_lowercase()).then(by_id);
    let number = a.number.cmp(&b.number).then(by_id);
    match order {
        TaskOrder::Unspecified | TaskOrder::CreatedDesc => created.reverse(),
        TaskOrder::CreatedAsc => created,
        TaskOrder::UpdatedDesc => updated.reverse(),
        TaskOrder::UpdatedAsc => updated,
        TaskOrder::RankAsc => rank,
        TaskOrder::RankDesc => rank.reverse(),
        TaskOrder::PriorityDesc => priority.reverse(),
        TaskOrder::PriorityAsc => priority,
        TaskOrder::StartAsc => start,
        TaskOrder::StartDesc => start.reverse(),
        TaskOrder::DueAsc => due,
        TaskOrder::DueDesc => due.reverse(),
        TaskOrder::TitleAsc => title,
        TaskOrder::TitleDesc => title.reverse(),
        TaskOrder::NumberAsc => number,
        TaskOrder::NumberDesc => number.reverse(),
    }
}

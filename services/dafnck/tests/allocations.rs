//! Allocations per call, of client and suite together, so that a loss is a red build. A test and its suite run on one thread,
//! so those of other tests do not count.

use prost_types::FieldMask;
use proto::task::v1 as pb;
use testkit::{Actor, Suite, new_id};
use tokio::runtime::{Builder, Runtime};

use crate::harness::harness;

/// Of these, the one with the fewest allocations counts: background work allocates meanwhile, and the first calls prepare
/// statements and fill caches.
const CALLS: usize = 100;
/// The page of which the budget is.
const PAGE_SIZE: i32 = 50;

struct Fixture {
    runtime: Runtime,
    _suite: Suite,
    olga: Actor,
    task: pb::Task,
}

fn fixture() -> Fixture {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (suite, olga, task) = runtime.block_on(async {
        let suite = harness().start().await;
        let olga = suite.guest("olga").await;
        let project = olga.project("apollo").await;
        let request = pb::BatchCreateTasksRequest {
            project_id: project.id,
            tasks: vec![new_task("buy milk"); usize::try_from(PAGE_SIZE).unwrap() + 1],
            ..Default::default()
        };
        let made = olga.tasks().batch_create_tasks(request).await.unwrap().into_inner().tasks.swap_remove(0);
        (suite, olga, made)
    });
    Fixture { runtime, _suite: suite, olga, task }
}

fn new_task(title: &str) -> pb::Task {
    pb::Task { title: title.to_owned(), description: Some("At the corner.".to_owned()), ..Default::default() }
}

impl Fixture {
    /// The fewest of a call.
    fn allocations(&self, mut call: impl AsyncFnMut()) -> u64 {
        let measure = |_| allocation_counter::measure(|| self.runtime.block_on(call())).count_total;
        (0..CALLS).map(measure).min().unwrap()
    }
}

#[test]
fn reads_of_tasks_stay_within_their_allocations() {
    let fixture = fixture();
    let mut client = fixture.olga.tasks();

    let get = pb::GetTaskRequest { task_id: fixture.task.id.clone() };
    let get = fixture.allocations(async || drop(client.get_task(get.clone()).await.unwrap()));
    let filter = pb::TaskFilter { project_ids: vec![fixture.task.project_id.clone()], ..Default::default() };
    let list = pb::ListTasksRequest { filter: Some(filter), page_size: PAGE_SIZE, ..Default::default() };
    let list = fixture.allocations(async || drop(client.list_tasks(list.clone()).await.unwrap()));

    assert!(get <= 240 && list <= 1_400, "get {get}, list {list}");
}

#[test]
fn writes_of_tasks_stay_within_their_allocations() {
    let fixture = fixture();
    let mut client = fixture.olga.tasks();
    let project_id = &fixture.task.project_id;

    let create = fixture.allocations(async || {
        let task = pb::Task { project_id: project_id.clone(), ..new_task("bake bread") };
        let request = pb::CreateTaskRequest { request_id: new_id(), task: Some(task) };
        drop(client.create_task(request).await.unwrap());
    });
    let update = fixture.allocations(async || {
        let task = pb::Task { title: new_id(), etag: String::new(), ..fixture.task.clone() };
        let update_mask = Some(FieldMask { paths: vec!["title".to_owned()] });
        let request = pb::UpdateTaskRequest { task: Some(task), update_mask, ..Default::default() };
        drop(client.update_task(request).await.unwrap());
    });

    assert!(create <= 420 && update <= 440, "create {create}, update {update}");
}

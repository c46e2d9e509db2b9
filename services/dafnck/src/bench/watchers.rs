//! Many streams beside writes: how soon all of them have seen a new task.

use std::time::{Duration, Instant};

use anyhow::Context;
use proto::task::v1 as task;
use proto::task::v1::task_service_client::TaskServiceClient;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Streaming;

use super::figure::Figure;
use super::suite::{BenchSuite, Fixtures, fixture_task};

/// Streams of one HTTP/2 connection.
const STREAMS_PER_CONNECTION: u16 = 50;
const CREATES: usize = 30;
const EVENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a create takes while this many streams watch its project, and when the last of them has its event.
pub(super) async fn measure(
    suite: &BenchSuite,
    fixtures: &Fixtures,
    watchers: u16,
) -> anyhow::Result<Vec<Figure>> {
    let project_id = suite.make_project(fixtures, "watched").await?;
    let (seen, mut sightings) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    let mut channel = suite.task_endpoint().connect_lazy();
    for number in 0..watchers {
        if number % STREAMS_PER_CONNECTION == 0 {
            channel = suite.task_endpoint().connect_lazy();
        }
        let request = task::WatchTasksRequest { project_id: project_id.clone(), ..Default::default() };
        let mut client = TaskServiceClient::new(channel.clone());
        let mut stream = client.watch_tasks(fixtures.request(request)).await?.into_inner();
        // The first message says that the stream has begun.
        stream.message().await?.context("a stream has ended")?;
        streams.spawn(count_events(stream, seen.clone()));
    }
    drop(seen);
    let (mut created, mut delivered) = (Vec::new(), Vec::new());
    for _ in 0..CREATES {
        let new = task::Task { project_id: project_id.clone(), ..fixture_task("a task that is watched") };
        let request = task::CreateTaskRequest { task: Some(new), ..Default::default() };
        let began = Instant::now();
        TaskServiceClient::new(suite.services().task.next()).create_task(fixtures.request(request)).await?;
        created.push(began.elapsed());
        for _ in 0..watchers {
            let sighting = tokio::time::timeout(EVENT_TIMEOUT, sightings.recv()).await;
            sighting.context("an event did not come in time")?.context("all streams have ended")?;
        }
        delivered.push(began.elapsed());
    }
    Ok(vec![
        Figure::median(format!("CreateTask beside {watchers} watchers"), &created),
        Figure::median(format!("until all of {watchers} watchers have the event"), &delivered),
    ])
}

/// Tells of each event, until the stream ends.
async fn count_events(mut stream: Streaming<task::WatchTasksResponse>, seen: mpsc::UnboundedSender<()>) {
    while let Ok(Some(response)) = stream.message().await {
        for _event in response.events {
            if seen.send(()).is_err() {
                return;
            }
        }
    }
}

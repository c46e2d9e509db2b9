//! When a change of access in the project service takes effect in task and content: soon, and at once for those who
//! ask for it by a consistency token.

use crate::harness::harness;
use std::time::{Duration, Instant};

use proto::content::v1::{DownloadAttachmentRequest, GetDocumentRequest};
use proto::project::v1::{AddMemberRequest, Member, Project, ProjectRole, RemoveMemberRequest};
use proto::task::v1::GetTaskRequest;
use shared::access::{AT_LEAST_AS_FRESH, CONSISTENCY_TOKEN, ConsistencyToken};
use testkit::{Actor, Suite, new_id, summary, violations};
use tonic::{Request, Response, Status};

/// How long a removal may take before the test gives up on it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A project of Olga's with a task and a document, in which Mia is a member.
struct Fixture {
    suite: Suite,
    olga: Actor,
    mia: Actor,
    project: Project,
    task_id: String,
    document_id: String,
}

async fn fixture() -> Fixture {
    let suite = harness().start().await;
    let [olga, mia] = suite.guests(["olga", "mia"]).await;
    let project = olga.project("apollo").await;
    let task_id = olga.task(&project, "buy milk").await.id;
    let document_id = olga.document(&project, "plan", "up").await.id;
    olga.add(&project, &mia, ProjectRole::Member).await;
    let fixture = Fixture { suite, olga, mia, project, task_id, document_id };
    fixture.look(None).await.unwrap();
    fixture
}

fn asking<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert(AT_LEAST_AS_FRESH, token.parse().unwrap());
    }
    request
}

fn token_of<T>(answer: &Response<T>) -> String {
    answer.metadata().get(CONSISTENCY_TOKEN).unwrap().to_str().unwrap().to_owned()
}

impl Fixture {
    async fn task(&self, token: Option<&str>) -> Result<(), Status> {
        let request = GetTaskRequest { task_id: self.task_id.clone() };
        self.mia.tasks().get_task(asking(request, token)).await.map(|_| ())
    }

    async fn document(&self, token: Option<&str>) -> Result<(), Status> {
        let request = GetDocumentRequest { document_id: self.document_id.clone() };
        self.mia.documents().get_document(asking(request, token)).await.map(|_| ())
    }

    /// Mia looks at both.
    async fn look(&self, token: Option<&str>) -> Result<(), Status> {
        let (task, document) = tokio::join!(self.task(token), self.document(token));
        task.and(document)
    }

    async fn remove_mia(&self) -> String {
        let request = RemoveMemberRequest {
            project_id: self.project.id.clone(),
            user_id: self.mia.id.to_string(),
            ..Default::default()
        };
        token_of(&self.olga.members().remove_member(request).await.unwrap())
    }

    async fn add_mia(&self) -> String {
        let request = AddMemberRequest {
            member: Some(Member {
                project_id: self.project.id.clone(),
                user_id: self.mia.id.to_string(),
                ..Default::default()
            }),
            ..Default::default()
        };
        token_of(&self.olga.members().add_member(request).await.unwrap())
    }

    /// How long until each service turns Mia away.
    async fn times_until_out(&self) -> [Effect; 2] {
        let task = time_of_effect(async || self.task(None).await);
        let content = time_of_effect(async || self.document(None).await);
        tokio::join!(task, content).into()
    }
}

/// When a removal took effect, from its answer on.
struct Effect {
    /// When the last call began that was let in.
    last_let_in: Duration,
    /// When the first refusal was there.
    refused: Duration,
}

async fn time_of_effect(look: impl AsyncFn() -> Result<(), Status>) -> Effect {
    let since = Instant::now();
    let mut last_let_in = Duration::ZERO;
    loop {
        let begun = since.elapsed();
        if look().await.is_err() {
            return Effect { last_let_in, refused: since.elapsed() };
        }
        last_let_in = begun;
        assert!(last_let_in < TIMEOUT, "a removed member is still let in");
    }
}

/// Sets the copies back to a state in which Mia is still in, as if the feed had not come through yet.
async fn make_copies_stale(fixture: &Fixture) {
    let [project, mia] = [fixture.project.id.clone(), fixture.mia.id.to_string()];
    for schema in ["task", "content"] {
        let back = format!(
            "UPDATE {schema}.project_access SET revision = revision - 1 WHERE project_id = '{project}'; \
             INSERT INTO {schema}.project_access_members VALUES ('{project}', '{mia}', 'member')"
        );
        fixture.suite.execute(&back).await;
    }
}

#[tokio::test]
async fn whoever_brings_the_token_of_a_removal_gets_no_older_answer() {
    let fixture = fixture().await;
    let token = fixture.remove_mia().await;
    fixture.times_until_out().await;
    make_copies_stale(&fixture).await;
    fixture.look(None).await.expect("the copies say that she is in");

    for outcome in [fixture.task(Some(&token)).await, fixture.document(Some(&token)).await] {
        assert_eq!(summary(&outcome.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    let outcome = fixture.look(None).await;
    assert_eq!(summary(&outcome.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND", "what was learned is kept");
}

#[tokio::test]
async fn a_removal_is_never_missed_with_its_token() {
    let fixture = fixture().await;
    for _ in 0..10 {
        let token = fixture.remove_mia().await;
        let outcomes = tokio::join!(fixture.task(Some(&token)), fixture.document(Some(&token)));
        for outcome in [outcomes.0, outcomes.1] {
            assert_eq!(summary(&outcome.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
        }
        let token = fixture.add_mia().await;
        fixture.look(Some(&token)).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_had_in_time_is_unavailable() {
    let fixture = fixture().await;
    let token: ConsistencyToken = fixture.remove_mia().await.parse().unwrap();
    let ahead = ConsistencyToken { revision: token.revision + 1_000, ..token };
    let unheard = ConsistencyToken { project_id: new_id().parse().unwrap(), ..token };
    for token in [ahead, unheard] {
        let token = token.to_string();
        for outcome in [fixture.task(Some(&token)).await, fixture.document(Some(&token)).await] {
            assert_eq!(summary(&outcome.unwrap_err()), "UNAVAILABLE DEPENDENCY_UNAVAILABLE");
        }
    }
}

#[tokio::test]
async fn a_malformed_token_is_refused_by_every_kind_of_call() {
    let fixture = fixture().await;
    let many = vec![fixture.remove_mia().await; 9].join(",");
    for garbage in ["garbage", "", many.as_str()] {
        let download = DownloadAttachmentRequest { attachment_id: new_id(), ..Default::default() };
        let download = fixture.olga.attachments().download_attachment(asking(download, Some(garbage))).await;
        for refusal in [
            fixture.task(Some(garbage)).await.unwrap_err(),
            fixture.document(Some(garbage)).await.unwrap_err(),
            download.err().unwrap(),
        ] {
            assert_eq!(summary(&refusal), "INVALID_ARGUMENT INVALID_FIELDS", "{garbage}");
            assert_eq!(violations(&refusal), [AT_LEAST_AS_FRESH]);
        }
    }
}

/// How soon a removal takes effect without a token, from its answer on. `MAX_FEED_SILENCE` bounds it to five seconds for which a
/// copy is trusted: no call that begins later is let in. The figures are for those who look at the output.
#[tokio::test]
async fn a_removal_takes_effect_soon() {
    const REMOVALS: usize = 50;
    let fixture = fixture().await;
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..REMOVALS {
        fixture.remove_mia().await;
        for (times, effect) in times.iter_mut().zip(fixture.times_until_out().await) {
            assert!(effect.last_let_in < shared::access::MAX_FEED_SILENCE, "{:?}", effect.last_let_in);
            times.push(effect.refused);
        }
        let token = fixture.add_mia().await;
        fixture.look(Some(&token)).await.unwrap();
    }
    for (service, mut times) in ["task", "content"].into_iter().zip(times) {
        times.sort_unstable();
        let [p50, p99] = [REMOVALS / 2, REMOVALS * 99 / 100].map(|n| times[n]);
        println!("a removal is refused in {service} after p50 {p50:?}, p99 {p99:?}");
    }
}

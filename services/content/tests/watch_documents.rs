//! Watching a project's documents.

use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use proto::common::{ChangeKind, ResourceType};
use proto::content::v1 as pb;
use proto::content::v1::document_event::Resource;
use proto::project::v1::{DeleteProjectRequest, RemoveMemberRequest};
use testkit::*;
use tonic::{Status, Streaming};

use crate::fixtures::{Team, deny_document_read, team, until, update, write};

/// How long to wait for a response; heartbeats come every 5 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

type Stream = Streaming<pb::WatchDocumentsResponse>;

fn watch(s: &Team, resume_token: &str) -> pb::WatchDocumentsRequest {
    pb::WatchDocumentsRequest {
        project_id: s.project.id.clone(),
        resume_token: resume_token.to_owned(),
        filter: None,
    }
}

/// Opens a stream, and returns it with the token of its first response, which has no events.
async fn open(who: &Actor, request: pb::WatchDocumentsRequest) -> Result<(Stream, String), Status> {
    let mut stream = who.documents().watch_documents(request).await?.into_inner();
    let first = next(&mut stream).await?.unwrap();
    assert!(first.events.is_empty());
    Ok((stream, first.resume_token))
}

async fn next(stream: &mut Stream) -> Result<Option<pb::WatchDocumentsResponse>, Status> {
    tokio::time::timeout(RESPONSE_TIMEOUT, stream.message()).await.unwrap()
}

async fn events(stream: &mut Stream, count: usize) -> Vec<pb::DocumentEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(next(stream).await.unwrap().unwrap().events);
    }
    assert_eq!(events.len(), count, "{events:?}");
    events
}

/// The status with which a stream ends.
async fn end(stream: &mut Stream) -> String {
    loop {
        match next(stream).await {
            Ok(Some(response)) => assert!(response.events.is_empty(), "{response:?}"),
            Ok(None) => return "OK".to_owned(),
            Err(status) => return summary(&status),
        }
    }
}

fn document_of(event: &pb::DocumentEvent) -> &pb::DocumentChange {
    let Some(Resource::Document(change)) = &event.resource else { panic!("no document: {event:?}") };
    change
}

/// A document as events have it.
fn head(document: &pb::Document) -> Option<pb::Document> {
    Some(pb::Document { content: None, ..document.clone() })
}

fn head_before(document: &pb::Document) -> Option<pb::Document> {
    Some(pb::Document { content: None, etag: String::new(), ..document.clone() })
}

#[tokio::test]
async fn events_have_the_document_before_and_after_without_content() {
    let s = team().await;
    let (mut stream, _) = open(&s.gus, watch(&s, "")).await.unwrap();
    let made = s.mia.document(&s.project, "plan", "one").await;
    let written = write(&s.mia, &made.id, "two", "").await.unwrap();
    let tagged = pb::Document { id: made.id.clone(), tags: vec!["a".to_owned()], ..Default::default() };
    let tagged = update(&s.olga, tagged, &["tags"]).await.unwrap();
    let request = pb::DeleteDocumentRequest { document_id: made.id.clone(), ..Default::default() };
    s.olga.documents().delete_document(request).await.unwrap();

    let events = events(&mut stream, 4).await;
    let changes: Vec<_> = events.iter().map(|event| event.change.as_ref().unwrap()).collect();
    let kinds: Vec<_> = changes.iter().map(|change| change.kind()).collect();
    use ChangeKind::{Created, Deleted, Updated};
    assert_eq!(kinds, [Created, Updated, Updated, Deleted]);
    for change in &changes {
        assert_eq!((change.resource_type(), &change.resource_id), (ResourceType::Document, &made.id));
        assert!(change.project_id == s.project.id && !change.trace_id.is_empty());
    }
    assert!(changes.is_sorted_by(|a, b| a.sequence < b.sequence));
    assert_eq!(changes[1].actor_id, s.mia.id.to_string());
    assert_eq!(changes[2].actor_id, s.olga.id.to_string());
    assert_eq!(changes[1].changed_fields, ["updated_at", "version"]);
    assert_eq!(changes[2].changed_fields, ["tags", "updated_at"]);
    assert!(changes[0].changed_fields.is_empty() && changes[3].changed_fields.is_empty());

    let states: Vec<_> =
        events.iter().map(document_of).map(|d| (d.before.clone(), d.after.clone())).collect();
    assert_eq!(
        states,
        [
            (None, head(&made)),
            (head_before(&made), head(&written)),
            (head_before(&written), head(&tagged)),
            (head_before(&tagged), None),
        ]
    );
}

#[tokio::test]
async fn filters_match_the_document_before_or_after() {
    let s = team().await;
    let (mut all, _) = open(&s.gus, watch(&s, "")).await.unwrap();
    let [a, b] = [s.mia.document(&s.project, "a", "").await, s.mia.document(&s.project, "b", "").await];
    // What a stream without a token begins with is not older than what another one has told.
    events(&mut all, 2).await;
    let filtered = async |filter: pb::DocumentEventFilter| {
        let request = pb::WatchDocumentsRequest { filter: Some(filter), ..watch(&s, "") };
        open(&s.gus, request).await.unwrap().0
    };
    let review = vec![pb::DocumentStatus::Review.into()];
    let mut in_review = filtered(pb::DocumentEventFilter { statuses: review, ..Default::default() }).await;
    let mut of_b =
        filtered(pb::DocumentEventFilter { document_ids: vec![b.id.clone()], ..Default::default() }).await;
    let kinds = vec![ChangeKind::Deleted.into()];
    let mut deleted = filtered(pb::DocumentEventFilter { kinds, ..Default::default() }).await;
    let mut by_olga =
        filtered(pb::DocumentEventFilter { actor_id: s.olga.id.to_string(), ..Default::default() }).await;

    let mut documents = s.mia.documents();
    let submit = pb::SubmitDocumentRequest { document_id: a.id.clone(), ..Default::default() };
    documents.submit_document(submit).await.unwrap();
    let revise = pb::ReviseDocumentRequest { document_id: a.id.clone(), ..Default::default() };
    documents.revise_document(revise).await.unwrap();
    write(&s.mia, &b.id, "new", "").await.unwrap();
    let delete = pb::DeleteDocumentRequest { document_id: b.id.clone(), ..Default::default() };
    s.olga.documents().delete_document(delete).await.unwrap();

    let ids = |events: Vec<pb::DocumentEvent>| -> Vec<String> {
        events.into_iter().map(|event| event.change.unwrap().resource_id).collect()
    };
    assert_eq!(ids(events(&mut in_review, 2).await), [a.id.as_str(), &a.id]);
    assert_eq!(ids(events(&mut of_b, 2).await), [b.id.as_str(), &b.id]);
    assert_eq!(ids(events(&mut deleted, 1).await), [b.id.as_str()]);
    assert_eq!(ids(events(&mut by_olga, 1).await), [b.id.as_str()]);
}

#[tokio::test]
async fn resume_tokens_continue_without_gaps_and_belong_to_their_watch() {
    let s = team().await;
    let (stream, start) = open(&s.mia, watch(&s, "")).await.unwrap();
    drop(stream);
    let [a, b] = [s.mia.document(&s.project, "a", "").await, s.mia.document(&s.project, "b", "").await];
    let (mut stream, _) = open(&s.mia, watch(&s, &start)).await.unwrap();
    let resumed = events(&mut stream, 2).await;
    let after: Vec<_> = resumed.iter().map(|event| document_of(event).after.clone()).collect();
    assert_eq!(after, [head(&a), head(&b)]);

    let filter = pb::DocumentEventFilter { document_ids: vec![a.id], ..Default::default() };
    let other_filter = pb::WatchDocumentsRequest { filter: Some(filter), ..watch(&s, &start) };
    for refusal in [
        open(&s.mia, other_filter).await,
        open(&s.gus, watch(&s, &start)).await,
        open(&s.mia, watch(&s, "garbage")).await,
    ] {
        assert_eq!(summary(&refusal.unwrap_err()), "INVALID_ARGUMENT RESUME_TOKEN_INVALID");
    }
    let mut admin = s.suite.admin_of(content::NAME).await;
    admin.batch_execute("SELECT content.trim_change_log('0 seconds', 1000)").await.unwrap();
    let expired = open(&s.mia, watch(&s, &start)).await.unwrap_err();
    assert_eq!(summary(&expired), "OUT_OF_RANGE CURSOR_EXPIRED");
}

#[tokio::test]
async fn streams_end_with_the_access_to_the_project() {
    let s = team().await;
    let (mut mias, _) = open(&s.mia, watch(&s, "")).await.unwrap();
    let (mut guss, _) = open(&s.gus, watch(&s, "")).await.unwrap();
    let (mut olgas, _) = open(&s.olga, watch(&s, "")).await.unwrap();
    let not_found = "NOT_FOUND RESOURCE_NOT_FOUND";
    assert_eq!(summary(&open(&s.sam, watch(&s, "")).await.unwrap_err()), not_found);

    let request = RemoveMemberRequest {
        project_id: s.project.id.clone(),
        user_id: s.mia.id.to_string(),
        ..Default::default()
    };
    s.olga.members().remove_member(request).await.unwrap();
    assert_eq!(end(&mut mias).await, not_found);
    deny_document_read(&s, &s.gus).await;
    assert_eq!(end(&mut guss).await, "PERMISSION_DENIED PERMISSION_MISSING");
    let request = DeleteProjectRequest { project_id: s.project.id.clone(), ..Default::default() };
    s.olga.projects().delete_project(request).await.unwrap();
    assert_eq!(end(&mut olgas).await, not_found);
}

#[tokio::test]
async fn anyone_watches_a_public_project() {
    let s = team().await;
    s.publish_project().await;
    let nobody = s.suite.anonymous();
    until("public", async || open(&nobody, watch(&s, "")).await.is_ok()).await;
    let (mut stream, _) = open(&nobody, watch(&s, "")).await.unwrap();
    let made = s.mia.document(&s.project, "plan", "").await;
    assert_eq!(document_of(&events(&mut stream, 1).await[0]).after, head(&made));
}

#[tokio::test]
async fn malformed_watch_requests_are_refused() {
    let s = team().await;
    let filter = pb::DocumentEventFilter {
        kinds: vec![0, 9],
        actor_id: "x".to_owned(),
        document_ids: vec!["x".to_owned()],
        statuses: vec![99],
    };
    let request =
        pb::WatchDocumentsRequest { project_id: "x".to_owned(), filter: Some(filter), ..Default::default() };
    let fields = violations(&open(&s.mia, request).await.unwrap_err());
    let expected = ["kinds[0]", "kinds[1]", "actor_id", "document_ids[0]", "statuses[0]"];
    let expected = expected.map(|field| format!("filter.{field}"));
    assert_eq!(fields, [&["project_id".to_owned()], expected.as_slice()].concat());
    let filter = pb::DocumentEventFilter { document_ids: vec![new_id(); 1_001], ..Default::default() };
    let many = pb::WatchDocumentsRequest { filter: Some(filter), ..watch(&s, "") };
    assert_eq!(violations(&open(&s.mia, many).await.unwrap_err()), ["filter.document_ids"]);
}

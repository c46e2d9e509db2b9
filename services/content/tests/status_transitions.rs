use expect_test::expect;
use proto::content::v1 as pb;
use proto::content::v1::DocumentStatus::{self, Archived, Draft, Published, Review};
use proto::project::v1::ProjectRole;
use testkit::*;
use tonic::Status;

use crate::fixtures::{read, team, write};

async fn step(who: &Actor, to: DocumentStatus, id: &str, etag: &str) -> Result<pb::Document, Status> {
    let (document_id, etag) = (id.to_owned(), etag.to_owned());
    let mut documents = who.documents();
    let answer = match to {
        Draft => documents.revise_document(pb::ReviseDocumentRequest { document_id, etag }).await,
        Review => documents.submit_document(pb::SubmitDocumentRequest { document_id, etag }).await,
        Published => documents.publish_document(pb::PublishDocumentRequest { document_id, etag }).await,
        _ => documents.archive_document(pb::ArchiveDocumentRequest { document_id, etag }).await,
    };
    Ok(answer?.into_inner())
}

#[tokio::test]
async fn a_document_passes_all_statuses_and_returns_to_draft() {
    let s = team().await;
    let draft = s.mia.document(&s.project, "plan", "one").await;
    for to in [Review, Published, Archived, Draft] {
        let moved = step(&s.olga, to, &draft.id, "").await.unwrap();
        assert_eq!(moved.status(), to);
        let again = step(&s.olga, to, &draft.id, &draft.etag).await.unwrap();
        assert_eq!(again, moved, "a step that is done stays done");
        assert_eq!((moved.version, moved.published_at.is_some()), (1, to != Review));
    }
}

/// The table beside the service in the proto: each verb from each state by each role.
#[tokio::test]
async fn each_transition_from_each_status_by_each_role() {
    let s = team().await;
    let ada = s.suite.guest("ada").await;
    s.olga.add(&s.project, &ada, ProjectRole::Admin).await;
    let nobody = s.suite.anonymous();
    let everybody =
        [("owner", &s.olga), ("admin", &ada), ("member", &s.mia), ("viewer", &s.gus), ("nobody", &nobody)];
    let states = [(Draft, 0), (Review, 1), (Published, 2), (Archived, 3)];
    let mut table = String::new();
    for (verb, to) in [("submit", Review), ("publish", Published), ("archive", Archived), ("revise", Draft)] {
        for (role, who) in everybody {
            let mut outcomes = Vec::new();
            for (state, steps) in states {
                let document = s.mia.document(&s.project, "plan", "").await;
                for (next, _) in states.iter().skip(1).take(steps) {
                    step(&s.olga, *next, &document.id, "").await.unwrap();
                }
                outcomes.push(match step(who, to, &document.id, "").await {
                    Ok(moved) if moved.status() == state => "stays".to_owned(),
                    Ok(moved) => format!("{:?}", moved.status()).to_lowercase(),
                    Err(refusal) => reason_of(&refusal).to_lowercase(),
                });
            }
            table.push_str(&format!("{verb} {role}: {}\n", outcomes.join(", ")));
        }
    }
    expect![[r"
        submit owner: review, stays, invalid_status_transition, invalid_status_transition
        submit admin: review, stays, invalid_status_transition, invalid_status_transition
        submit member: review, stays, invalid_status_transition, invalid_status_transition
        submit viewer: permission_missing, permission_missing, permission_missing, permission_missing
        submit nobody: session_required, session_required, session_required, session_required
        publish owner: invalid_status_transition, published, stays, invalid_status_transition
        publish admin: invalid_status_transition, published, stays, invalid_status_transition
        publish member: permission_missing, permission_missing, permission_missing, permission_missing
        publish viewer: permission_missing, permission_missing, permission_missing, permission_missing
        publish nobody: session_required, session_required, session_required, session_required
        archive owner: invalid_status_transition, invalid_status_transition, archived, stays
        archive admin: invalid_status_transition, invalid_status_transition, archived, stays
        archive member: permission_missing, permission_missing, permission_missing, permission_missing
        archive viewer: permission_missing, permission_missing, permission_missing, permission_missing
        archive nobody: session_required, session_required, session_required, session_required
        revise owner: stays, draft, draft, draft
        revise admin: stays, draft, draft, draft
        revise member: stays, draft, draft, draft
        revise viewer: permission_missing, permission_missing, permission_missing, permission_missing
        revise nobody: session_required, session_required, session_required, session_required
    "]]
    .assert_eq(&table);
}

#[tokio::test]
async fn invalid_transitions_stale_etags_and_malformed_ids_are_refused() {
    let s = team().await;
    let draft = s.mia.document(&s.project, "plan", "one").await;
    let unseen = step(&s.olga, Published, &draft.id, "").await.unwrap_err();
    expect!["FAILED_PRECONDITION INVALID_STATUS_TRANSITION"].assert_eq(&summary(&unseen));
    let unpublished = step(&s.olga, Archived, &draft.id, "").await.unwrap_err();
    expect!["FAILED_PRECONDITION INVALID_STATUS_TRANSITION"].assert_eq(&summary(&unpublished));
    let stale = step(&s.olga, Review, &draft.id, "\"0\"").await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&stale));
    let malformed = step(&s.olga, Review, "x", "").await.unwrap_err();
    assert_eq!(violations(&malformed), ["document_id"]);
}

#[tokio::test]
async fn transitions_require_the_permission() {
    let s = team().await;
    let draft = s.mia.document(&s.project, "plan", "one").await;
    step(&s.mia, Review, &draft.id, "").await.unwrap();
    for to in [Draft, Review, Published, Archived] {
        let by_viewer = step(&s.gus, to, &draft.id, "").await.unwrap_err();
        expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_viewer));
        let by_stranger = step(&s.sam, to, &draft.id, "").await.unwrap_err();
        expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    }
    let by_member = step(&s.mia, Published, &draft.id, "").await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_member));
}

#[tokio::test]
async fn an_archived_document_is_only_revised_or_deleted() {
    let s = team().await;
    let draft = s.mia.document(&s.project, "plan", "one").await;
    for to in [Review, Published, Archived] {
        step(&s.olga, to, &draft.id, "").await.unwrap();
    }
    let written = write(&s.olga, &draft.id, "two", "").await.unwrap_err();
    expect!["FAILED_PRECONDITION INVALID_STATUS_TRANSITION"].assert_eq(&summary(&written));
    let restore = pb::RestoreDocumentVersionRequest {
        document_id: draft.id.clone(),
        version_number: 1,
        ..Default::default()
    };
    let restored = s.olga.documents().restore_document_version(restore).await.unwrap_err();
    expect!["FAILED_PRECONDITION INVALID_STATUS_TRANSITION"].assert_eq(&summary(&restored));
    step(&s.mia, Draft, &draft.id, "").await.unwrap();
    write(&s.mia, &draft.id, "two", "").await.unwrap();
}

#[tokio::test]
async fn an_admin_deletes_a_document_and_a_member_does_not() {
    let s = team().await;
    let document = s.mia.document(&s.project, "plan", "one").await;
    let request = pb::DeleteDocumentRequest { document_id: document.id.clone(), ..Default::default() };
    let by_member = s.mia.documents().delete_document(request.clone()).await.unwrap_err();
    expect!["PERMISSION_DENIED PERMISSION_MISSING"].assert_eq(&summary(&by_member));
    let by_stranger = s.sam.documents().delete_document(request.clone()).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&by_stranger));
    let stale = pb::DeleteDocumentRequest { etag: "x".to_owned(), ..request.clone() };
    let stale = s.olga.documents().delete_document(stale).await.unwrap_err();
    expect!["ABORTED ETAG_MISMATCH"].assert_eq(&summary(&stale));

    s.olga.documents().delete_document(request.clone()).await.unwrap();
    let gone = read(&s.olga, &document.id).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&gone));
    let again = s.olga.documents().delete_document(request).await.unwrap_err();
    expect!["NOT_FOUND RESOURCE_NOT_FOUND"].assert_eq(&summary(&again));
}

use crate::calls::*;
use crate::fixtures::{Team, team};
use proto::common::Permission;
use proto::project::v1::{
    ListOwnershipTransfersRequest, Member, OfferOwnershipRequest, OfferStatus, OwnershipTransfer, ProjectRole,
};
use testkit::*;

async fn expire(suite: &Suite) {
    let age = "UPDATE project.ownership_transfers SET created_at = now() - interval '2 days', \
               expires_at = now() - interval '1 day'";
    suite.execute(age).await;
}

async fn offers(who: &Actor, request: ListOwnershipTransfersRequest) -> Vec<OwnershipTransfer> {
    who.members().list_ownership_transfers(request).await.unwrap().into_inner().transfers
}

#[tokio::test]
async fn after_a_transfer_the_recipient_owns_and_the_former_owner_is_admin() {
    let Team { suite: _suite, olga, max, project, .. } = team().await;
    let member = get_member(&olga, &project, &max).await.unwrap();
    let trimmed = Member { denied_permissions: vec![Permission::TaskWrite.into()], ..member };
    update_member(&olga, trimmed, &["denied_permissions"]).await.unwrap();

    let offered = offer(&olga, offering(&project, &max)).await.unwrap();
    assert_eq!(offered.status(), OfferStatus::Pending);
    assert_eq!(get(&max, &project).await.unwrap().owner_id, olga.id.to_string(), "not before it is accepted");
    let accepted = accept(&max, &offered, &offered.etag).await.unwrap();

    assert_eq!(accepted.status(), OfferStatus::Accepted);
    assert!(accepted.closed_at.is_some());
    assert_eq!(get(&max, &project).await.unwrap().owner_id, max.id.to_string());
    let (old, new) = tokio::join!(get_member(&max, &project, &olga), get_member(&max, &project, &max));
    assert_eq!((old.unwrap().role, new.as_ref().unwrap().role), (ADMIN, OWNER));
    assert_eq!(new.unwrap().denied_permissions, [0; 0], "an owner has no exceptions");
    assert_eq!(permissions(&max, &project).await.unwrap().permissions.len(), 22);
    let refusal = delete(&olga, &project, "").await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
    assert_eq!(accept(&max, &offered, &offered.etag).await.unwrap(), accepted, "a retry succeeds");
}

#[tokio::test]
async fn only_the_owner_offers_and_only_to_active_members() {
    let Team { suite, olga, ada, max, vera, gus, project } = team().await;
    for (who, expected) in [
        (&ada, "PERMISSION_DENIED PERMISSION_MISSING"),
        (&max, "PERMISSION_DENIED PERMISSION_MISSING"),
        (&vera, "PERMISSION_DENIED PERMISSION_MISSING"),
        (&gus, "NOT_FOUND RESOURCE_NOT_FOUND"),
        (&suite.anonymous(), "UNAUTHENTICATED SESSION_REQUIRED"),
    ] {
        let recipient = if who.id == ada.id { &max } else { &ada };
        let refusal = offer(who, offering(&project, recipient)).await.unwrap_err();
        assert_eq!(summary(&refusal), expected, "{}", who.name);
    }
    let refusal = offer(&olga, offering(&project, &gus)).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    let suspend = format!("UPDATE identity.users SET status = 'suspended' WHERE id = '{}'", vera.id);
    suite.execute(&suspend).await;
    let refusal = offer(&olga, offering(&project, &vera)).await.unwrap_err();
    assert!(refusal.message().starts_with("user "), "{}", refusal.message());
}

#[tokio::test]
async fn only_the_recipient_answers_and_only_the_owner_withdraws() {
    let Team { suite: _suite, olga, ada, max, vera, gus, project } = team().await;
    let offered = offer(&olga, offering(&project, &max)).await.unwrap();
    for who in [&olga, &ada, &vera] {
        for refusal in [accept(who, &offered, "").await, decline(who, &offered, "").await] {
            assert_eq!(
                summary(&refusal.unwrap_err()),
                "PERMISSION_DENIED OFFER_NOT_FOR_CALLER",
                "{}",
                who.name
            );
        }
    }
    for who in [&ada, &max, &vera] {
        let refusal = withdraw(who, &offered, "").await.unwrap_err();
        assert_eq!(summary(&refusal), "PERMISSION_DENIED OFFER_NOT_FOR_CALLER", "{}", who.name);
    }
    for refusal in [
        accept(&gus, &offered, "").await,
        decline(&gus, &offered, "").await,
        withdraw(&gus, &offered, "").await,
        get_offer(&gus, &offered).await,
    ] {
        assert_eq!(summary(&refusal.unwrap_err()), "NOT_FOUND RESOURCE_NOT_FOUND");
    }
    for who in [&olga, &ada, &max, &vera] {
        assert_eq!(get_offer(who, &offered).await.unwrap(), offered);
    }
}

#[tokio::test]
async fn a_project_has_one_pending_transfer() {
    let Team { suite, olga, ada, max, project, .. } = team().await;
    let first = offer(&olga, offering(&project, &ada)).await.unwrap();
    let refusal = offer(&olga, offering(&project, &max)).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION TRANSFER_PENDING");

    let withdrawn = withdraw(&olga, &first, &first.etag).await.unwrap();
    assert_eq!(withdrawn.status(), OfferStatus::Withdrawn);
    assert_eq!(withdraw(&olga, &first, "").await.unwrap(), withdrawn);
    let second = offer(&olga, offering(&project, &ada)).await.unwrap();
    let declined = decline(&ada, &second, "").await.unwrap();
    assert_eq!(declined.status(), OfferStatus::Declined);
    assert_eq!(decline(&ada, &second, "").await.unwrap(), declined);
    let refusal = accept(&ada, &second, "").await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION OFFER_CLOSED");

    let third = offer(&olga, offering(&project, &ada)).await.unwrap();
    expire(&suite).await;
    assert_eq!(get_offer(&ada, &third).await.unwrap().status(), OfferStatus::Expired);
    let refusal = accept(&ada, &third, "").await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION OFFER_CLOSED");
    offer(&olga, offering(&project, &max)).await.unwrap();
    assert_eq!(get(&olga, &project).await.unwrap().owner_id, olga.id.to_string());
}

#[tokio::test]
async fn a_transfer_is_withdrawn_when_its_recipient_leaves() {
    let Team { suite: _suite, olga, max, project, .. } = team().await;
    let offered = offer(&olga, offering(&project, &max)).await.unwrap();
    remove(&olga, &project, &max).await.unwrap();
    let refusal = accept(&max, &offered, "").await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    olga.add(&project, &max, ProjectRole::Member).await;
    let refusal = accept(&max, &offered, "").await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION OFFER_CLOSED");
    assert_eq!(get_offer(&olga, &offered).await.unwrap().status(), OfferStatus::Withdrawn);
}

#[tokio::test]
async fn a_retry_returns_the_transfer() {
    let Team { suite: _suite, olga, ada, max, project, .. } = team().await;
    let request = OfferOwnershipRequest { request_id: new_id(), ..offering(&project, &max) };
    let (first, second) = tokio::join!(offer(&olga, request.clone()), offer(&olga, request.clone()));
    assert_eq!(first.unwrap(), second.unwrap());
    let other = OfferOwnershipRequest { user_id: ada.id.to_string(), ..request };
    let refusal = offer(&olga, other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a_stale_etag_aborts_every_answer() {
    let Team { suite: _suite, olga, max, project, .. } = team().await;
    let offered = offer(&olga, offering(&project, &max)).await.unwrap();
    let stale = "\"00000001\"";
    for refusal in [
        accept(&max, &offered, stale).await,
        decline(&max, &offered, stale).await,
        withdraw(&olga, &offered, stale).await,
    ] {
        assert_eq!(summary(&refusal.unwrap_err()), "ABORTED ETAG_MISMATCH");
    }
}

#[tokio::test]
async fn transfers_are_listed_by_project_and_by_user() {
    let Team { suite, olga, ada, max, vera, gus, project } = team().await;
    let other = olga.project("gemini").await;
    olga.add(&other, &max, ProjectRole::Viewer).await;
    let first = offer(&olga, offering(&project, &ada)).await.unwrap();
    let first = decline(&ada, &first, "").await.unwrap();
    let second = offer(&olga, offering(&project, &max)).await.unwrap();
    let third = offer(&olga, offering(&other, &max)).await.unwrap();

    let all = ListOwnershipTransfersRequest::default;
    let of_project = ListOwnershipTransfersRequest { project_id: project.id.clone(), ..all() };
    assert_eq!(offers(&vera, of_project.clone()).await, [second.clone(), first.clone()]);
    assert_eq!(offers(&max, all()).await, [third.clone(), second.clone()]);
    assert_eq!(offers(&olga, all()).await, [third, second.clone(), first.clone()]);
    assert_eq!(offers(&vera, all()).await, []);
    let open = vec![OfferStatus::Pending as i32];
    let open = ListOwnershipTransfersRequest { statuses: open, ..of_project.clone() };
    assert_eq!(offers(&vera, open.clone()).await, [second]);
    let paged = ListOwnershipTransfersRequest { page_size: 1, ..of_project.clone() };
    let page = vera.members().list_ownership_transfers(paged.clone()).await.unwrap().into_inner();
    let next = ListOwnershipTransfersRequest { page_token: page.next_page_token, ..paged };
    assert_eq!(offers(&vera, next).await, [first]);

    let refusal = gus.members().list_ownership_transfers(of_project).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
    expire(&suite).await;
    assert_eq!(offers(&vera, open.clone()).await, []);
    let expired = vec![OfferStatus::Expired as i32];
    assert_eq!(offers(&vera, ListOwnershipTransfersRequest { statuses: expired, ..open }).await.len(), 1);
}

#[tokio::test]
async fn every_violation_is_reported() {
    let Team { suite: _suite, olga, .. } = team().await;
    let garbage = OfferOwnershipRequest {
        request_id: "x".to_owned(),
        project_id: String::new(),
        user_id: olga.id.to_string(),
        lifetime: Some(prost_types::Duration { seconds: 30 * 24 * 3600, nanos: 1 }),
    };
    let refusal = offer(&olga, garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["request_id", "user_id", "lifetime", "project_id"]);
    let nothing = OwnershipTransfer::default();
    for refusal in [
        get_offer(&olga, &nothing).await,
        accept(&olga, &nothing, "").await,
        decline(&olga, &nothing, "").await,
        withdraw(&olga, &nothing, "").await,
    ] {
        assert_eq!(violations(&refusal.unwrap_err()), ["project_id", "transfer_id"]);
    }
    let garbage = ListOwnershipTransfersRequest {
        project_id: "x".to_owned(),
        page_size: -1,
        statuses: vec![0],
        ..Default::default()
    };
    let refusal = olga.members().list_ownership_transfers(garbage).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_id", "statuses[0]", "page_size"]);
}

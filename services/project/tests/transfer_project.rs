//! Operators transfer projects.

use crate::calls::*;
use crate::fixtures::{Team, team};
use crate::watcher::*;
use proto::project::admin::v1::project_admin_service_client::ProjectAdminServiceClient;
use proto::project::admin::v1::{ListOrphanedProjectsRequest, OrphanedProject, TransferProjectRequest};
use proto::project::v1::{OfferStatus, Project};
use shared::access::{CONSISTENCY_TOKEN, ConsistencyToken};
use shared::siblings::Sibling;
use testkit::*;
use tonic::{Response, Status};

fn transferring(project: &Project, to: &Actor) -> TransferProjectRequest {
    TransferProjectRequest {
        project_id: project.id.clone(),
        new_owner_id: to.id.to_string(),
        ..Default::default()
    }
}

async fn transfer(suite: &Suite, request: TransferProjectRequest) -> Result<Response<Project>, Status> {
    let channel = suite.as_service("operator-olga").channel(Sibling::Project);
    ProjectAdminServiceClient::new(channel).transfer_project(request).await
}

async fn suspend(suite: &Suite, who: &Actor) {
    let suspend = format!("UPDATE identity.users SET status = 'suspended' WHERE id = '{}'", who.id);
    suite.execute(&suspend).await;
}

#[tokio::test]
async fn a_member_or_a_stranger_becomes_the_owner() {
    let Team { suite, olga, max, gus, project, .. } = team().await;
    let member = get_member(&olga, &project, &max).await.unwrap();
    update_member(&olga, proto::project::v1::Member { ..denied(member) }, &["denied_permissions"])
        .await
        .unwrap();
    let offered = offer(&olga, offering(&project, &max)).await.unwrap();
    let mut watcher = Watcher::from_now(&suite, &olga, &project).await;

    let answer = transfer(&suite, transferring(&project, &max)).await.unwrap();

    let token: ConsistencyToken =
        answer.metadata().get(CONSISTENCY_TOKEN).unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(token.project_id.to_string(), project.id);
    assert_eq!(answer.get_ref().owner_id, max.id.to_string());
    assert_eq!(get(&max, &project).await.unwrap(), answer.into_inner());
    let (old, new) = (get_member(&max, &project, &olga).await, get_member(&max, &project, &max).await);
    let new = new.unwrap();
    assert_eq!((old.unwrap().role, new.role, new.denied_permissions.len()), (ADMIN, OWNER, 0));
    assert_eq!(get_offer(&max, &offered).await.unwrap().status(), OfferStatus::Withdrawn);
    let events = describe(watcher.until(4).await);
    assert_eq!(
        events,
        [
            "transfer updated closed_at,status",
            "member updated role",
            "member updated denied_permissions,role",
            "project updated owner_id,updated_at"
        ]
    );
    assert!(watcher.seen.iter().all(|event| change_of(event).actor_id.is_empty()));

    transfer(&suite, transferring(&project, &gus)).await.unwrap();
    assert_eq!(get_member(&gus, &project, &gus).await.unwrap().role, OWNER);
    assert_eq!(get_member(&gus, &project, &max).await.unwrap().role, ADMIN);
}

fn denied(member: proto::project::v1::Member) -> proto::project::v1::Member {
    let denied_permissions = vec![proto::common::Permission::TaskWrite.into()];
    proto::project::v1::Member { denied_permissions, ..member }
}

#[tokio::test]
async fn a_former_owner_without_an_active_account_is_removed() {
    let Team { suite, olga, ada, project, .. } = team().await;
    archive(&olga, &project, "").await.unwrap();
    suspend(&suite, &olga).await;
    transfer(&suite, transferring(&project, &ada)).await.unwrap();
    assert_eq!(get(&ada, &project).await.unwrap().owner_id, ada.id.to_string());
    let refusal = get_member(&ada, &project, &olga).await.unwrap_err();
    assert_eq!(summary(&refusal), "NOT_FOUND RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn only_an_active_user_becomes_the_owner() {
    let Team { suite, vera, project, .. } = team().await;
    suspend(&suite, &vera).await;
    let unknown = TransferProjectRequest { new_owner_id: new_id(), ..transferring(&project, &vera) };
    for request in [transferring(&project, &vera), unknown] {
        let refusal = transfer(&suite, request).await.unwrap_err();
        assert!(refusal.message().starts_with("user "), "{}", refusal.message());
    }
    let nowhere = Project { id: new_id(), ..Default::default() };
    let refusal = transfer(&suite, transferring(&nowhere, &vera)).await.unwrap_err();
    assert!(refusal.message().starts_with("project "), "{}", refusal.message());
}

#[tokio::test]
async fn a_retry_of_a_transfer_changes_nothing() {
    let Team { suite, olga, ada, max, project, .. } = team().await;
    let request = TransferProjectRequest {
        request_id: new_id(),
        etag: project.etag.clone(),
        ..transferring(&project, &ada)
    };
    let first = transfer(&suite, request.clone()).await.unwrap().into_inner();
    assert_eq!(transfer(&suite, request.clone()).await.unwrap().into_inner(), first);
    let again = transferring(&project, &ada);
    assert_eq!(transfer(&suite, again.clone()).await.unwrap().into_inner(), first, "she owns it already");
    let stale = TransferProjectRequest { etag: project.etag, ..again };
    assert_eq!(summary(&transfer(&suite, stale).await.unwrap_err()), "ABORTED ETAG_MISMATCH");
    let other = TransferProjectRequest { new_owner_id: max.id.to_string(), ..request };
    let refusal = transfer(&suite, other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");
    assert_eq!(get_member(&olga, &first, &olga).await.unwrap().role, ADMIN);
}

#[tokio::test]
async fn only_operators_transfer_projects() {
    let Team { suite, olga, ada, project, .. } = team().await;
    for principal in ["task", "backend"] {
        let channel = suite.as_service(principal).channel(Sibling::Project);
        let request = transferring(&project, &ada);
        let refusal = ProjectAdminServiceClient::new(channel).transfer_project(request).await.unwrap_err();
        assert_eq!(summary(&refusal), "PERMISSION_DENIED AUDIENCE_REFUSED", "{principal}");
    }
    let channel = suite.channel(Service::Project);
    let mut client = ProjectAdminServiceClient::with_interceptor(channel, Bearer(olga.session_token.clone()));
    let refusal = client.transfer_project(transferring(&project, &ada)).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED AUDIENCE_REFUSED");
    let refusal = transfer(&suite, TransferProjectRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refusal), ["project_id", "new_owner_id"]);
}

#[tokio::test]
async fn concurrent_transfers_leave_one_owner() {
    let Team { suite, olga, ada, max, project, .. } = team().await;
    let offered = offer(&olga, offering(&project, &max)).await.unwrap();
    let (by_operator, accepted) =
        tokio::join!(transfer(&suite, transferring(&project, &ada)), accept(&max, &offered, ""));
    by_operator.unwrap();
    if let Err(refusal) = accepted {
        assert_eq!(summary(&refusal), "FAILED_PRECONDITION OFFER_CLOSED");
    }
    assert_eq!(get(&ada, &project).await.unwrap().owner_id, ada.id.to_string());
}

#[tokio::test]
async fn operators_find_the_projects_whose_owner_is_not_active() {
    let Team { suite, olga, gus, project, .. } = team().await;
    let kept = gus.project("kept").await;
    suspend(&suite, &olga).await;
    let channel = suite.as_service("operator-olga").channel(Sibling::Project);
    let mut service = ProjectAdminServiceClient::new(channel);
    let (mut request, mut found) =
        (ListOrphanedProjectsRequest { page_size: 1, ..Default::default() }, Vec::new());
    loop {
        let page = service.list_orphaned_projects(request.clone()).await.unwrap().into_inner();
        found.extend(page.projects);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let orphan = OrphanedProject {
        project_id: project.id.clone(),
        name: project.name.clone(),
        owner_id: olga.id.to_string(),
    };
    assert_eq!(found, [orphan]);

    transfer(&suite, transferring(&project, &gus)).await.unwrap();

    let left = service.list_orphaned_projects(ListOrphanedProjectsRequest::default()).await.unwrap();
    assert_eq!(left.into_inner().projects, []);
    assert_eq!(get(&gus, &kept).await.unwrap().owner_id, gus.id.to_string());
}

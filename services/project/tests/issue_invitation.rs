//! Back ends invite on behalf of users.

use crate::calls::*;
use crate::harness::harness;
use diesel_async::SimpleAsyncConnection;
use proto::project::backend::v1::invitation_service_client::InvitationServiceClient;
use proto::project::backend::v1::issue_invitation_request::Delivery;
use proto::project::backend::v1::{IssueInvitationRequest, IssueInvitationResponse, ReturnCode, SendCode};
use proto::project::v1::{CreateInvitationRequest, Project, ProjectRole};
use shared::siblings::Sibling;
use testkit::*;
use tonic::Status;

async fn issue(suite: &Suite, request: IssueInvitationRequest) -> Result<IssueInvitationResponse, Status> {
    let channel = suite.as_service("frontend").channel(Sibling::Project);
    Ok(InvitationServiceClient::new(channel).issue_invitation(request).await?.into_inner())
}

fn asking(inviter: &Actor, project: &Project, delivery: Delivery) -> IssueInvitationRequest {
    IssueInvitationRequest {
        inviter_id: inviter.id.to_string(),
        invitation: Some(CreateInvitationRequest {
            request_id: new_id(),
            project_id: project.id.clone(),
            email: "gus@example.org".to_owned(),
            ..Default::default()
        }),
        delivery: Some(delivery),
    }
}

#[tokio::test]
async fn a_back_end_receives_the_token() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let request = asking(&olga, &project, Delivery::ReturnCode(ReturnCode {}));
    let issued = issue(&suite, request.clone()).await.unwrap();
    assert_eq!(issue(&suite, request.clone()).await.unwrap(), issued, "a retry gets the same token");
    let other = IssueInvitationRequest { delivery: Some(Delivery::SendCode(SendCode {})), ..request };
    let refusal = issue(&suite, other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");

    accept_invitation(&gus, &issued.token).await.unwrap();
    assert_eq!(get_member(&olga, &project, &gus).await.unwrap().role, MEMBER);
    let in_database = format!(
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM project.invitations i WHERE i::text LIKE '%{0}%') \
         OR EXISTS (SELECT 1 FROM project.mail_outbox) \
         OR EXISTS (SELECT 1 FROM project.change_log c WHERE c::text LIKE '%{0}%') THEN RAISE 'there'; END IF; END $$",
        &issued.token[26..]
    );
    suite
        .admin_of("project")
        .await
        .batch_execute(&in_database)
        .await
        .expect("no row holds a token, and no mail waits");
}

#[tokio::test]
async fn a_back_end_can_have_the_email_sent() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let issued = issue(&suite, asking(&olga, &project, Delivery::SendCode(SendCode {}))).await.unwrap();
    assert_eq!(issued.token, "");
    accept_invitation(&gus, &suite.mail_to("gus@example.org", 1).await.code()).await.unwrap();
}

#[tokio::test]
async fn a_back_end_has_no_more_permissions_than_the_inviter() {
    let suite = harness().start().await;
    let [olga, vera, gus] = suite.guests(["olga", "vera", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &vera, ProjectRole::Viewer).await;
    for (inviter, expected) in
        [(&vera, "PERMISSION_DENIED PERMISSION_MISSING"), (&gus, "NOT_FOUND RESOURCE_NOT_FOUND")]
    {
        let request = asking(inviter, &project, Delivery::ReturnCode(ReturnCode {}));
        assert_eq!(summary(&issue(&suite, request).await.unwrap_err()), expected);
    }
    let refusal = issue(&suite, IssueInvitationRequest::default()).await.unwrap_err();
    let expected = ["inviter_id", "invitation", "delivery", "invitation.project_id", "invitation.email"];
    assert_eq!(violations(&refusal), expected);
}

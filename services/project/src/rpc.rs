//! Maps the methods of the API to the handler.

use proto::project::admin::v1 as admin;
use proto::project::admin::v1::project_admin_service_server::{
    ProjectAdminService, ProjectAdminServiceServer,
};
use proto::project::backend::v1 as backend;
use proto::project::backend::v1::access_service_server::{AccessService, AccessServiceServer};
use proto::project::backend::v1::invitation_service_server::{InvitationService, InvitationServiceServer};
use proto::project::v1 as pb;
use proto::project::v1::member_service_server::{MemberService, MemberServiceServer};
use proto::project::v1::notification_service_server::{NotificationService, NotificationServiceServer};
use proto::project::v1::project_service_server::{ProjectService, ProjectServiceServer};
use proto::project::v1::webhook_service_server::{WebhookService, WebhookServiceServer};

use tonic::service::Routes;

use crate::handler::ProjectHandler;

/// The servers of all services of this crate.
pub(crate) fn routes(handler: &ProjectHandler) -> Routes {
    shared::routes![
        handler => ProjectServiceServer, MemberServiceServer, NotificationServiceServer, WebhookServiceServer,
        InvitationServiceServer, AccessServiceServer, ProjectAdminServiceServer,
    ]
}

shared::rpc_table! {
    impl MemberService for ProjectHandler {
        add_member(pb::AddMemberRequest) -> pb::Member;
        get_member(pb::GetMemberRequest) -> pb::Member;
        list_members(pb::ListMembersRequest) -> pb::ListMembersResponse;
        update_member(pb::UpdateMemberRequest) -> pb::Member;
        remove_member(pb::RemoveMemberRequest) -> pb::RemoveMemberResponse;
        leave_project(pb::LeaveProjectRequest) -> pb::LeaveProjectResponse;
        list_members_at(pb::ListMembersAtRequest) -> pb::ListMembersAtResponse;
        create_invitation(pb::CreateInvitationRequest) -> pb::Invitation;
        get_invitation(pb::GetInvitationRequest) -> pb::Invitation;
        list_invitations(pb::ListInvitationsRequest) -> pb::ListInvitationsResponse;
        resend_invitation(pb::ResendInvitationRequest) -> pb::Invitation;
        withdraw_invitation(pb::WithdrawInvitationRequest) -> pb::Invitation;
        accept_invitation(pb::AcceptInvitationRequest) -> pb::Invitation;
        decline_invitation(pb::DeclineInvitationRequest) -> pb::Invitation;
        offer_ownership(pb::OfferOwnershipRequest) -> pb::OwnershipTransfer;
        get_ownership_transfer(pb::GetOwnershipTransferRequest) -> pb::OwnershipTransfer;
        list_ownership_transfers(pb::ListOwnershipTransfersRequest) -> pb::ListOwnershipTransfersResponse;
        accept_ownership(pb::AcceptOwnershipRequest) -> pb::OwnershipTransfer;
        decline_ownership(pb::DeclineOwnershipRequest) -> pb::OwnershipTransfer;
        withdraw_ownership(pb::WithdrawOwnershipRequest) -> pb::OwnershipTransfer;
    }
}

shared::rpc_table! {
    impl ProjectService for ProjectHandler {
        create_project(pb::CreateProjectRequest) -> pb::Project;
        get_project(pb::GetProjectRequest) -> pb::Project;
        list_projects(pb::ListProjectsRequest) -> pb::ListProjectsResponse;
        update_project(pb::UpdateProjectRequest) -> pb::Project;
        complete_project(pb::CompleteProjectRequest) -> pb::Project;
        cancel_project(pb::CancelProjectRequest) -> pb::Project;
        archive_project(pb::ArchiveProjectRequest) -> pb::Project;
        reopen_project(pb::ReopenProjectRequest) -> pb::Project;
        delete_project(pb::DeleteProjectRequest) -> pb::DeleteProjectResponse;
        get_effective_permissions(pb::GetEffectivePermissionsRequest) -> pb::EffectivePermissions;
        list_project_history(pb::ListProjectHistoryRequest) -> pb::ListProjectHistoryResponse;
        get_project_at(pb::GetProjectAtRequest) -> pb::Project;
        #[stream(WatchProjectStream)]
        watch_project(pb::WatchProjectRequest) -> pb::WatchProjectResponse;
    }
}

shared::rpc_table! {
    impl NotificationService for ProjectHandler {
        subscribe(pb::SubscribeRequest) -> pb::Subscription;
        unsubscribe(pb::UnsubscribeRequest) -> pb::UnsubscribeResponse;
        get_subscription(pb::GetSubscriptionRequest) -> pb::Subscription;
        list_subscriptions(pb::ListSubscriptionsRequest) -> pb::ListSubscriptionsResponse;
        list_notifications(pb::ListNotificationsRequest) -> pb::ListNotificationsResponse;
        count_unread_notifications(pb::CountUnreadNotificationsRequest) -> pb::CountUnreadNotificationsResponse;
        mark_notifications_read(pb::MarkNotificationsReadRequest) -> pb::MarkNotificationsReadResponse;
        #[stream(WatchInboxStream)]
        watch_inbox(pb::WatchInboxRequest) -> pb::WatchInboxResponse;
        get_notification_preferences(pb::GetNotificationPreferencesRequest) -> pb::NotificationPreferences;
        update_notification_preferences(pb::UpdateNotificationPreferencesRequest) -> pb::NotificationPreferences;
    }
}

shared::rpc_table! {
    impl WebhookService for ProjectHandler {
        create_webhook(pb::CreateWebhookRequest) -> pb::CreateWebhookResponse;
        get_webhook(pb::GetWebhookRequest) -> pb::Webhook;
        list_webhooks(pb::ListWebhooksRequest) -> pb::ListWebhooksResponse;
        update_webhook(pb::UpdateWebhookRequest) -> pb::Webhook;
        delete_webhook(pb::DeleteWebhookRequest) -> pb::DeleteWebhookResponse;
        pause_webhook(pb::PauseWebhookRequest) -> pb::Webhook;
        resume_webhook(pb::ResumeWebhookRequest) -> pb::Webhook;
        rotate_webhook_secret(pb::RotateWebhookSecretRequest) -> pb::RotateWebhookSecretResponse;
        send_test_event(pb::SendTestEventRequest) -> pb::WebhookDelivery;
        get_webhook_delivery(pb::GetWebhookDeliveryRequest) -> pb::WebhookDelivery;
        list_webhook_deliveries(pb::ListWebhookDeliveriesRequest) -> pb::ListWebhookDeliveriesResponse;
        redeliver_webhook(pb::RedeliverWebhookRequest) -> pb::WebhookDelivery;
    }
}

shared::rpc_table! {
    impl ProjectAdminService for ProjectHandler {
        transfer_project(admin::TransferProjectRequest) -> pb::Project;
        list_orphaned_projects(admin::ListOrphanedProjectsRequest) -> admin::ListOrphanedProjectsResponse;
        #[stream(ImportProjectsStream)]
        import_projects(tonic::Streaming<admin::ImportProjectsRequest>) -> admin::ImportProjectsResponse;
        #[stream(ExportProjectsStream)]
        export_projects(admin::ExportProjectsRequest) -> admin::ExportProjectsResponse;
    }
}

shared::rpc_table! {
    impl AccessService for ProjectHandler {
        get_project_access(backend::GetProjectAccessRequest) -> backend::ProjectAccess;
        list_project_access(backend::ListProjectAccessRequest) -> backend::ListProjectAccessResponse;
        #[stream(WatchProjectAccessStream)]
        watch_project_access(backend::WatchProjectAccessRequest) -> backend::WatchProjectAccessResponse;
    }
}

shared::rpc_table! {
    impl InvitationService for ProjectHandler {
        issue_invitation(backend::IssueInvitationRequest) -> backend::IssueInvitationResponse;
        erase_invitee(backend::EraseInviteeRequest) -> backend::EraseInviteeResponse;
    }
}

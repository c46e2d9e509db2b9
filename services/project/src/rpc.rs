//! The handler of each RPC.

use proto::project::admin::v1 as admin;
use proto::project::admin::v1::project_admin_service_server::ProjectAdminService;
use proto::project::backend::v1 as backend;
use proto::project::backend::v1::access_service_server::AccessService;
use proto::project::backend::v1::invitation_service_server::InvitationService;
use proto::project::v1 as pb;
use proto::project::v1::member_service_server::MemberService;
use proto::project::v1::project_service_server::ProjectService;

use crate::access::rpc::AccessServiceHandler;
use crate::export::rpc::ExportHandler;
use crate::history::rpc::HistoryHandler;
use crate::import::rpc::ImportHandler;
use crate::invitations::backend::InvitationServiceHandler;
use crate::invitations::rpc::InvitationHandler;
use crate::members::rpc::MemberHandler;
use crate::ownership::admin::TransferProjectHandler;
use crate::ownership::orphans::ListOrphanedProjectsHandler;
use crate::ownership::rpc::OwnershipHandler;
use crate::projects::rpc::ProjectHandler;
use crate::watch::rpc::WatchHandler;

pub(crate) struct MemberServiceHandler {
    pub(crate) members: MemberHandler,
    pub(crate) history: HistoryHandler,
    pub(crate) invitations: InvitationHandler,
    pub(crate) ownership: OwnershipHandler,
}

pub(crate) struct ProjectServiceHandler {
    pub(crate) projects: ProjectHandler,
    pub(crate) history: HistoryHandler,
    pub(crate) watch: WatchHandler,
}

pub(crate) struct ProjectAdminServiceHandler {
    pub(crate) import: ImportHandler,
    pub(crate) export: ExportHandler,
    pub(crate) transfer: TransferProjectHandler,
    pub(crate) orphans: ListOrphanedProjectsHandler,
}

shared::rpc_table! {
    impl MemberService for MemberServiceHandler {
        add_member(pb::AddMemberRequest) -> pb::Member = members;
        get_member(pb::GetMemberRequest) -> pb::Member = members;
        list_members(pb::ListMembersRequest) -> pb::ListMembersResponse = members;
        update_member(pb::UpdateMemberRequest) -> pb::Member = members;
        remove_member(pb::RemoveMemberRequest) -> pb::RemoveMemberResponse = members;
        leave_project(pb::LeaveProjectRequest) -> pb::LeaveProjectResponse = members;
        list_members_at(pb::ListMembersAtRequest) -> pb::ListMembersAtResponse = history;
        create_invitation(pb::CreateInvitationRequest) -> pb::Invitation = invitations;
        get_invitation(pb::GetInvitationRequest) -> pb::Invitation = invitations;
        list_invitations(pb::ListInvitationsRequest) -> pb::ListInvitationsResponse = invitations;
        resend_invitation(pb::ResendInvitationRequest) -> pb::Invitation = invitations;
        withdraw_invitation(pb::WithdrawInvitationRequest) -> pb::Invitation = invitations;
        accept_invitation(pb::AcceptInvitationRequest) -> pb::Invitation = invitations;
        decline_invitation(pb::DeclineInvitationRequest) -> pb::Invitation = invitations;
        offer_ownership(pb::OfferOwnershipRequest) -> pb::OwnershipTransfer = ownership;
        get_ownership_transfer(pb::GetOwnershipTransferRequest) -> pb::OwnershipTransfer = ownership;
        list_ownership_transfers(pb::ListOwnershipTransfersRequest) -> pb::ListOwnershipTransfersResponse = ownership;
        accept_ownership(pb::AcceptOwnershipRequest) -> pb::OwnershipTransfer = ownership;
        decline_ownership(pb::DeclineOwnershipRequest) -> pb::OwnershipTransfer = ownership;
        withdraw_ownership(pb::WithdrawOwnershipRequest) -> pb::OwnershipTransfer = ownership;
    }
}

shared::rpc_table! {
    impl ProjectService for ProjectServiceHandler {
        create_project(pb::CreateProjectRequest) -> pb::Project = projects;
        get_project(pb::GetProjectRequest) -> pb::Project = projects;
        list_projects(pb::ListProjectsRequest) -> pb::ListProjectsResponse = projects;
        update_project(pb::UpdateProjectRequest) -> pb::Project = projects;
        complete_project(pb::CompleteProjectRequest) -> pb::Project = projects;
        cancel_project(pb::CancelProjectRequest) -> pb::Project = projects;
        archive_project(pb::ArchiveProjectRequest) -> pb::Project = projects;
        reopen_project(pb::ReopenProjectRequest) -> pb::Project = projects;
        delete_project(pb::DeleteProjectRequest) -> pb::DeleteProjectResponse = projects;
        get_effective_permissions(pb::GetEffectivePermissionsRequest) -> pb::EffectivePermissions = projects;
        list_project_history(pb::ListProjectHistoryRequest) -> pb::ListProjectHistoryResponse = history;
        get_project_at(pb::GetProjectAtRequest) -> pb::Project = history;
        #[stream(WatchProjectStream)]
        watch_project(pb::WatchProjectRequest) -> pb::WatchProjectResponse = watch;
    }
}

shared::rpc_table! {
    impl ProjectAdminService for ProjectAdminServiceHandler {
        transfer_project(admin::TransferProjectRequest) -> pb::Project = transfer;
        list_orphaned_projects(admin::ListOrphanedProjectsRequest) -> admin::ListOrphanedProjectsResponse = orphans;
        #[stream(ImportProjectsStream)]
        import_projects(tonic::Streaming<admin::ImportProjectsRequest>) -> admin::ImportProjectsResponse = import;
        #[stream(ExportProjectsStream)]
        export_projects(admin::ExportProjectsRequest) -> admin::ExportProjectsResponse = export;
    }
}

shared::rpc_table! {
    impl AccessService for AccessServiceHandler {
        get_project_access(backend::GetProjectAccessRequest) -> backend::ProjectAccess;
        list_project_access(backend::ListProjectAccessRequest) -> backend::ListProjectAccessResponse;
        #[stream(WatchProjectAccessStream)]
        watch_project_access(backend::WatchProjectAccessRequest) -> backend::WatchProjectAccessResponse;
    }
}

shared::rpc_table! {
    impl InvitationService for InvitationServiceHandler {
        issue_invitation(backend::IssueInvitationRequest) -> backend::IssueInvitationResponse;
        erase_invitee(backend::EraseInviteeRequest) -> backend::EraseInviteeResponse;
    }
}

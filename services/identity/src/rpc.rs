//! Maps the methods of the API to the handler.

use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::security_admin_service_server::{
    SecurityAdminService, SecurityAdminServiceServer,
};
use proto::identity::admin::v1::user_admin_service_server::{UserAdminService, UserAdminServiceServer};
use proto::identity::backend::v1 as backend;
use proto::identity::backend::v1::account_code_service_server::{
    AccountCodeService, AccountCodeServiceServer,
};
use proto::identity::backend::v1::session_service_server::{SessionService, SessionServiceServer};
use proto::identity::backend::v1::user_lookup_service_server::{UserLookupService, UserLookupServiceServer};
use proto::identity::v1 as pb;
use proto::identity::v1::account_service_server::{AccountService, AccountServiceServer};
use proto::identity::v1::auth_service_server::{AuthService, AuthServiceServer};
use proto::identity::v1::user_service_server::{UserService, UserServiceServer};
use tonic::service::Routes;

use crate::handler::IdentityHandler;

/// The servers of all services of this crate.
pub(crate) fn routes(handler: &IdentityHandler) -> Routes {
    shared::routes![
        handler => AuthServiceServer, AccountServiceServer, UserServiceServer, UserAdminServiceServer,
        SecurityAdminServiceServer, AccountCodeServiceServer, SessionServiceServer, UserLookupServiceServer,
    ]
}

shared::rpc_table! {
    impl AccountService for IdentityHandler {
        get_user(pb::GetUserRequest) -> pb::User;
        update_user(pb::UpdateUserRequest) -> pb::User;
        get_user_profile(pb::GetUserProfileRequest) -> pb::UserProfile;
        update_user_profile(pb::UpdateUserProfileRequest) -> pb::UserProfile;
        request_email_verification(pb::RequestEmailVerificationRequest) -> pb::RequestEmailVerificationResponse;
        verify_email(pb::VerifyEmailRequest) -> pb::VerifyEmailResponse;
        request_email_change(pb::RequestEmailChangeRequest) -> pb::RequestEmailChangeResponse;
        confirm_email_change(pb::ConfirmEmailChangeRequest) -> pb::ConfirmEmailChangeResponse;
        change_password(pb::ChangePasswordRequest) -> pb::ChangePasswordResponse;
        get_second_factor(pb::GetSecondFactorRequest) -> pb::SecondFactor;
        begin_second_factor(pb::BeginSecondFactorRequest) -> pb::BeginSecondFactorResponse;
        confirm_second_factor(pb::ConfirmSecondFactorRequest) -> pb::RecoveryCodes;
        create_recovery_codes(pb::CreateRecoveryCodesRequest) -> pb::RecoveryCodes;
        remove_second_factor(pb::RemoveSecondFactorRequest) -> pb::SecondFactor;
        list_sessions(pb::ListSessionsRequest) -> pb::ListSessionsResponse;
        revoke_session(pb::RevokeSessionRequest) -> pb::Session;
        revoke_other_sessions(pb::RevokeOtherSessionsRequest) -> pb::RevokeOtherSessionsResponse;
        revoke_all_sessions(pb::RevokeAllSessionsRequest) -> pb::RevokeAllSessionsResponse;
        create_api_token(pb::CreateApiTokenRequest) -> pb::CreateApiTokenResponse;
        get_api_token(pb::GetApiTokenRequest) -> pb::ApiToken;
        list_api_tokens(pb::ListApiTokensRequest) -> pb::ListApiTokensResponse;
        revoke_api_token(pb::RevokeApiTokenRequest) -> pb::ApiToken;
        list_security_events(pb::ListSecurityEventsRequest) -> pb::ListSecurityEventsResponse;
        delete_account(pb::DeleteAccountRequest) -> pb::DeleteAccountResponse;
        #[stream(ExportAccountStream)]
        export_account(pb::ExportAccountRequest) -> pb::UserRecord;
    }
}

shared::rpc_table! {
    impl AuthService for IdentityHandler {
        begin_sign_up(pb::BeginSignUpRequest) -> pb::BeginSignUpResponse;
        complete_sign_up(pb::CompleteSignUpRequest) -> pb::LoginResponse;
        register(pb::RegisterRequest) -> pb::LoginResponse;
        login(pb::LoginRequest) -> pb::LoginResponse;
        complete_login(pb::CompleteLoginRequest) -> pb::SessionGrant;
        refresh_session(pb::RefreshSessionRequest) -> pb::SessionGrant;
        logout(pb::LogoutRequest) -> pb::LogoutResponse;
        who_am_i(pb::WhoAmIRequest) -> pb::WhoAmIResponse;
        request_password_reset(pb::RequestPasswordResetRequest) -> pb::RequestPasswordResetResponse;
        reset_password(pb::ResetPasswordRequest) -> pb::ResetPasswordResponse;
    }
}

shared::rpc_table! {
    impl UserService for IdentityHandler {
        lookup_user(pb::LookupUserRequest) -> pb::UserSummary;
        batch_get_users(pb::BatchGetUsersRequest) -> pb::BatchGetUsersResponse;
    }
}

shared::rpc_table! {
    impl SecurityAdminService for IdentityHandler {
        list_security_events(admin::ListSecurityEventsRequest) -> admin::ListSecurityEventsResponse = list_all_security_events;
        #[stream(RotateKeysStream)]
        rotate_keys(admin::RotateKeysRequest) -> admin::RotateKeysResponse;
    }
}

shared::rpc_table! {
    impl UserAdminService for IdentityHandler {
        get_user(admin::GetUserRequest) -> pb::User = get_any_user;
        list_users(admin::ListUsersRequest) -> admin::ListUsersResponse;
        suspend_user(admin::SuspendUserRequest) -> pb::User;
        reactivate_user(admin::ReactivateUserRequest) -> pb::User;
        delete_user(admin::DeleteUserRequest) -> pb::User;
        erase_user(admin::EraseUserRequest) -> pb::User;
        #[stream(ExportUserStream)]
        export_user(admin::ExportUserRequest) -> pb::UserRecord;
        remove_user_second_factor(admin::RemoveUserSecondFactorRequest) -> admin::RemoveUserSecondFactorResponse;
        #[stream(ImportUsersStream)]
        import_users(tonic::Streaming<admin::ImportUsersRequest>) -> admin::ImportUsersResponse;
        #[stream(ExportUsersStream)]
        export_users(admin::ExportUsersRequest) -> admin::ExportUsersResponse;
    }
}

shared::rpc_table! {
    impl AccountCodeService for IdentityHandler {
        create_email_verification_code(backend::CreateEmailVerificationCodeRequest) -> backend::AccountCode;
        create_password_reset_code(backend::CreatePasswordResetCodeRequest) -> backend::AccountCode;
        create_email_change_code(backend::CreateEmailChangeCodeRequest) -> backend::AccountCode;
        create_sign_up_code(backend::CreateSignUpCodeRequest) -> backend::AccountCode;
    }
}

shared::rpc_table! {
    impl SessionService for IdentityHandler {
        resolve_session(backend::ResolveSessionRequest) -> backend::ResolvedSession;
        report_seen_sessions(backend::ReportSeenSessionsRequest) -> backend::ReportSeenSessionsResponse;
    }
}

shared::rpc_table! {
    impl UserLookupService for IdentityHandler {
        resolve_users(backend::ResolveUsersRequest) -> backend::ResolveUsersResponse;
        resolve_usernames(backend::ResolveUsernamesRequest) -> backend::ResolveUsernamesResponse;
        resolve_emails(backend::ResolveEmailsRequest) -> backend::ResolveEmailsResponse;
    }
}

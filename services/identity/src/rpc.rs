//! Which method of the API is answered where.

use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::security_admin_service_server::SecurityAdminService;
use proto::identity::admin::v1::user_admin_service_server::UserAdminService;
use proto::identity::backend::v1 as backend;
use proto::identity::backend::v1::account_code_service_server::AccountCodeService;
use proto::identity::backend::v1::session_service_server::SessionService;
use proto::identity::backend::v1::user_lookup_service_server::UserLookupService;
use proto::identity::v1 as pb;
use proto::identity::v1::account_service_server::AccountService;
use proto::identity::v1::auth_service_server::AuthService;
use proto::identity::v1::user_service_server::UserService;

use crate::accounts::rpc::AccountApi;
use crate::api_tokens::rpc::ApiTokenApi;
use crate::audit::rpc::OperatorAuditApi;
use crate::audit::rpc::SecurityEventApi;
use crate::auth::rpc::AuthApi;
use crate::auth::sign_up::SignUpApi;
use crate::codes::rpc::AccountCodeApi;
use crate::encryption::rpc::KeyApi;
use crate::second_factor::operator::SecondFactorAdminApi;
use crate::second_factor::rpc::SecondFactorApi;
use crate::sessions::resolver::SessionResolver;
use crate::sessions::rpc::SessionApi;
use crate::user_administration::rpc::UserAdministrationApi;
use crate::users::export::ExportApi;
use crate::users::import::ImportApi;
use crate::users::lookup::Directory;
use crate::users::rpc::UserApi;

/// Implements `AccountService`.
pub(crate) struct AccountHandler {
    pub(crate) users: UserApi,
    pub(crate) accounts: AccountApi,
    pub(crate) second_factor: SecondFactorApi,
    pub(crate) sessions: SessionApi,
    pub(crate) api_tokens: ApiTokenApi,
    pub(crate) audit: SecurityEventApi,
}

/// Implements `AuthService`.
pub(crate) struct AuthHandler {
    pub(crate) sign_up: SignUpApi,
    pub(crate) auth: AuthApi,
    pub(crate) accounts: AccountApi,
}

/// Implements `SecurityAdminService`.
pub(crate) struct SecurityAdminHandler {
    pub(crate) audit: OperatorAuditApi,
    pub(crate) encryption: KeyApi,
}

/// Implements `UserAdminService`.
pub(crate) struct UserAdminHandler {
    pub(crate) user_administration: UserAdministrationApi,
    pub(crate) operator: SecondFactorAdminApi,
    pub(crate) importing: ImportApi,
    pub(crate) exporting: ExportApi,
}

shared::rpc_table! {
    impl AccountService for AccountHandler {
        get_user(pb::GetUserRequest) -> pb::User = users;
        update_user(pb::UpdateUserRequest) -> pb::User = users;
        get_user_profile(pb::GetUserProfileRequest) -> pb::UserProfile = users;
        update_user_profile(pb::UpdateUserProfileRequest) -> pb::UserProfile = users;
        request_email_verification(pb::RequestEmailVerificationRequest) -> pb::RequestEmailVerificationResponse = accounts;
        verify_email(pb::VerifyEmailRequest) -> pb::VerifyEmailResponse = accounts;
        request_email_change(pb::RequestEmailChangeRequest) -> pb::RequestEmailChangeResponse = accounts;
        confirm_email_change(pb::ConfirmEmailChangeRequest) -> pb::ConfirmEmailChangeResponse = accounts;
        change_password(pb::ChangePasswordRequest) -> pb::ChangePasswordResponse = accounts;
        get_second_factor(pb::GetSecondFactorRequest) -> pb::SecondFactor = second_factor;
        begin_second_factor(pb::BeginSecondFactorRequest) -> pb::BeginSecondFactorResponse = second_factor;
        confirm_second_factor(pb::ConfirmSecondFactorRequest) -> pb::RecoveryCodes = second_factor;
        create_recovery_codes(pb::CreateRecoveryCodesRequest) -> pb::RecoveryCodes = second_factor;
        remove_second_factor(pb::RemoveSecondFactorRequest) -> pb::SecondFactor = second_factor;
        list_sessions(pb::ListSessionsRequest) -> pb::ListSessionsResponse = sessions;
        revoke_session(pb::RevokeSessionRequest) -> pb::Session = sessions;
        revoke_other_sessions(pb::RevokeOtherSessionsRequest) -> pb::RevokeOtherSessionsResponse = sessions;
        revoke_all_sessions(pb::RevokeAllSessionsRequest) -> pb::RevokeAllSessionsResponse = sessions;
        create_api_token(pb::CreateApiTokenRequest) -> pb::CreateApiTokenResponse = api_tokens;
        get_api_token(pb::GetApiTokenRequest) -> pb::ApiToken = api_tokens;
        list_api_tokens(pb::ListApiTokensRequest) -> pb::ListApiTokensResponse = api_tokens;
        revoke_api_token(pb::RevokeApiTokenRequest) -> pb::ApiToken = api_tokens;
        list_security_events(pb::ListSecurityEventsRequest) -> pb::ListSecurityEventsResponse = audit;
        delete_account(pb::DeleteAccountRequest) -> pb::DeleteAccountResponse = accounts;
        #[stream(ExportAccountStream)]
        export_account(pb::ExportAccountRequest) -> pb::UserRecord = accounts;
    }
}

shared::rpc_table! {
    impl AuthService for AuthHandler {
        begin_sign_up(pb::BeginSignUpRequest) -> pb::BeginSignUpResponse = sign_up;
        complete_sign_up(pb::CompleteSignUpRequest) -> pb::LoginResponse = sign_up;
        register(pb::RegisterRequest) -> pb::LoginResponse = auth;
        login(pb::LoginRequest) -> pb::LoginResponse = auth;
        complete_login(pb::CompleteLoginRequest) -> pb::LoginResponse = auth;
        refresh_session(pb::RefreshSessionRequest) -> pb::LoginResponse = auth;
        logout(pb::LogoutRequest) -> pb::LogoutResponse = auth;
        who_am_i(pb::WhoAmIRequest) -> pb::WhoAmIResponse = auth;
        request_password_reset(pb::RequestPasswordResetRequest) -> pb::RequestPasswordResetResponse = accounts;
        reset_password(pb::ResetPasswordRequest) -> pb::ResetPasswordResponse = accounts;
    }
}

shared::rpc_table! {
    impl UserService for UserApi {
        lookup_user(pb::LookupUserRequest) -> pb::UserSummary;
        batch_get_users(pb::BatchGetUsersRequest) -> pb::BatchGetUsersResponse;
    }
}

shared::rpc_table! {
    impl SecurityAdminService for SecurityAdminHandler {
        list_security_events(admin::ListSecurityEventsRequest) -> admin::ListSecurityEventsResponse = audit;
        #[stream(RotateKeysStream)]
        rotate_keys(admin::RotateKeysRequest) -> admin::RotateKeysResponse = encryption;
    }
}

shared::rpc_table! {
    impl UserAdminService for UserAdminHandler {
        list_users(admin::ListUsersRequest) -> admin::ListUsersResponse = user_administration;
        suspend_user(admin::SuspendUserRequest) -> pb::User = user_administration;
        reactivate_user(admin::ReactivateUserRequest) -> pb::User = user_administration;
        delete_user(admin::DeleteUserRequest) -> pb::User = user_administration;
        erase_user(admin::EraseUserRequest) -> pb::User = user_administration;
        #[stream(ExportUserStream)]
        export_user(admin::ExportUserRequest) -> pb::UserRecord = user_administration;
        remove_user_second_factor(admin::RemoveUserSecondFactorRequest) -> admin::RemoveUserSecondFactorResponse = operator;
        #[stream(ImportUsersStream)]
        import_users(tonic::Streaming<admin::ImportUsersRequest>) -> admin::ImportUsersResponse = importing;
        #[stream(ExportUsersStream)]
        export_users(admin::ExportUsersRequest) -> admin::ExportUsersResponse = exporting;
    }
}

shared::rpc_table! {
    impl AccountCodeService for AccountCodeApi {
        create_email_verification_code(backend::CreateEmailVerificationCodeRequest) -> backend::AccountCode;
        create_password_reset_code(backend::CreatePasswordResetCodeRequest) -> backend::AccountCode;
        create_email_change_code(backend::CreateEmailChangeCodeRequest) -> backend::AccountCode;
        create_sign_up_code(backend::CreateSignUpCodeRequest) -> backend::AccountCode;
    }
}

shared::rpc_table! {
    impl SessionService for SessionResolver {
        resolve_session(backend::ResolveSessionRequest) -> backend::ResolvedSession;
        report_seen_sessions(backend::ReportSeenSessionsRequest) -> backend::ReportSeenSessionsResponse;
    }
}

shared::rpc_table! {
    impl UserLookupService for Directory {
        resolve_users(backend::ResolveUsersRequest) -> backend::ResolveUsersResponse;
    }
}

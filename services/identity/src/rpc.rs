//! Which handler answers which method.

use std::sync::Arc;

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
use shared::server::MAX_MESSAGE_BYTES as MAX;
use tonic::service::Routes;

use crate::accounts::OwnAccountHandler;
use crate::api_tokens::ApiTokenHandler;
use crate::audit::{SecurityEventAdminHandler, SecurityEventHandler};
use crate::auth::{LoginHandler, RefreshHandler, SignUpHandler};
use crate::codes::AccountCodeHandler;
use crate::encryption::KeyHandler;
use crate::identity::Identity;
use crate::profiles::ProfileHandler;
use crate::second_factor::{SecondFactorAdminHandler, SecondFactorHandler};
use crate::sessions::{BackendSessionHandler, SessionHandler};
use crate::user_administration::AccountAdminHandler;
use crate::users::{UserExportHandler, UserHandler, UserImportHandler, UserLookupHandler};

/// All methods of this service.
pub(crate) fn routes(identity: &Arc<Identity>) -> Routes {
    let auth = AuthHandler::new(identity);
    let account = AccountHandler::new(identity);
    let users = UserHandler(identity.clone());
    let user_admin = UserAdminHandler::new(identity);
    let security_admin = SecurityAdminHandler::new(identity);
    let codes = AccountCodeHandler(identity.clone());
    let sessions = BackendSessionHandler(identity.clone());
    let lookup = UserLookupHandler(identity.clone());
    Routes::new(AuthServiceServer::new(auth).max_decoding_message_size(MAX))
        .add_service(AccountServiceServer::new(account).max_decoding_message_size(MAX))
        .add_service(UserServiceServer::new(users).max_decoding_message_size(MAX))
        .add_service(UserAdminServiceServer::new(user_admin).max_decoding_message_size(MAX))
        .add_service(SecurityAdminServiceServer::new(security_admin).max_decoding_message_size(MAX))
        .add_service(AccountCodeServiceServer::new(codes).max_decoding_message_size(MAX))
        .add_service(SessionServiceServer::new(sessions).max_decoding_message_size(MAX))
        .add_service(UserLookupServiceServer::new(lookup).max_decoding_message_size(MAX))
}

/// Implements `AuthService`.
struct AuthHandler {
    sign_up: SignUpHandler,
    login: LoginHandler,
    refresh: RefreshHandler,
    account: OwnAccountHandler,
}

impl AuthHandler {
    fn new(identity: &Arc<Identity>) -> Self {
        Self {
            sign_up: SignUpHandler(identity.clone()),
            login: LoginHandler(identity.clone()),
            refresh: RefreshHandler::new(identity.clone()),
            account: OwnAccountHandler(identity.clone()),
        }
    }
}

/// Implements `AccountService`.
struct AccountHandler {
    users: UserHandler,
    profiles: ProfileHandler,
    account: OwnAccountHandler,
    second_factor: SecondFactorHandler,
    sessions: SessionHandler,
    api_tokens: ApiTokenHandler,
    security_events: SecurityEventHandler,
}

impl AccountHandler {
    fn new(identity: &Arc<Identity>) -> Self {
        Self {
            users: UserHandler(identity.clone()),
            profiles: ProfileHandler(identity.clone()),
            account: OwnAccountHandler(identity.clone()),
            second_factor: SecondFactorHandler::new(identity.clone()),
            sessions: SessionHandler(identity.clone()),
            api_tokens: ApiTokenHandler::new(identity.clone()),
            security_events: SecurityEventHandler(identity.clone()),
        }
    }
}

/// Implements `UserAdminService`.
struct UserAdminHandler {
    accounts: AccountAdminHandler,
    second_factor: SecondFactorAdminHandler,
    import: UserImportHandler,
    export: UserExportHandler,
}

impl UserAdminHandler {
    fn new(identity: &Arc<Identity>) -> Self {
        Self {
            accounts: AccountAdminHandler(identity.clone()),
            second_factor: SecondFactorAdminHandler(identity.clone()),
            import: UserImportHandler(identity.clone()),
            export: UserExportHandler::new(identity.clone()),
        }
    }
}

/// Implements `SecurityAdminService`.
struct SecurityAdminHandler {
    security_events: SecurityEventAdminHandler,
    keys: KeyHandler,
}

impl SecurityAdminHandler {
    fn new(identity: &Arc<Identity>) -> Self {
        Self {
            security_events: SecurityEventAdminHandler(identity.clone()),
            keys: KeyHandler(identity.clone()),
        }
    }
}

shared::rpc_table! {
    impl AccountService for AccountHandler {
        get_user(pb::GetUserRequest) -> pb::User = users;
        update_user(pb::UpdateUserRequest) -> pb::User = users;
        get_user_profile(pb::GetUserProfileRequest) -> pb::UserProfile = profiles;
        update_user_profile(pb::UpdateUserProfileRequest) -> pb::UserProfile = profiles;
        request_email_verification(pb::RequestEmailVerificationRequest) -> pb::RequestEmailVerificationResponse = account;
        verify_email(pb::VerifyEmailRequest) -> pb::VerifyEmailResponse = account;
        request_email_change(pb::RequestEmailChangeRequest) -> pb::RequestEmailChangeResponse = account;
        confirm_email_change(pb::ConfirmEmailChangeRequest) -> pb::ConfirmEmailChangeResponse = account;
        change_password(pb::ChangePasswordRequest) -> pb::ChangePasswordResponse = account;
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
        list_security_events(pb::ListSecurityEventsRequest) -> pb::ListSecurityEventsResponse = security_events;
        delete_account(pb::DeleteAccountRequest) -> pb::DeleteAccountResponse = account;
        #[stream(ExportAccountStream)]
        export_account(pb::ExportAccountRequest) -> pb::UserRecord = account;
    }
}

shared::rpc_table! {
    impl AuthService for AuthHandler {
        begin_sign_up(pb::BeginSignUpRequest) -> pb::BeginSignUpResponse = sign_up;
        complete_sign_up(pb::CompleteSignUpRequest) -> pb::LoginResponse = sign_up;
        register(pb::RegisterRequest) -> pb::LoginResponse = login;
        login(pb::LoginRequest) -> pb::LoginResponse = login;
        complete_login(pb::CompleteLoginRequest) -> pb::LoginResponse = login;
        refresh_session(pb::RefreshSessionRequest) -> pb::LoginResponse = refresh;
        logout(pb::LogoutRequest) -> pb::LogoutResponse = login;
        who_am_i(pb::WhoAmIRequest) -> pb::WhoAmIResponse = login;
        request_password_reset(pb::RequestPasswordResetRequest) -> pb::RequestPasswordResetResponse = account;
        reset_password(pb::ResetPasswordRequest) -> pb::ResetPasswordResponse = account;
    }
}

shared::rpc_table! {
    impl UserService for UserHandler {
        lookup_user(pb::LookupUserRequest) -> pb::UserSummary;
        batch_get_users(pb::BatchGetUsersRequest) -> pb::BatchGetUsersResponse;
    }
}

shared::rpc_table! {
    impl SecurityAdminService for SecurityAdminHandler {
        list_security_events(admin::ListSecurityEventsRequest) -> admin::ListSecurityEventsResponse = security_events;
        #[stream(RotateKeysStream)]
        rotate_keys(admin::RotateKeysRequest) -> admin::RotateKeysResponse = keys;
    }
}

shared::rpc_table! {
    impl UserAdminService for UserAdminHandler {
        list_users(admin::ListUsersRequest) -> admin::ListUsersResponse = accounts;
        suspend_user(admin::SuspendUserRequest) -> pb::User = accounts;
        reactivate_user(admin::ReactivateUserRequest) -> pb::User = accounts;
        delete_user(admin::DeleteUserRequest) -> pb::User = accounts;
        erase_user(admin::EraseUserRequest) -> pb::User = accounts;
        #[stream(ExportUserStream)]
        export_user(admin::ExportUserRequest) -> pb::UserRecord = accounts;
        remove_user_second_factor(admin::RemoveUserSecondFactorRequest) -> admin::RemoveUserSecondFactorResponse = second_factor;
        #[stream(ImportUsersStream)]
        import_users(tonic::Streaming<admin::ImportUsersRequest>) -> admin::ImportUsersResponse = import;
        #[stream(ExportUsersStream)]
        export_users(admin::ExportUsersRequest) -> admin::ExportUsersResponse = export;
    }
}

shared::rpc_table! {
    impl AccountCodeService for AccountCodeHandler {
        create_email_verification_code(backend::CreateEmailVerificationCodeRequest) -> backend::AccountCode;
        create_password_reset_code(backend::CreatePasswordResetCodeRequest) -> backend::AccountCode;
        create_email_change_code(backend::CreateEmailChangeCodeRequest) -> backend::AccountCode;
        create_sign_up_code(backend::CreateSignUpCodeRequest) -> backend::AccountCode;
    }
}

shared::rpc_table! {
    impl SessionService for BackendSessionHandler {
        resolve_session(backend::ResolveSessionRequest) -> backend::ResolvedSession;
        report_seen_sessions(backend::ReportSeenSessionsRequest) -> backend::ReportSeenSessionsResponse;
    }
}

shared::rpc_table! {
    impl UserLookupService for UserLookupHandler {
        resolve_users(backend::ResolveUsersRequest) -> backend::ResolveUsersResponse;
    }
}

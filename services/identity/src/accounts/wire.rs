//! Conversions of requests about the caller's own account.

use proto::identity::v1 as pb;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::validation::Violations;

use super::{ChangeEmailInput, ChangePasswordInput, ResetPasswordInput};
use crate::codes::RedeemInput;
use crate::encryption::{AssociatedData, FIRST_NAME, KeyRing, LAST_NAME};
use crate::passwords::{self, OwnWords};
use crate::users::User;

impl TryFrom<pb::VerifyEmailRequest> for RedeemInput {
    type Error = Error;

    fn try_from(request: pb::VerifyEmailRequest) -> Result<Self> {
        let mut v = Violations::new();
        let input = Self::of(&mut v, &request.request_id, request.code);
        v.finish()?;
        Ok(input)
    }
}

impl TryFrom<pb::ConfirmEmailChangeRequest> for RedeemInput {
    type Error = Error;

    fn try_from(request: pb::ConfirmEmailChangeRequest) -> Result<Self> {
        let mut v = Violations::new();
        let input = Self::of(&mut v, &request.request_id, request.code);
        v.finish()?;
        Ok(input)
    }
}

impl TryFrom<pb::ResetPasswordRequest> for ResetPasswordInput {
    type Error = Error;

    /// The names of the account, of which the password must not be made, are known only after the code was checked.
    fn try_from(request: pb::ResetPasswordRequest) -> Result<Self> {
        let mut v = Violations::new();
        let redeem = RedeemInput::of(&mut v, &request.request_id, request.code);
        passwords::check_new(&mut v, "new_password", &request.new_password, &OwnWords::default());
        v.finish()?;
        Ok(Self { redeem, new_password: request.new_password })
    }
}

impl ChangePasswordInput {
    /// `own` are the words of the account.
    pub(super) fn parse(mut request: pb::ChangePasswordRequest, own: &OwnWords) -> Result<Self> {
        let mut v = Violations::new();
        let (old_password, new_password) =
            (std::mem::take(&mut request.old_password), std::mem::take(&mut request.new_password));
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let old_password = passwords::check_given(&mut v, "old_password", old_password);
        passwords::check_new(&mut v, "new_password", &new_password, own);
        v.finish()?;
        Ok(Self { key, old_password, new_password, revoke_api_tokens: request.revoke_api_tokens })
    }
}

impl ChangeEmailInput {
    /// `present` is the address of the account.
    pub(super) fn parse(request: pb::RequestEmailChangeRequest, present: &str) -> Result<Self> {
        let mut v = Violations::new();
        let password = passwords::check_given(&mut v, "password", request.password);
        let new_email = v.email("new_email", &request.new_email);
        v.require(new_email != present, "new_email", "must not be the present address");
        v.finish()?;
        Ok(Self { password, new_email })
    }
}

/// The words of an account that its password must not be made of.
pub(super) fn own_words(user: &User, keys: &KeyRing) -> Result<OwnWords> {
    let first = keys.decrypt_optional(AssociatedData::new(FIRST_NAME, user.id), user.first_name.as_ref())?;
    let last = keys.decrypt_optional(AssociatedData::new(LAST_NAME, user.id), user.last_name.as_ref())?;
    let names = [&first, &last].into_iter().flatten().map(String::as_str);
    Ok(OwnWords::new([user.username.as_str(), &user.email].into_iter().chain(names)))
}

/// The password that confirms a deletion.
pub(super) fn parse_delete_account(request: pb::DeleteAccountRequest) -> Result<String> {
    let mut v = Violations::new();
    let password = passwords::check_given(&mut v, "password", request.password);
    v.finish()?;
    Ok(password)
}

pub(super) fn parse_password_reset(request: &pb::RequestPasswordResetRequest) -> Result<String> {
    let mut v = Violations::new();
    let email = v.email("email", &request.email);
    v.finish()?;
    Ok(email)
}

/// Rejects a password that is made of the account's own words.
pub(super) fn check_new_password(password: &str, own: &OwnWords) -> Result<()> {
    let mut v = Violations::new();
    passwords::check_new(&mut v, "new_password", password, own);
    v.finish()
}

//! Wishes of users for their own accounts, on the wire.

use proto::identity::v1 as pb;
use shared::error::{Error, Result};
use shared::validation::Violations;

use super::{EmailChange, PasswordChange, Reset};
use crate::codes::Redemption;
use crate::encryption::{FIRST_NAME, KeyRing, LAST_NAME, Place};
use crate::passwords::{self, OwnWords};
use crate::users::User;

impl TryFrom<pb::VerifyEmailRequest> for Redemption {
    type Error = Error;

    fn try_from(request: pb::VerifyEmailRequest) -> Result<Self> {
        let mut v = Violations::new();
        let redemption = Self::of(&mut v, &request.request_id, request.code);
        v.finish()?;
        Ok(redemption)
    }
}

impl TryFrom<pb::ConfirmEmailChangeRequest> for Redemption {
    type Error = Error;

    fn try_from(request: pb::ConfirmEmailChangeRequest) -> Result<Self> {
        let mut v = Violations::new();
        let redemption = Self::of(&mut v, &request.request_id, request.code);
        v.finish()?;
        Ok(redemption)
    }
}

impl TryFrom<pb::ResetPasswordRequest> for Reset {
    type Error = Error;

    /// Whose name the password must not be made of is known when the code has been looked at.
    fn try_from(request: pb::ResetPasswordRequest) -> Result<Self> {
        let mut v = Violations::new();
        let redemption = Redemption::of(&mut v, &request.request_id, request.code);
        passwords::check_new(&mut v, "new_password", &request.new_password, &OwnWords::default());
        v.finish()?;
        Ok(Self { redemption, new_password: request.new_password })
    }
}

impl PasswordChange {
    /// For the account with these words.
    pub(super) fn of(request: pb::ChangePasswordRequest, own: &OwnWords) -> Result<Self> {
        let mut v = Violations::new();
        let old_password = passwords::check_given(&mut v, "old_password", request.old_password);
        passwords::check_new(&mut v, "new_password", &request.new_password, own);
        v.finish()?;
        Ok(Self { old_password, new_password: request.new_password })
    }
}

impl EmailChange {
    /// For the account with this address.
    pub(super) fn of(request: pb::RequestEmailChangeRequest, present: &str) -> Result<Self> {
        let mut v = Violations::new();
        let password = passwords::check_given(&mut v, "password", request.password);
        let new_email = v.email("new_email", &request.new_email);
        v.require(new_email != present, "new_email", "must not be the present address");
        v.finish()?;
        Ok(Self { password, new_email })
    }
}

/// The words of an account that its password must not be made of.
pub(super) fn words_of(user: &User, keys: &KeyRing) -> Result<OwnWords> {
    let first = keys.open_some(Place::of(FIRST_NAME, user.id), user.first_name.as_ref())?;
    let last = keys.open_some(Place::of(LAST_NAME, user.id), user.last_name.as_ref())?;
    let names = [&first, &last].into_iter().flatten().map(String::as_str);
    Ok(OwnWords::of([user.username.as_str(), &user.email].into_iter().chain(names)))
}

/// The password that confirms a deletion.
pub(super) fn confirmation(request: pb::DeleteAccountRequest) -> Result<String> {
    let mut v = Violations::new();
    let password = passwords::check_given(&mut v, "password", request.password);
    v.finish()?;
    Ok(password)
}

/// The address of the account whose password was forgotten.
pub(super) fn forgetful(request: &pb::RequestPasswordResetRequest) -> Result<String> {
    let mut v = Violations::new();
    let email = v.email("email", &request.email);
    v.finish()?;
    Ok(email)
}

/// Refuses a password that is made of the account's own words.
pub(super) fn check_words(password: &str, own: &OwnWords) -> Result<()> {
    let mut v = Violations::new();
    passwords::check_new(&mut v, "new_password", password, own);
    v.finish()
}

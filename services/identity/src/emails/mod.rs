//! The texts that this service mails. A code stands on a line of its own, behind four blanks.

mod texts;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::error::{Error, Result};
use shared::mail::{Mail, QueuedMail};
use uuid::Uuid;

use crate::codes::{Codes, Purpose};

/// With a code that proves the account's address.
pub const VERIFY_EMAIL: &str = "verify_email";
/// With a code to reset the password.
pub const RESET_PASSWORD: &str = "reset_password";
/// With a code that proves a new address.
pub const CHANGE_EMAIL: &str = "change_email";
/// With a code to sign up.
pub const SIGN_UP: &str = "sign_up";
/// To an address that somebody wants for another account.
const ADDRESS_TAKEN: &str = "address_taken";
const EMAIL_CHANGE_ASKED: &str = "email_change_asked";
const EMAIL_CHANGED: &str = "email_changed";
const PASSWORD_CHANGED: &str = "password_changed";
/// Tells that signing in now takes a second factor.
pub const SECOND_FACTOR_ENABLED: &str = "second_factor_on";
/// Tells that a password is enough again.
pub const SECOND_FACTOR_NOT_ENABLED: &str = "second_factor_off";
/// The same, by an operator.
pub const SECOND_FACTOR_REMOVED: &str = "second_factor_removed";
/// Tells that former recovery codes no longer work.
pub const RECOVERY_CODES: &str = "recovery_codes";
const ACCOUNT_DELETED: &str = "account_deleted";

/// How long what only tells of something is of use.
const NEWS_LIFE: TimeDelta = TimeDelta::days(3);

/// A letter without a code.
fn news(kind: &str, user_id: Uuid, recipient: &str, parameters: Value, now: DateTime<Utc>) -> QueuedMail {
    QueuedMail {
        id: Uuid::now_v7(),
        kind: kind.to_owned(),
        recipient: recipient.to_owned(),
        entity_id: user_id,
        parameters,
        expires_at: now + NEWS_LIFE,
    }
}

/// Tells the present address that another is to take its place.
pub fn email_change_asked(user_id: Uuid, present: &str, now: DateTime<Utc>) -> QueuedMail {
    news(EMAIL_CHANGE_ASKED, user_id, present, json!({}), now)
}

/// Tells one of the two addresses that one took the place of the other.
pub fn email_changed(user_id: Uuid, recipient: &str, new: &str, now: DateTime<Utc>) -> QueuedMail {
    news(EMAIL_CHANGED, user_id, recipient, json!({ "email": new }), now)
}

/// Tells that another password holds.
pub fn password_changed(user_id: Uuid, recipient: &str, now: DateTime<Utc>) -> QueuedMail {
    news(PASSWORD_CHANGED, user_id, recipient, json!({}), now)
}

/// Tells what became of the second factor: the kind is one of the four above.
pub fn second_factor(kind: &'static str, user_id: Uuid, recipient: &str, now: DateTime<Utc>) -> QueuedMail {
    news(kind, user_id, recipient, json!({}), now)
}

/// Tells that the account is deleted.
pub fn account_deleted(user_id: Uuid, recipient: &str, now: DateTime<Utc>) -> QueuedMail {
    news(ACCOUNT_DELETED, user_id, recipient, json!({}), now)
}

/// Writes a queued mail. A letter with a code has the code's id.
///
/// # Errors
/// When its kind is unknown, or its address is none.
pub fn write(codes: &Codes, queued: &QueuedMail) -> Result<Mail> {
    let code = |purpose| codes.code(purpose, queued.id);
    let email = queued.parameters.get("email").and_then(Value::as_str).unwrap_or_default();
    let (subject, text) = match queued.kind.as_str() {
        VERIFY_EMAIL => texts::verify_email(&code(Purpose::VerifyEmail)),
        RESET_PASSWORD => texts::reset_password(&code(Purpose::ResetPassword)),
        CHANGE_EMAIL => texts::change_email(&code(Purpose::ChangeEmail)),
        SIGN_UP => texts::sign_up(&code(Purpose::SignUp)),
        ADDRESS_TAKEN => texts::address_taken(),
        EMAIL_CHANGE_ASKED => texts::email_change_asked(),
        EMAIL_CHANGED => texts::email_changed(email),
        PASSWORD_CHANGED => texts::password_changed(),
        SECOND_FACTOR_ENABLED => texts::second_factor_on(),
        SECOND_FACTOR_NOT_ENABLED => texts::second_factor_off(),
        SECOND_FACTOR_REMOVED => texts::second_factor_removed(),
        RECOVERY_CODES => texts::recovery_codes(),
        ACCOUNT_DELETED => texts::account_deleted(),
        kind => return Err(Error::internal(format!("there is no mail of the kind `{kind}`"))),
    };
    Mail::new(queued.id, &queued.recipient, subject, text)
}

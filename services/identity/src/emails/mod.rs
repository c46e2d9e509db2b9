//! The emails of this service. A code stands on a line of its own, indented by four blanks.

mod texts;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::error::{Error, Result};
use shared::mail::{Mail, QueuedMail, plain_words};
use uuid::Uuid;

use crate::api_tokens::ApiToken;
use crate::codes::{Codes, Purpose};

const VERIFY_EMAIL: &str = Purpose::VerifyEmail.name();
const RESET_PASSWORD: &str = Purpose::ResetPassword.name();
const CHANGE_EMAIL: &str = Purpose::ChangeEmail.name();
const SIGN_UP: &str = Purpose::SignUp.name();
/// To the owner of an address that somebody else wants to use.
const ADDRESS_TAKEN: &str = "address_taken";
const EMAIL_CHANGE_REQUESTED: &str = "email_change_requested";
const EMAIL_CHANGED: &str = "email_changed";
const PASSWORD_CHANGED: &str = "password_changed";
const PASSWORD_RESET: &str = "password_reset";
pub const SECOND_FACTOR_ENABLED: &str = "second_factor_enabled";
pub const SECOND_FACTOR_DISABLED: &str = "second_factor_disabled";
/// By an operator.
pub const SECOND_FACTOR_REMOVED: &str = "second_factor_removed";
pub const RECOVERY_CODES_CREATED: &str = "recovery_codes_created";
const API_TOKEN_CREATED: &str = "api_token_created";
const ACCOUNT_DELETED: &str = "account_deleted";

/// How long delivery of a notification is tried.
const NOTIFICATION_LIFETIME: TimeDelta = TimeDelta::days(3);

/// An email without a code.
fn notification(
    kind: &str,
    user_id: Uuid,
    recipient: &str,
    parameters: Value,
    now: DateTime<Utc>,
) -> QueuedMail {
    QueuedMail {
        id: Uuid::now_v7(),
        kind: kind.to_owned(),
        recipient: recipient.to_owned(),
        entity_id: user_id,
        parameters,
        expires_at: now + NOTIFICATION_LIFETIME,
    }
}

/// To the present address, when another is to replace it.
pub fn email_change_requested(user_id: Uuid, recipient: &str, now: DateTime<Utc>) -> QueuedMail {
    notification(EMAIL_CHANGE_REQUESTED, user_id, recipient, json!({}), now)
}

/// To the former or the new address.
pub fn email_changed(user_id: Uuid, recipient: &str, new: &str, now: DateTime<Utc>) -> QueuedMail {
    notification(EMAIL_CHANGED, user_id, recipient, json!({ "email": new }), now)
}

/// With the API tokens that the change did not end.
pub fn password_changed(
    user_id: Uuid,
    recipient: &str,
    tokens: &[ApiToken],
    now: DateTime<Utc>,
) -> QueuedMail {
    let line = |token: &ApiToken| {
        format!("{} (until {})", plain_words(&token.name), token.expires_at.format("%Y-%m-%d"))
    };
    let lines: Vec<String> = tokens.iter().map(line).collect();
    notification(PASSWORD_CHANGED, user_id, recipient, json!({ "api_tokens": lines }), now)
}

pub fn password_reset(user_id: Uuid, recipient: &str, now: DateTime<Utc>) -> QueuedMail {
    notification(PASSWORD_RESET, user_id, recipient, json!({}), now)
}

/// About the second factor; the kind is one of the public constants.
pub fn second_factor(kind: &'static str, user_id: Uuid, recipient: &str, now: DateTime<Utc>) -> QueuedMail {
    notification(kind, user_id, recipient, json!({}), now)
}

pub fn api_token_created(user_id: Uuid, recipient: &str, now: DateTime<Utc>) -> QueuedMail {
    notification(API_TOKEN_CREATED, user_id, recipient, json!({}), now)
}

pub fn account_deleted(user_id: Uuid, recipient: &str, now: DateTime<Utc>) -> QueuedMail {
    notification(ACCOUNT_DELETED, user_id, recipient, json!({}), now)
}

/// Writes a queued email. An email with a code has the code's id.
///
/// # Errors
/// When its kind is unknown, or its recipient is malformed.
pub fn write(codes: &Codes, queued: &QueuedMail) -> Result<Mail> {
    let code = |purpose| codes.code(purpose, queued.id);
    let email = queued.parameters.get("email").and_then(Value::as_str).unwrap_or_default();
    let api_tokens = queued.parameters.get("api_tokens").and_then(Value::as_array);
    let api_tokens: Vec<_> = api_tokens.into_iter().flatten().filter_map(Value::as_str).collect();
    let (subject, text) = match queued.kind.as_str() {
        VERIFY_EMAIL => texts::verify_email(&code(Purpose::VerifyEmail)),
        RESET_PASSWORD => texts::reset_password(&code(Purpose::ResetPassword)),
        CHANGE_EMAIL => texts::change_email(&code(Purpose::ChangeEmail)),
        SIGN_UP => texts::sign_up(&code(Purpose::SignUp)),
        ADDRESS_TAKEN => texts::address_taken(),
        EMAIL_CHANGE_REQUESTED => texts::email_change_requested(),
        EMAIL_CHANGED => texts::email_changed(email),
        PASSWORD_CHANGED => texts::password_changed(&api_tokens),
        PASSWORD_RESET => texts::password_reset(),
        SECOND_FACTOR_ENABLED => texts::second_factor_enabled(),
        SECOND_FACTOR_DISABLED => texts::second_factor_disabled(),
        SECOND_FACTOR_REMOVED => texts::second_factor_removed(),
        RECOVERY_CODES_CREATED => texts::recovery_codes_created(),
        API_TOKEN_CREATED => texts::api_token_created(),
        ACCOUNT_DELETED => texts::account_deleted(),
        kind => return Err(Error::internal(format!("there is no email of the kind `{kind}`"))),
    };
    Mail::new(queued.id, &queued.recipient, subject, text)
}

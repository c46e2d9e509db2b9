//! The texts that this service mails. A code stands on a line of its own, behind four blanks.

use shared::error::{Error, Result};
use shared::mail::{Mail, QueuedMail};

/// Says that the password has changed.
pub const PASSWORD_CHANGED: &str = "password_changed";

/// Writes a queued mail.
///
/// # Errors
/// When its kind is unknown, or its address is none.
pub fn write(queued: &QueuedMail) -> Result<Mail> {
    let (subject, text) = match queued.kind.as_str() {
        PASSWORD_CHANGED => ("Your password was changed", PASSWORD_CHANGED_TEXT.to_owned()),
        kind => return Err(Error::internal(format!("there is no mail of the kind `{kind}`"))),
    };
    Mail::new(queued.id, &queued.recipient, subject, text)
}

const PASSWORD_CHANGED_TEXT: &str = "\
The password of your account was just changed, and all other devices were signed out.

If that was not you, reset your password at once, and tell whoever runs this service.
";

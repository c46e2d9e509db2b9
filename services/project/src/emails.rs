//! The texts of queued emails.

use shared::error::{Error, Result};
use shared::mail::{Mail, QueuedMail};

use crate::invitations::token::InvitationTokens;
use crate::{invitations, webhooks};

/// Composes a queued email.
///
/// # Errors
/// `INTERNAL` for a kind or parameters that no version of this service has queued.
pub(crate) fn write(tokens: &InvitationTokens, queued: &QueuedMail) -> Result<Mail> {
    match queued.kind.as_str() {
        invitations::email::KIND => invitations::email::write(tokens, queued),
        webhooks::email::KIND => webhooks::email::write(queued),
        other => Err(Error::internal(format!("there is no email of the kind {other}"))),
    }
}

//! The email of an invitation.

use serde::Deserialize;
use shared::error::{Error, Result};
use shared::mail::{Mail, QueuedMail, plain_words};

use super::token::InvitationTokens;

/// The kind that the trigger `queue_invitation_email` stores.
pub(crate) const KIND: &str = "invitation";

/// Parameters that the trigger `queue_invitation_email` stores.
#[derive(Deserialize)]
struct Parameters {
    generation: i32,
    project: String,
}

/// Composes a queued email.
///
/// # Errors
/// `INTERNAL` for parameters that no version of this service has queued.
pub(crate) fn write(tokens: &InvitationTokens, queued: &QueuedMail) -> Result<Mail> {
    let parameters: Parameters =
        serde_json::from_value(queued.parameters.clone()).map_err(Error::internal)?;
    let token = tokens.of(queued.entity_id, parameters.generation);
    let name = plain_words(&parameters.project);
    let text = format!(
        "You are invited to the project {name}.\n\n\
         Sign in, or make an account with any address, and give this code:\n\n    {token}\n\n\
         It works once, until {}. Whoever has it can join: keep it to yourself.\n\
         If you do not know what this is about, you need not do anything.\n",
        queued.expires_at.format("%Y-%m-%d %H:%M UTC"),
    );
    Mail::new(queued.id, &queued.recipient, &format!("You are invited to {name}"), text)
}

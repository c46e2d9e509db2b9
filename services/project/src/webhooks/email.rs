//! The email to the owner of a project about a paused webhook.

use serde::Deserialize;
use shared::error::{Error, Result};
use shared::mail::{Mail, QueuedMail, plain_words};

use crate::schema::PauseReason;

pub(crate) const KIND: &str = "webhook_paused";

#[derive(Deserialize)]
struct Parameters {
    project: String,
    host: String,
    reason: Option<PauseReason>,
}

/// Composes a queued email.
///
/// # Errors
/// `INTERNAL` for parameters that no version of this service has queued.
pub(crate) fn write(queued: &QueuedMail) -> Result<Mail> {
    let Parameters { project, host, reason } =
        serde_json::from_value(queued.parameters.clone()).map_err(Error::internal)?;
    let (project, host) = (plain_words(&project), plain_words(&host));
    let why = match reason {
        Some(PauseReason::Failing) => "the endpoint took nothing for three days",
        Some(PauseReason::Gone) => "the endpoint answered that it is gone",
        Some(PauseReason::QueueFull) => "too many events wait for it",
        Some(PauseReason::NotAuthorized) => "the user who set it up may no longer manage webhooks",
        Some(PauseReason::Requested) | None => "it was paused",
    };
    let text = format!(
        "A webhook of the project {project} sends no more events to {host}: {why}.\n\n\
         Events from now on are not sent later. What waits is kept for 30 days.\n\
         Look at its deliveries, repair the endpoint and resume the webhook ({id}), or delete it.\n",
        id = queued.entity_id
    );
    Mail::new(queued.id, &queued.recipient, &format!("A webhook of {project} is paused"), text)
}

//! The handler of all RPCs of this service.

use shared::database::GatheredReads;
use shared::export::Exports;
use shared::mail::Outbox;
use shared::service::ServiceContext;

use crate::invitations::token::InvitationTokens;
use crate::notifications::tail::InboxTail;
use crate::projects::{self, Project};
use crate::webhooks::{FanOut, WebhookOptions, WebhookSecrets};

/// Implements all services of the project API. Its methods live with the resources that they are about.
#[derive(Clone)]
pub(crate) struct ProjectHandler {
    pub context: ServiceContext,
    pub project_reads: GatheredReads<Project>,
    pub outbox: Outbox,
    pub invitation_tokens: InvitationTokens,
    pub inbox_tail: InboxTail,
    pub exports: Exports,
    pub webhooks: FanOut,
    pub webhook_secrets: WebhookSecrets,
    pub webhook_options: WebhookOptions,
}

impl ProjectHandler {
    pub(crate) fn new(
        context: ServiceContext,
        outbox: Outbox,
        invitation_tokens: InvitationTokens,
        webhook_options: WebhookOptions,
    ) -> Self {
        Self {
            webhooks: FanOut::new(context.clock.clone()),
            webhook_secrets: WebhookSecrets::new(&context.options.derivation),
            webhook_options,
            project_reads: projects::queries::gathered_reads(&context.database),
            outbox,
            invitation_tokens,
            inbox_tail: InboxTail::new(&context),
            exports: Exports::new(&context),
            context,
        }
    }
}

//! The services under test.

use project::WebhookOptions;
use testkit::*;

/// Receivers of tests are on the loopback.
const WEBHOOKS: WebhookOptions = WebhookOptions { webhooks_allow_private: true };

/// The project service in this process, and identity, which it asks for users.
pub fn harness() -> Harness {
    Harness::new()
        .serve(project::NAME, |context, options| {
            Box::pin(project::start(context, options.mail.clone(), WEBHOOKS))
        })
        .with_program("identity")
}

/// As [`harness`], with the services whose events the project service follows.
pub fn harness_of_all() -> Harness {
    harness().with_program("task").with_program("content")
}

//! The options of webhooks.

use clap::Args;

/// Where webhooks may send.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct WebhookOptions {
    /// Lets webhooks send to `http` URLs and to private addresses, as `http://127.0.0.1:8080/hook`. For development only:
    /// whoever manages a project could reach what is inside of the network
    #[arg(long, env = "DAFNCK_WEBHOOKS_ALLOW_PRIVATE")]
    pub webhooks_allow_private: bool,
}

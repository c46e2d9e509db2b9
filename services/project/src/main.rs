//! The program of the project service.

use clap::Parser;
use project::WebhookOptions;
use shared::config::ServiceOptions;
use shared::mail::MailOptions;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The project service of DafnckMachine.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    service: ServiceOptions,
    #[command(flatten)]
    mail: MailOptions,
    #[command(flatten)]
    webhooks: WebhookOptions,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { service, mail, webhooks } = shared::command_line::parse();
    shared::service::run(project::NAME, service, |context| project::start(context, mail, webhooks)).await
}

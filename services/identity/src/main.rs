//! The identity service as a process of its own.

use clap::Parser;
use identity::IdentityOptions;
use shared::config::ServiceOptions;
use shared::mail::MailOptions;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The identity service of DafnckMachine.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    service: ServiceOptions,
    #[command(flatten)]
    identity: IdentityOptions,
    #[command(flatten)]
    mail: MailOptions,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { service, identity: options, mail } = shared::command_line::parse();
    shared::service::run(identity::NAME, service, |context| identity::start(context, options, mail)).await
}

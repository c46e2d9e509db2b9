//! The identity service as a process of its own.

use clap::Parser;
use identity::IdentityOptions;
use shared::config::ServiceOptions;

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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { service, identity: options } = Cli::parse();
    shared::service::run(identity::NAME, service, |ground, listener| {
        identity::serve(ground, options, listener)
    })
    .await
}

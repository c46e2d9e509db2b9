//! The content service as a process of its own.

use clap::Parser;
use content::storage::StorageOptions;
use shared::config::ServiceOptions;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The content service of DafnckMachine.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    service: ServiceOptions,
    #[command(flatten)]
    storage: StorageOptions,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { service, storage } = shared::command_line::parse();
    shared::service::run(content::NAME, service, |context| content::start(context, storage)).await
}

//! The task service as a process of its own.

use clap::Parser;
use shared::config::ServiceOptions;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The task service of DafnckMachine.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    service: ServiceOptions,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    shared::service::run(task::NAME, shared::command_line::parse::<Cli>().service, task::start).await
}

//! `dafnck descriptors`: the API as a file, for tools that do not ask a server.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::progress::write_bytes;

/// What `dafnck descriptors --help` adds.
pub const HELP: &str = "\
Examples:
  dafnck descriptors --output dafnck.binpb
  grpcurl -protoset dafnck.binpb describe dafnck.task.v1.TaskService
  buf build dafnck.binpb --as-file-descriptor-set -o /dev/null";

/// Where to write the API.
#[derive(Args, Clone, Debug)]
pub struct DescriptorsOptions {
    /// File for the `google.protobuf.FileDescriptorSet`: all protos with their imports and comments. `-` is standard
    /// output
    #[arg(long, default_value = "-")]
    output: PathBuf,
}

/// Writes the descriptor set of the whole API.
///
/// # Errors
/// When it cannot be written.
pub fn command(options: &DescriptorsOptions) -> anyhow::Result<()> {
    if options.output != Path::new("-") {
        let write = std::fs::write(&options.output, proto::DESCRIPTOR_SET);
        return write.with_context(|| format!("writing {}", options.output.display()));
    }
    write_bytes(proto::DESCRIPTOR_SET).context("writing to standard output")
}

//! `dafnck descriptors`: the API as a file, for tools that do not ask a server.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::output::{self, write_bytes};
use crate::written_files::WrittenFiles;

/// What `dafnck descriptors --help` adds.
pub const HELP: &str = "\
Examples:
  dafnck descriptors dafnck.binpb
  grpcurl -protoset dafnck.binpb describe dafnck.task.v1.TaskService
  buf build dafnck.binpb --as-file-descriptor-set -o /dev/null";

/// Where to write the API.
#[derive(Args, Clone, Debug)]
pub struct DescriptorsOptions {
    /// File for the `google.protobuf.FileDescriptorSet`: all protos with their imports and comments; - is standard output
    #[arg(default_value = "-")]
    file: PathBuf,
}

/// Writes the descriptor set of the whole API.
///
/// # Errors
/// When it cannot be written.
pub fn command(options: &DescriptorsOptions) -> anyhow::Result<()> {
    let path = &options.file;
    if path == Path::new("-") {
        return write_bytes(proto::DESCRIPTOR_SET).context("writing to standard output");
    }
    std::fs::write(path, proto::DESCRIPTOR_SET).with_context(|| format!("writing {}", path.display()))?;
    let text = format!("the API is described in {}", path.display());
    output::report(&WrittenFiles { path: path.clone(), files: 1, text })
}

//! `dafnck reference`: the API for people to read, made from the descriptors.
//!
//! One page for each package, and pages about errors and access. Everything is in the protos: comments, limits
//! (`buf.validate`), behaviour of fields, authorization. A rule without words here is an error, so that none is left out.

mod access;
mod comments;
mod errors;
mod fields;
mod html;
mod names;
mod overview;
mod package;
mod page;
mod rules;
mod symbols;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use prost_reflect::DescriptorPool;

use crate::output;
use crate::written_files::WrittenFiles;
use names::package_names;
use page::Page;
use symbols::Symbols;

/// What `dafnck reference --help` adds.
pub const HELP: &str = "\
Example:
  dafnck reference target/reference     # then open target/reference/index.html";

/// Each page is Markdown and HTML.
const FORMATS: usize = 2;

/// Where to write the reference.
#[derive(Args, Clone, Debug)]
pub struct ReferenceOptions {
    /// Directory for the pages, each as Markdown and as HTML; created if missing. The page to begin with is `index`
    directory: PathBuf,
}

/// Writes the reference.
///
/// # Errors
/// When a file cannot be written, or a rule of the API cannot be described.
pub fn command(options: &ReferenceOptions) -> anyhow::Result<()> {
    let pages = pages(proto::descriptor_pool())?;
    let directory = &options.directory;
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    for page in &pages {
        for (extension, text) in [("md", page.text.clone()), ("html", html::render(page, &pages))] {
            let path = directory.join(&page.name).with_added_extension(extension);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    output::report(&WrittenFiles {
        path: directory.clone(),
        files: FORMATS * pages.len(),
        text: format!(
            "{} pages are in {}: begin with index.html or index.md",
            pages.len(),
            directory.display()
        ),
    })
}

fn pages(pool: &DescriptorPool) -> anyhow::Result<Vec<Page>> {
    let symbols = Symbols::of(pool);
    let mut pages =
        vec![overview::page(pool, &symbols), access::page(pool, &symbols), errors::page(pool, &symbols)];
    for name in package_names(pool) {
        pages.push(package::page(pool, &symbols, &name)?);
    }
    Ok(pages)
}

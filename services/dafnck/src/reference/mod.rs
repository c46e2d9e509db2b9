//! `dafnck reference`: the API for people to read, made from the descriptors.
//!
//! One page for each package, and pages about errors and access. Everything is in the protos: comments, limits
//! (`buf.validate`), behaviour of fields, authorization. A rule without words here is an error, so that none is left out.

mod access;
mod comments;
mod errors;
mod fields;
mod html;
mod overview;
mod package;
mod rules;
mod symbols;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use prost_reflect::{DescriptorPool, ServiceDescriptor};

use crate::progress::print_line;
use symbols::Symbols;

/// What `dafnck reference --help` adds.
pub const HELP: &str = "\
Example:
  dafnck reference target/reference     # then open target/reference/index.html";

/// The packages that are documented begin with this.
const PACKAGE_PREFIX: &str = "dafnck.";

/// Where to write the reference.
#[derive(Args, Clone, Debug)]
pub struct ReferenceOptions {
    /// Directory for the pages, each as Markdown and as HTML; made if missing. The page to begin with is `index`
    directory: PathBuf,
}

/// A page of the reference.
struct Page {
    /// The name of its file, without extension.
    name: String,
    title: String,
    /// Its content as Markdown.
    text: String,
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
    print_line!("{} pages are in {}: begin with index.html or index.md", pages.len(), directory.display());
    Ok(())
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

/// The names of the suite's packages: public ones first, in alphabetical order.
fn package_names(pool: &DescriptorPool) -> Vec<String> {
    let packages = pool.files().map(|file| file.package_name().to_owned());
    let mut names: Vec<_> = packages.filter(|name| name.starts_with(PACKAGE_PREFIX)).collect();
    names.sort_by_key(|name| (name.split('.').count(), name.clone()));
    names.dedup();
    names
}

/// The services of a package.
fn services_of(pool: &DescriptorPool, package: &str) -> Vec<ServiceDescriptor> {
    let mut services: Vec<_> = pool.services().filter(|service| service.package_name() == package).collect();
    services.sort_by_key(|service| service.name().to_owned());
    services
}

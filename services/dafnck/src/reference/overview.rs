//! The page to begin with.

use std::fmt::Write;

use prost_reflect::DescriptorPool;

use super::comments::Commented;
use super::symbols::{ACCESS_PAGE, ERRORS_PAGE, Symbols};
use super::{Page, package_names, services_of};

pub(super) fn page(pool: &DescriptorPool, symbols: &Symbols) -> Page {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "# DafnckMachine API\n\nVersion {version}. See also [errors]({ERRORS_PAGE}.md) and [access]({ACCESS_PAGE}.md): roles, \
         permissions and scopes.\n"
    );
    for package in package_names(pool) {
        let _ = writeln!(text, "\n## {package}\n\n[All of `{package}`]({package}.md)\n");
        for service in services_of(pool, &package) {
            let link = symbols.link(service.name(), service.full_name());
            let _ = writeln!(text, "- {link}: {}", symbols.linked(&service.summary(), &package));
        }
    }
    Page { name: "index".to_owned(), title: "DafnckMachine API".to_owned(), text }
}

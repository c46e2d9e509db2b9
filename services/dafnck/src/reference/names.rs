//! Names in the protos, and of pages and their parts.

use prost_reflect::{DescriptorPool, ServiceDescriptor};

/// The packages that are documented begin with this.
pub(super) const PACKAGE_PREFIX: &str = "dafnck.";
/// The enum with the reasons of errors, and how the names of its values begin.
pub(super) const ERROR_REASON: &str = "dafnck.common.v1.ErrorReason";
pub(super) const REASON_PREFIX: &str = "ERROR_REASON_";
/// The page about errors.
pub(super) const ERRORS_PAGE: &str = "errors";
/// The page about audiences, permissions and scopes.
pub(super) const ACCESS_PAGE: &str = "access";

/// The names of the suite's packages: public ones first, in alphabetical order.
pub(super) fn package_names(pool: &DescriptorPool) -> Vec<String> {
    let packages = pool.files().map(|file| file.package_name().to_owned());
    let mut names: Vec<_> = packages.filter(|name| name.starts_with(PACKAGE_PREFIX)).collect();
    names.sort_by_key(|name| (name.split('.').count(), name.clone()));
    names.dedup();
    names
}

/// The services of a package.
pub(super) fn services_of(pool: &DescriptorPool, package: &str) -> Vec<ServiceDescriptor> {
    let mut services: Vec<_> = pool.services().filter(|service| service.package_name() == package).collect();
    services.sort_by_key(|service| service.name().to_owned());
    services
}

/// The heading of a method.
pub(super) fn method_heading(service: &str, method: &str) -> String {
    format!("{service}.{method}")
}

/// The anchor of a heading, as GitHub and other renderers of Markdown make it.
pub(super) fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

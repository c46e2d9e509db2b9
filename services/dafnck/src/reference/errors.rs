//! The page about errors: each reason with its code, its metadata and the methods that name it.

use prost_reflect::{DescriptorPool, EnumValueDescriptor};

use super::comments::Commented;
use super::symbols::{ERRORS_PAGE, Symbols};
use super::{PACKAGE_PREFIX, Page};

pub(super) const ERROR_REASON: &str = "dafnck.common.v1.ErrorReason";
pub(super) const PREFIX: &str = "ERROR_REASON_";
const METADATA: &str = " Metadata: ";

pub(super) fn page(pool: &DescriptorPool, symbols: &Symbols) -> Page {
    let declared = pool.get_enum_by_name(ERROR_REASON);
    let comment = declared.as_ref().map(Commented::comment).unwrap_or_default();
    let mut text = format!("# Errors\n\n{}\n", symbols.linked(&comment, "dafnck.common.v1"));
    let values = declared.iter().flat_map(|declared| declared.values().collect::<Vec<_>>());
    for value in values.filter(|value| value.number() != 0) {
        text.push_str(&of_reason(pool, symbols, &value));
    }
    Page { name: ERRORS_PAGE.to_owned(), title: "Errors".to_owned(), text }
}

/// A comment has the form "CODE: meaning. Metadata: keys."
fn of_reason(pool: &DescriptorPool, symbols: &Symbols, value: &EnumValueDescriptor) -> String {
    let reason = value.name().trim_start_matches(PREFIX);
    let comment = value.comment().replace('\n', " ");
    let (code, meaning) = comment.split_once(": ").unwrap_or(("", &comment));
    let (meaning, metadata) = match meaning.split_once(METADATA) {
        Some((meaning, metadata)) => (meaning, metadata),
        None => (meaning, "none."),
    };
    let linked = |text: &str| symbols.linked(text, "dafnck.common.v1");
    let methods = methods_that_name(pool, symbols, reason);
    let methods =
        if methods.is_empty() { String::new() } else { format!("- **Methods:** {}\n", methods.join(", ")) };
    format!(
        "\n### {reason}\n\n{}\n\n- **Code:** {code}\n- **Metadata:** {}\n{methods}",
        linked(meaning),
        linked(metadata)
    )
}

fn methods_that_name(pool: &DescriptorPool, symbols: &Symbols, reason: &str) -> Vec<String> {
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let is_named = |comment: &str| {
        comment.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == reason)
    };
    let found = methods
        .filter(|method| method.full_name().starts_with(PACKAGE_PREFIX) && is_named(&method.comment()));
    let links = found.map(|method| {
        symbols.link(&format!("{}.{}", method.parent_service().name(), method.name()), method.full_name())
    });
    links.collect()
}

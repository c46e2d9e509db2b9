//! Messages and enums as tables.

use std::fmt::Write;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::comments::Commented;
use super::rules;
use super::symbols::Symbols;

/// A message with its fields.
///
/// # Errors
/// For a rule without words.
pub(super) fn message(symbols: &Symbols, message: &MessageDescriptor) -> anyhow::Result<String> {
    let package = message.package_name();
    let mut text = format!("### {}\n\n{}\n", message.name(), symbols.linked(&message.comment(), package));
    let rules = rules::of_message(message)?;
    if !rules.is_empty() {
        text.push_str("\nRules:\n\n");
        rules.iter().try_for_each(|rule| writeln!(text, "- {}", symbols.linked(rule, package)))?;
    }
    if message.fields().len() > 0 {
        text.push_str("\n| field | type | rules | |\n| --- | --- | --- | --- |\n");
    }
    for field in message.fields() {
        let rules = rules::of_field(&field)?.join("; ");
        let comment = symbols.linked(&field.comment(), package);
        let comment = [of_oneof(&field), comment].concat();
        let cells = [format!("`{}`", field.name()), type_of(symbols, &field), rules, comment];
        writeln!(text, "| {} |", cells.map(|text| cell(&text)).join(" | "))?;
    }
    Ok(text)
}

/// An enum with its values.
pub(super) fn enumeration(symbols: &Symbols, declared: &EnumDescriptor) -> String {
    let package = declared.package_name();
    let comment = symbols.linked(&declared.comment(), package);
    let head = format!("### {}\n\n{comment}\n\n| value | number | |\n| --- | --- | --- |\n", declared.name());
    let rows = declared.values().map(|value| {
        let comment = cell(&symbols.linked(&value.comment(), package));
        format!("| `{}` | {} | {comment} |\n", value.name(), value.number())
    });
    head + &rows.collect::<String>()
}

/// A text as the cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("\n\n", "<br>").replace('\n', " ")
}

fn type_of(symbols: &Symbols, field: &FieldDescriptor) -> String {
    if let Kind::Message(entry) = field.kind()
        && entry.is_map_entry()
    {
        let [key, value] = [entry.map_entry_key_field(), entry.map_entry_value_field()];
        return format!(
            "map of {} to {}",
            kind_name(symbols, &key.kind()),
            kind_name(symbols, &value.kind())
        );
    }
    let name = kind_name(symbols, &field.kind());
    if field.is_list() {
        format!("list of {name}")
    } else if field.field_descriptor_proto().proto3_optional() {
        format!("{name}, optional")
    } else {
        name
    }
}

fn kind_name(symbols: &Symbols, kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => symbols.link(message.name(), message.full_name()),
        Kind::Enum(declared) => symbols.link(declared.name(), declared.full_name()),
        scalar => format!("{scalar:?}"),
    }
}

fn of_oneof(field: &FieldDescriptor) -> String {
    let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) else {
        return String::new();
    };
    let required = if rules::is_required(&oneof) { ", one is required" } else { "" };
    format!("One of `{}`{required}. ", oneof.name())
}

//! The rules of `buf.validate` and the behaviour of `google.api`, in words.

use anyhow::{bail, ensure};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor, ReflectMessage, Value,
};

/// Patterns with a meaning that is shorter in words.
const PATTERNS: [(&str, &str); 3] = [
    (r"^\P{Cc}*[^\p{Z}\p{Cc}]\P{Cc}*$", "one line, not blank"),
    (r"^(\P{Cc}*[^\p{Z}\p{Cc}]\P{Cc}*)?$", "one line, empty or not blank"),
    ("^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$", "a UUID or empty"),
];

/// An option of a descriptor; `None` if it is not given.
fn option_of(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = options.descriptor().parent_pool().get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

/// What is expected of a field.
///
/// # Errors
/// For a rule without words here.
pub(super) fn of_field(field: &FieldDescriptor) -> anyhow::Result<Vec<String>> {
    let options = field.options();
    let mut words = behaviors(&options);
    if let Some(Value::Message(rules)) = option_of(&options, "buf.validate.field") {
        let found = of_rules(&rules, &field.kind())?;
        words.extend(
            found.into_iter().filter(|rule| rule != "required" || !words.contains(rule)).collect::<Vec<_>>(),
        );
    }
    Ok(words)
}

/// What is expected of several fields of a message together.
///
/// # Errors
/// For a rule without words here.
pub(super) fn of_message(message: &MessageDescriptor) -> anyhow::Result<Vec<String>> {
    let Some(Value::Message(rules)) = option_of(&message.options(), "buf.validate.message") else {
        return Ok(Vec::new());
    };
    let mut words = Vec::new();
    for (field, value) in rules.fields() {
        ensure!(field.name() == "cel", "no words for the rule {} of {}", field.name(), message.full_name());
        let rules = value.as_list().unwrap_or_default().iter().filter_map(Value::as_message);
        words.extend(rules.map(|rule| string(rule, "message")));
    }
    Ok(words)
}

/// Whether one of the fields of a oneof must be given.
pub(super) fn is_required(oneof: &OneofDescriptor) -> bool {
    let rules = option_of(&oneof.options(), "buf.validate.oneof");
    rules.is_some_and(|rules| {
        let required = rules.as_message().and_then(|rules| rules.get_field_by_name("required"));
        required.is_some_and(|value| value.as_bool() == Some(true))
    })
}

fn behaviors(options: &DynamicMessage) -> Vec<String> {
    let behaviors = option_of(options, "google.api.field_behavior");
    let behaviors = behaviors.as_ref().and_then(Value::as_list).unwrap_or_default().iter();
    // Their numbers in google/api/field_behavior.proto.
    let words = behaviors.filter_map(|behavior| match behavior.as_enum_number()? {
        2 => Some("required"),
        3 => Some("output only"),
        4 => Some("input only"),
        5 => Some("set on creation only"),
        _ => None,
    });
    words.map(str::to_owned).collect()
}

/// The words for `buf.validate.FieldRules`.
fn of_rules(rules: &DynamicMessage, kind: &Kind) -> anyhow::Result<Vec<String>> {
    let mut words = Vec::new();
    for (rule, value) in rules.fields() {
        match (rule.name(), value) {
            ("required", Value::Bool(true)) => words.push("required".to_owned()),
            // IGNORE_IF_ZERO_VALUE and IGNORE_ALWAYS.
            ("ignore", Value::EnumNumber(1)) => words.push("may be empty".to_owned()),
            ("ignore", Value::EnumNumber(3)) => words.push("not checked".to_owned()),
            ("repeated", Value::Message(rules)) => words.extend(of_list(rules, kind)?),
            ("string", Value::Message(rules)) => words.extend(of_text(rules)?),
            ("bytes", Value::Message(rules)) => words.extend(of_bytes(rules)?),
            ("enum", Value::Message(rules)) => words.extend(of_enum(rules, kind)?),
            ("duration", Value::Message(rules)) => words.extend(of_bounds(rules, duration)?),
            ("int32" | "int64" | "uint64", Value::Message(rules)) => words.extend(of_bounds(rules, number)?),
            ("bool", Value::Message(rules)) => words.push(format!("must be {}", shown(rules, "const"))),
            (name, _) => bail!("no words for rules of {name}"),
        }
    }
    Ok(words)
}

fn of_list(rules: &DynamicMessage, kind: &Kind) -> anyhow::Result<Vec<String>> {
    expect_only(rules, &["min_items", "max_items", "unique", "items"])?;
    let mut words: Vec<_> =
        span(uint(rules, "min_items"), uint(rules, "max_items"), "items").into_iter().collect();
    if given(rules, "unique").is_some() {
        words.push("no item twice".to_owned());
    }
    if let Some(items) = given(rules, "items").as_ref().and_then(Value::as_message) {
        let each = of_rules(items, kind)?;
        words.push(format!("each: {}", each.join(", ")));
    }
    Ok(words)
}

fn of_text(rules: &DynamicMessage) -> anyhow::Result<Vec<String>> {
    const KNOWN: [&str; 9] =
        ["uuid", "ip", "min_len", "max_len", "min_bytes", "max_bytes", "pattern", "not_contains", "not_in"];
    expect_only(rules, &KNOWN)?;
    let mut words = Vec::new();
    if given(rules, "uuid").is_some() {
        words.push("a UUID".to_owned());
    }
    if given(rules, "ip").is_some() {
        words.push("an IP address".to_owned());
    }
    words.extend(span(uint(rules, "min_len"), uint(rules, "max_len"), "characters"));
    words.extend(span(uint(rules, "min_bytes"), uint(rules, "max_bytes"), "bytes of UTF-8"));
    if given(rules, "pattern").is_some() {
        let pattern = string(rules, "pattern");
        let known = PATTERNS.iter().find(|(known, _)| *known == pattern);
        words.push(known.map_or_else(|| format!("matches `{pattern}`"), |(_, words)| (*words).to_owned()));
    }
    if given(rules, "not_contains").is_some() {
        let excluded = string(rules, "not_contains");
        words.push(if excluded == "\0" { "no NUL".to_owned() } else { format!("no `{excluded}`") });
    }
    let excluded = given(rules, "not_in");
    let excluded = excluded.as_ref().and_then(Value::as_list).unwrap_or_default().iter();
    words.extend(excluded.filter_map(Value::as_str).map(|text| format!("not `{text}`")));
    Ok(words)
}

fn of_bytes(rules: &DynamicMessage) -> anyhow::Result<Vec<String>> {
    expect_only(rules, &["len", "min_len", "max_len"])?;
    let exactly = uint(rules, "len").map(|length| format!("exactly {} bytes", grouped(length.into())));
    Ok(exactly.into_iter().chain(span(uint(rules, "min_len"), uint(rules, "max_len"), "bytes")).collect())
}

fn of_enum(rules: &DynamicMessage, kind: &Kind) -> anyhow::Result<Vec<String>> {
    expect_only(rules, &["defined_only", "not_in"])?;
    let mut words = Vec::new();
    if given(rules, "defined_only").is_some() {
        words.push("a value of the enum".to_owned());
    }
    let excluded = given(rules, "not_in");
    let excluded = excluded.as_ref().and_then(Value::as_list).unwrap_or_default().iter();
    let Kind::Enum(declared) = kind else { bail!("rules of an enum for {kind:?}") };
    let values = excluded.filter_map(|number| declared.get_value(number.as_i32()?));
    words.extend(values.map(|value| format!("not `{}`", value.name())));
    Ok(words)
}

/// The words for the rules of numbers and of what is compared like them.
fn of_bounds(rules: &DynamicMessage, show: impl Fn(&Value) -> String) -> anyhow::Result<Option<String>> {
    expect_only(rules, &["gte", "lte"])?;
    let bound = |name| given(rules, name).map(|value| show(&value));
    Ok(match (bound("gte"), bound("lte")) {
        (Some(min), Some(max)) => Some(format!("{min} to {max}")),
        (Some(min), None) => Some(format!("at least {min}")),
        (None, Some(max)) => Some(format!("at most {max}")),
        (None, None) => None,
    })
}

fn expect_only(rules: &DynamicMessage, known: &[&str]) -> anyhow::Result<()> {
    for (rule, _) in rules.fields() {
        ensure!(known.contains(&rule.name()), "no words for the rule {}", rule.full_name());
    }
    Ok(())
}

fn given(rules: &DynamicMessage, name: &str) -> Option<Value> {
    rules.has_field_by_name(name).then(|| rules.get_field_by_name(name).map(|value| value.into_owned()))?
}

fn uint(rules: &DynamicMessage, name: &str) -> Option<u64> {
    given(rules, name)?.as_u64()
}

fn string(rules: &DynamicMessage, name: &str) -> String {
    given(rules, name).as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn shown(rules: &DynamicMessage, name: &str) -> String {
    given(rules, name).map(|value| value.to_string()).unwrap_or_default()
}

fn span(min: Option<u64>, max: Option<u64>, unit: &str) -> Option<String> {
    let grouped = |number: u64| grouped(number.into());
    match (min, max) {
        (Some(min), Some(max)) if min == max => Some(format!("exactly {} {unit}", grouped(max))),
        (Some(min), Some(max)) => Some(format!("{} to {} {unit}", grouped(min), grouped(max))),
        (Some(min), None) => Some(format!("at least {} {unit}", grouped(min))),
        (None, Some(max)) => Some(format!("at most {} {unit}", grouped(max))),
        (None, None) => None,
    }
}

fn number(value: &Value) -> String {
    let number = match value {
        Value::I32(number) => i128::from(*number),
        Value::I64(number) => i128::from(*number),
        Value::U64(number) => i128::from(*number),
        other => return other.to_string(),
    };
    grouped(number)
}

/// A `google.protobuf.Duration` of whole seconds, in its largest unit.
fn duration(value: &Value) -> String {
    const UNITS: [(i64, &str); 3] = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    let seconds = value.as_message().and_then(|duration| duration.get_field_by_name("seconds"));
    let seconds = seconds.and_then(|seconds| seconds.as_i64()).unwrap_or_default();
    let unit = UNITS.iter().find(|(unit, _)| seconds != 0 && seconds % unit == 0);
    match unit {
        Some((unit, name)) if seconds == *unit => format!("1 {}", name.trim_end_matches('s')),
        Some((unit, name)) => format!("{} {name}", grouped((seconds / unit).into())),
        None => format!("{} seconds", grouped(seconds.into())),
    }
}

/// A number with commas between groups of three digits.
fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(message: &str, field: &str) -> String {
        let message = proto::descriptor_pool().get_message_by_name(message).unwrap();
        of_field(&message.get_field_by_name(field).unwrap()).unwrap().join("; ")
    }

    #[test]
    fn rules_are_told_in_words() {
        for (message, field, expected) in [
            ("dafnck.task.v1.GetTaskRequest", "task_id", "required; a UUID"),
            ("dafnck.task.v1.Task", "title", "at most 255 characters; one line, not blank; may be empty"),
            ("dafnck.task.v1.Task", "description", "at most 100,000 characters; no NUL"),
            ("dafnck.task.v1.Task", "estimated_duration", "1 minute to 1,000,000 hours"),
            ("dafnck.task.v1.Task", "rank", "output only"),
            (
                "dafnck.task.v1.TaskFilter",
                "statuses",
                "at most 1,000 items; each: a value of the enum, not `TASK_STATUS_UNSPECIFIED`",
            ),
            ("dafnck.task.v1.ListTasksRequest", "page_size", "at least 0"),
            ("dafnck.content.v1.UploadChunksRequest", "chunk", "at most 1,048,576 bytes"),
        ] {
            assert_eq!(words(message, field), expected, "{message}.{field}");
        }
    }

    #[test]
    fn durations_are_in_their_largest_unit() {
        for (seconds, expected) in
            [(1, "1 seconds"), (60, "1 minute"), (5_400, "90 minutes"), (2_592_000, "30 days")]
        {
            let descriptor =
                proto::descriptor_pool().get_message_by_name("google.protobuf.Duration").unwrap();
            let mut message = DynamicMessage::new(descriptor);
            message.set_field_by_name("seconds", Value::I64(seconds));
            assert_eq!(duration(&Value::Message(message)), expected);
        }
    }
}

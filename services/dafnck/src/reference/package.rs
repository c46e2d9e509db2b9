//! The page of a package: services with their methods, messages, enums.

use std::fmt::Write;

use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};
use proto::common::{Audience, Permission};
use proto::{MethodRule, MethodRules};
use shared::server::{DEFAULT_TIMEOUT, MAX_STREAM_TIMEOUT, MAX_TIMEOUT};

use super::comments::Commented;
use super::symbols::{ACCESS_PAGE, Symbols, anchor, method_heading};
use super::{Page, access, fields, services_of};

/// The page of a package.
///
/// # Errors
/// For a rule without words.
pub(super) fn page(pool: &DescriptorPool, symbols: &Symbols, package: &str) -> anyhow::Result<Page> {
    let mut text = format!("# {package}\n");
    for service in services_of(pool, package) {
        text.push_str(&of_service(symbols, &service)?);
    }
    let mut messages: Vec<_> =
        pool.all_messages().filter(|message| message.package_name() == package).collect();
    messages.sort_by_key(|message| message.name().to_owned());
    text.push_str(if messages.is_empty() { "" } else { "\n## Messages\n" });
    for message in messages.iter().filter(|message| !message.is_map_entry()) {
        write!(text, "\n{}", fields::message(symbols, message)?)?;
    }
    let mut enums: Vec<_> = pool.all_enums().filter(|declared| declared.package_name() == package).collect();
    enums.sort_by_key(|declared| declared.name().to_owned());
    text.push_str(if enums.is_empty() { "" } else { "\n## Enums\n" });
    for declared in enums {
        write!(text, "\n{}", fields::enumeration(symbols, &declared))?;
    }
    Ok(Page { name: package.to_owned(), title: package.to_owned(), text })
}

fn of_service(symbols: &Symbols, service: &ServiceDescriptor) -> anyhow::Result<String> {
    let package = service.package_name();
    let mut text = format!("\n## {}\n\n{}\n\n", service.name(), symbols.linked(&service.comment(), package));
    for method in service.methods() {
        let anchor = anchor(&method_heading(service.name(), method.name()));
        let summary = symbols.linked(&method.summary(), package);
        writeln!(text, "- [{}](#{anchor}): {summary}", method.name())?;
    }
    for method in service.methods() {
        write!(text, "\n{}", of_method(symbols, service, &method)?)?;
    }
    Ok(text)
}

fn of_method(
    symbols: &Symbols,
    service: &ServiceDescriptor,
    method: &MethodDescriptor,
) -> anyhow::Result<String> {
    let path = format!("/{}/{}", service.full_name(), method.name());
    let comment = method.comment().replace("\nErrors: ", "\n\nErrors: ");
    let mut text = format!("### {}\n\n", method_heading(service.name(), method.name()));
    writeln!(text, "{}\n", symbols.linked(&comment, service.package_name()))?;
    let (input, output) = (method.input(), method.output());
    let request = stream(symbols.link(input.name(), input.full_name()), method.is_client_streaming());
    let response = stream(symbols.link(output.name(), output.full_name()), method.is_server_streaming());
    let mut facts = vec![("Path", format!("`{path}`")), ("Request", request), ("Response", response)];
    if let Some(rule) = MethodRules::suite().get(&path) {
        facts.extend(of_rule(symbols, rule));
    }
    facts.push(("Retry", retry(method).to_owned()));
    facts.push(("Deadline", deadline(method)));
    for (name, fact) in facts {
        writeln!(text, "- **{name}:** {fact}")?;
    }
    Ok(text)
}

fn stream(message: String, is_stream: bool) -> String {
    if is_stream { format!("stream of {message}") } else { message }
}

fn of_rule(symbols: &Symbols, rule: &MethodRule) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Callers", access::callers(rule))];
    if rule.permission != Permission::Unspecified {
        let permission = rule.permission.as_str_name();
        facts.push(("Permission", symbols.link(permission, &format!("dafnck.common.v1.{permission}"))));
    }
    match (&rule.scope, rule.audience) {
        (Some(scope), _) => {
            facts.push(("Scope of an API token", format!("[`{scope}`]({ACCESS_PAGE}.md#{})", anchor(scope))));
        }
        (None, Audience::Service) => {}
        (None, _) => facts.push(("Scope of an API token", "none: not open to API tokens".to_owned())),
    }
    facts
}

/// Why a second call does no harm.
fn retry(method: &MethodDescriptor) -> &'static str {
    let options = method.method_descriptor_proto().options.as_ref();
    let fields = method.input().fields().map(|field| field.name().to_owned()).collect::<Vec<_>>();
    match options.map(|options| options.idempotency_level()) {
        Some(IdempotencyLevel::NoSideEffects) => "the method only reads (`NO_SIDE_EFFECTS`)",
        Some(IdempotencyLevel::Idempotent) => "a second call has the same effect (`IDEMPOTENT`)",
        _ if fields.iter().any(|field| field == "request_id") => "with the same `request_id`",
        _ => "with the same request: an etag or a value that works once makes a second call harmless",
    }
}

fn deadline(method: &MethodDescriptor) -> String {
    if method.is_client_streaming() || method.is_server_streaming() {
        return format!("the stream lasts at most {} minutes", MAX_STREAM_TIMEOUT.as_secs() / 60);
    }
    format!(
        "{} s unless the client sends another, at most {} s",
        DEFAULT_TIMEOUT.as_secs(),
        MAX_TIMEOUT.as_secs()
    )
}

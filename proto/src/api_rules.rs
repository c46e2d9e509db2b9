//! Rules that every message and method of the API keeps, checked over the descriptors.

use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{FileDescriptor, Kind, MessageDescriptor, MethodDescriptor};

/// Keywords of Go, Java, Python, TypeScript, C#, Ruby and Rust: a field of such a name is renamed by some generator.
const KEYWORDS: &str = "break case chan const continue default defer else fallthrough for func go goto if import \
    interface map package range return select struct switch type var \
    abstract assert boolean byte catch char class do double enum extends final finally float implements instanceof int \
    long native new private protected public short static strictfp super synchronized this throw throws transient try \
    void volatile while true false null \
    False None True and as async await def del elif except from global in is lambda nonlocal not or pass raise with \
    yield match \
    constructor debugger delete export function let typeof \
    base bool checked decimal delegate event explicit extern fixed foreach implicit internal lock namespace object operator \
    out override params readonly ref sbyte sealed sizeof stackalloc string uint ulong unchecked unsafe ushort using virtual \
    BEGIN END alias begin defined elsif end ensure module next nil redo rescue retry self then undef unless until when \
    crate dyn fn impl loop mod move mut pub trait union use where";

/// Values in a request that work once.
const WORKS_ONCE: [&str; 3] = ["code", "challenge_token", "refresh_token"];

fn messages() -> impl Iterator<Item = MessageDescriptor> {
    crate::descriptor_pool().all_messages().filter(|message| message.full_name().starts_with("dafnck."))
}

#[test]
fn no_field_or_oneof_is_a_keyword() {
    let keywords: Vec<_> = KEYWORDS.split_whitespace().collect();
    let names = messages().flat_map(|message| {
        let fields = message.fields().map(|field| field.full_name().to_owned());
        let oneofs = message.oneofs().map(|oneof| oneof.full_name().to_owned());
        fields.chain(oneofs).collect::<Vec<_>>()
    });
    let found: Vec<_> =
        names.filter(|name| keywords.contains(&name.rsplit('.').next().unwrap_or_default())).collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn everything_has_a_comment() {
    let is_own = |name: &str| name.starts_with("dafnck.");
    let pool = crate::descriptor_pool();
    let mut bare = Vec::new();
    let mut check = |name: &str, file: FileDescriptor, place: &[i32]| {
        if is_own(name) && !has_comment(&file, place) {
            bare.push(name.to_owned());
        }
    };
    for service in pool.services() {
        check(service.full_name(), service.parent_file(), service.path());
        service.methods().for_each(|method| check(method.full_name(), method.parent_file(), method.path()));
    }
    for message in pool.all_messages().filter(|message| !message.is_map_entry()) {
        check(message.full_name(), message.parent_file(), message.path());
        message.fields().for_each(|field| check(field.full_name(), field.parent_file(), field.path()));
        let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
        oneofs.for_each(|oneof| check(oneof.full_name(), oneof.parent_file(), oneof.path()));
    }
    for declared in pool.all_enums() {
        check(declared.full_name(), declared.parent_file(), declared.path());
        declared.values().for_each(|value| check(value.full_name(), value.parent_file(), value.path()));
    }
    assert_eq!(bare, [""; 0]);
}

fn has_comment(file: &FileDescriptor, place: &[i32]) -> bool {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let mut locations = info.into_iter().flat_map(|info| &info.location);
    locations.any(|location| location.path == place && !location.leading_comments().trim().is_empty())
}

#[test]
fn every_method_can_be_retried() {
    let services = crate::descriptor_pool().services();
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    let found: Vec<_> = methods
        .filter(|method| method.full_name().starts_with("dafnck.") && !is_retry_safe(method))
        .map(|method| method.full_name().to_owned())
        .collect();
    assert_eq!(found, [""; 0]);
}

/// Whether a second call does no harm: it has no further effect, or is noticed by an etag, a request id or a value
/// that works once.
fn is_retry_safe(method: &MethodDescriptor) -> bool {
    let level = method.method_descriptor_proto().options.as_ref().map(|options| options.idempotency_level());
    if matches!(level, Some(IdempotencyLevel::NoSideEffects | IdempotencyLevel::Idempotent)) {
        return true;
    }
    let is_guard = |name: &str| matches!(name, "etag" | "request_id") || WORKS_ONCE.contains(&name);
    let request = method.input();
    request.fields().any(|field| match field.kind() {
        // The etag of a resource that is updated, and the header of an upload.
        Kind::Message(message) => message.fields().any(|inner| is_guard(inner.name())),
        _ => is_guard(field.name()),
    })
}

//! The rules in the protos and the server agree on every field: what protovalidate refuses, the server refuses at the same
//! field; what the server refuses for its form, protovalidate refuses too, unless `server_rules` says why not.
//! protovalidate is that for Python and that for Go.

mod messages;
mod oracle;
mod server_rules;
mod values;

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor, Value};
use proto::MethodRules;
use proto::common::{Audience, Principal};
use proto::identity::v1::WhoAmIRequest;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use shared::server::MAX_MESSAGE_BYTES;
use testkit::{Actor, Suite, keys, reason_of, summary};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use self::messages::{Messages, Variant};
use self::oracle::{Oracle, Violation};
use self::server_rules::{SERVER_RULES, ServerRule};
use crate::harness::harness;
use crate::method_rules::{call, channel_for, methods, path_of};

const RANDOM_MESSAGES: usize = 1_000;
const SEED: u64 = 14;
const MAX_RETRIES: usize = 5;
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// Calls in flight.
const CONCURRENCY: usize = 8;

/// What the server says about a request's form.
#[derive(Debug)]
enum Verdict {
    Accepted,
    /// Field and description of each violation.
    Refused(Vec<(String, String)>),
    /// It did not say.
    Unknown(String),
}

impl Verdict {
    fn of(answer: Result<Option<Bytes>, Status>) -> Self {
        let Err(status) = answer else { return Self::Accepted };
        match status.code() {
            Code::InvalidArgument => {
                let violations = status.get_details_bad_request().map(|details| details.field_violations);
                let violations = violations.unwrap_or_default().into_iter();
                Self::Refused(match violations.len() {
                    0 => vec![(String::new(), reason_of(&status))],
                    _ => violations.map(|violation| (violation.field, violation.description)).collect(),
                })
            }
            Code::NotFound
            | Code::AlreadyExists
            | Code::Aborted
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::OutOfRange => Self::Accepted,
            Code::ResourceExhausted if is_of_handler(&status) => Self::Accepted,
            _ => Self::Unknown(format!("{} {}", summary(&status), status.message())),
        }
    }
}

/// Whether a handler made the refusal, after it has read the request, and not the server in front of it.
fn is_of_handler(status: &Status) -> bool {
    const REFUSALS: [&str; 4] =
        ["too many failed ", "too many registrations ", "too many codes ", "another export is running"];
    REFUSALS.iter().any(|refusal| status.message().starts_with(refusal))
}

/// Calls every method as somebody whom it is open to.
struct Caller {
    suite: Suite,
    gus: Actor,
}

impl Caller {
    async fn start() -> Self {
        let suite = harness()
            .start_with(|options| {
                options.limits.requests_per_second = 1_000_000;
                options.limits.request_burst = 1_000_000;
            })
            .await;
        Self { gus: suite.guest("gus").await, suite }
    }

    async fn ask(&self, method: &MethodDescriptor, message: &DynamicMessage) -> Verdict {
        let path = path_of(method);
        let rule = MethodRules::suite().get(&path).unwrap();
        let authorization = || match (rule.audience, rule.principals.first()) {
            (Audience::Service, Some(principal)) => keys::signer(name_of(*principal)).authorization(&path),
            _ => format!("Bearer {}", self.gus.session_token.as_deref().unwrap()),
        };
        let bytes = Bytes::from(message.encode_to_vec());
        let send = || call(channel_for(&self.suite, &path), &path, Some(authorization()), bytes.clone());
        let mut answer = send().await;
        // A busy machine may be too slow for the services' timeouts.
        for _ in 0..MAX_RETRIES {
            if !answer
                .as_ref()
                .is_err_and(|status| matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded))
            {
                break;
            }
            tokio::time::sleep(RETRY_DELAY).await;
            answer = send().await;
        }
        Verdict::of(answer)
    }
}

/// The name under which a principal of this kind authenticates.
fn name_of(principal: Principal) -> &'static str {
    match principal {
        Principal::Operator => "operator",
        Principal::Backend => "backend",
        Principal::Identity => "identity",
        Principal::Project => "project",
        Principal::Task => "task",
        Principal::Content => "content",
        Principal::Unspecified => "nobody",
    }
}

/// Where the two disagree about a request; `None` if they agree.
fn disagreement(message: &DynamicMessage, expected: &[Violation], verdict: &Verdict) -> Option<String> {
    let refused = match verdict {
        Verdict::Accepted => &[][..],
        Verdict::Refused(violations) => violations,
        Verdict::Unknown(answer) => return Some(format!("no verdict: {answer}")),
    };
    let is_named = |violation: &&Violation| refused.iter().any(|(field, _)| names(field, violation));
    let is_cut = refused.iter().any(is_rest);
    let missed = expected.iter().find(|violation| !is_named(violation)).filter(|_| !is_cut);
    if let Some(missed) = missed {
        return Some(format!("the server misses {}: {}, answers {refused:?}", missed.path, missed.text));
    }
    let has_mask = || message.to_string().contains("update_mask");
    let extra = refused.iter().filter(|violation| !is_rest(violation)).find(|(field, description)| {
        !expected.iter().any(|violation| names(field, violation) || is_missing(field, violation))
            && !server_rules::has(description, has_mask())
    });
    extra.map(|(field, description)| format!("only the server refuses {field}: {description}"))
}

/// Whether this stands for the violations that the server leaves out, since there are too many.
fn is_rest((field, description): &(String, String)) -> bool {
    field.is_empty() && description.starts_with("and ")
}

/// Whether the server names the field that the annotations refuse: the same path. What a rule about several fields of a
/// message refuses, the server refuses at these fields.
fn names(field: &str, violation: &Violation) -> bool {
    let is_of_message = || violation.rule.is_empty() || message_rules().contains(&violation.rule);
    field == violation.path || (is_within(field, &violation.path) && is_of_message())
}

/// Whether the field is one of a message that is missing, whose required fields the server names as well.
fn is_missing(field: &str, violation: &Violation) -> bool {
    violation.rule == "required" && is_within(field, &violation.path)
}

fn is_within(field: &str, path: &str) -> bool {
    path.is_empty() || field.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

/// The ids of the rules about several fields of a message.
fn message_rules() -> &'static HashSet<String> {
    static RULES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let pool = proto::descriptor_pool();
        let extension = pool.get_extension_by_name("buf.validate.message").unwrap();
        let rules_of = |message: MessageDescriptor| {
            let options = message.options();
            let rules = options.get_extension(&extension);
            let rules = rules.as_message().unwrap().get_field_by_name("cel").unwrap().into_owned();
            rules.as_list().unwrap().iter().map(rule_id).collect::<Vec<_>>()
        };
        pool.all_messages().flat_map(rules_of).collect()
    });
    &RULES
}

fn rule_id(rule: &Value) -> String {
    rule.as_message().unwrap().get_field_by_name("id").unwrap().as_str().unwrap().to_owned()
}

/// The methods whose requests have fields.
fn methods_with_fields() -> Vec<MethodDescriptor> {
    methods().into_iter().filter(|method| method.input().fields().len() > 0).collect()
}

#[tokio::test]
async fn annotations_and_server_agree_on_every_field() {
    let directory = tempfile::tempdir().unwrap();
    let mut oracle = Oracle::start(directory.path()).await;
    let caller = Caller::start().await;
    let (mut disagreements, mut refused, mut accepted) = (Vec::new(), 0, 0);
    for method in methods_with_fields() {
        let mut messages = Messages { oracle: &mut oracle };
        let base = messages.valid(&method.input()).await;
        let mut variants = messages.variants(&base).await;
        variants.push(Variant { path: "(valid)".to_owned(), message: base });
        let mut judged = Vec::new();
        for variant in
            variants.into_iter().filter(|variant| variant.message.encoded_len() <= MAX_MESSAGE_BYTES)
        {
            let expected = oracle.judge(&variant.message).await;
            if expected.is_empty() {
                accepted += 1
            } else {
                refused += 1
            }
            judged.push((variant, expected));
        }
        let asked = stream::iter(judged).map(|(variant, expected)| {
            let (caller, method) = (&caller, &method);
            async move {
                let verdict = caller.ask(method, &variant.message).await;
                let about = || format!("{} {}", path_of(method), variant.path);
                disagreement(&variant.message, &expected, &verdict)
                    .map(|text| format!("{}: {text} ({})", about(), shown(&variant)))
            }
        });
        let found: Vec<_> =
            asked.buffer_unordered(CONCURRENCY).filter_map(async |found| found).collect().await;
        disagreements.extend(found);
    }
    report(disagreements);
    caller.gus.auth().who_am_i(WhoAmIRequest {}).await.unwrap();
    assert!(refused > 1_000 && accepted > 1_000, "{refused} {accepted}");
}

/// The beginning of a message, for reports.
fn shown(variant: &Variant) -> String {
    format!("{}", variant.message).chars().take(300).collect()
}

#[tokio::test]
async fn annotations_and_server_agree_on_random_messages() {
    let directory = tempfile::tempdir().unwrap();
    let mut oracle = Oracle::start(directory.path()).await;
    let caller = Caller::start().await;
    let methods = methods_with_fields();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut disagreements = Vec::new();
    for _ in 0..RANDOM_MESSAGES {
        let method = methods.choose(&mut random).unwrap();
        let mut messages = Messages { oracle: &mut oracle };
        let base = messages.valid(&method.input()).await;
        let message = messages.random(&base, &mut random).await;
        if message.encoded_len() > MAX_MESSAGE_BYTES {
            continue;
        }
        let expected = oracle.judge(&message).await;
        let verdict = caller.ask(method, &message).await;
        let found = disagreement(&message, &expected, &verdict);
        disagreements.extend(found.map(|text| format!("{}: {text}", path_of(method))));
    }
    report(disagreements);
}

#[tokio::test]
async fn every_rule_of_the_server_alone_is_broken_by_its_example() {
    let directory = tempfile::tempdir().unwrap();
    let mut oracle = Oracle::start(directory.path()).await;
    let caller = Caller::start().await;
    let mut wrong = Vec::new();
    for ServerRule { description, example: (path, request), reason, .. } in SERVER_RULES {
        let method =
            methods().into_iter().find(|method| path_of(method) == format!("/dafnck.{path}")).unwrap();
        let message = DynamicMessage::deserialize(method.input(), request()).unwrap();
        let expected = oracle.judge(&message).await;
        let verdict = caller.ask(&method, &message).await;
        let is_broken = match &verdict {
            Verdict::Refused(violations) => violations.iter().any(|(_, found)| found.contains(description)),
            _ => false,
        };
        if !is_broken || !expected.is_empty() {
            wrong.push(format!("{description} ({reason}): {verdict:?}, {expected:?}"));
        }
    }
    report(wrong);
}

fn report(mut disagreements: Vec<String>) {
    disagreements.sort();
    assert!(disagreements.is_empty(), "{} disagreements:\n{}", disagreements.len(), disagreements.join("\n"));
}

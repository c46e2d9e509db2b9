//! Requests: a valid one of each kind, and the same with one field changed or with several.

use std::time::{SystemTime, UNIX_EPOCH};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::oracle::Oracle;
use super::values;

const DAY: i64 = 24 * 60 * 60;
/// Fields that only a rule about the whole message requires.
const REQUIRED: [(&str, &[&str]); 22] = [
    ("dafnck.common.v1.TimeRange", &["start_time"]),
    ("dafnck.common.v1.DurationRange", &["min_duration"]),
    ("dafnck.content.v1.CreateDocumentRequest", &["document.project_id", "document.title"]),
    ("dafnck.content.v1.UpdateDocumentRequest", &["document.id"]),
    ("dafnck.content.v1.UpdateAttachmentRequest", &["attachment.id"]),
    ("dafnck.content.v1.CommentAnchor", &["version_number", "end_char"]),
    ("dafnck.content.v1.CreateCommentRequest", &["comment.target", "comment.content"]),
    ("dafnck.content.v1.UpdateCommentRequest", &["comment.id"]),
    ("dafnck.task.v1.CreateTimeEntryRequest", &["time_entry.task_id", "time_entry.started_at"]),
    ("dafnck.task.v1.UpdateTimeEntryRequest", &["time_entry.id"]),
    ("dafnck.task.v1.CreateMilestoneRequest", &["milestone.project_id", "milestone.name"]),
    ("dafnck.task.v1.UpdateMilestoneRequest", &["milestone.id"]),
    ("dafnck.project.v1.CreateProjectRequest", &["project.name"]),
    ("dafnck.project.v1.UpdateProjectRequest", &["project.id"]),
    ("dafnck.project.v1.AddMemberRequest", &["member.project_id", "member.user_id"]),
    ("dafnck.project.v1.UpdateMemberRequest", &["member.project_id", "member.user_id"]),
    ("dafnck.project.v1.CreateWebhookRequest", &["webhook.project_id", "webhook.url"]),
    ("dafnck.project.v1.UpdateWebhookRequest", &["webhook.id"]),
    ("dafnck.task.v1.CreateTaskRequest", &["task.project_id", "task.title"]),
    ("dafnck.task.v1.UpdateTaskRequest", &["task.id"]),
    ("dafnck.task.v1.BatchCreateTasksRequest", &["tasks.title"]),
    ("dafnck.task.v1.CommonTaskUpdate", &["task_ids"]),
];

/// A request with something changed.
pub struct Variant {
    /// The field that was changed.
    pub path: String,
    pub message: DynamicMessage,
}

/// Makes requests, and asks which are valid.
pub struct Messages<'a> {
    pub oracle: &'a mut Oracle,
}

impl Messages<'_> {
    /// A valid message with little in it.
    pub async fn valid(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        let required = REQUIRED.iter().find(|(name, _)| *name == descriptor.full_name());
        for path in required.iter().flat_map(|(_, paths)| *paths) {
            self.fill(&mut message, path).await;
        }
        loop {
            let violations = self.oracle.judge(&message).await;
            if violations.is_empty() {
                return message;
            }
            for violation in violations {
                assert_ne!(violation.path, "", "{}: {violation:?}", descriptor.full_name());
                self.fill(&mut message, &violation.path).await;
            }
        }
    }

    /// Sets the field at a path to something valid.
    async fn fill(&mut self, message: &mut DynamicMessage, path: &str) {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let name = name.split('[').next().unwrap();
        let descriptor = message.descriptor();
        let of_oneof = || descriptor.oneofs().find(|oneof| oneof.name() == name)?.fields().next();
        let field = descriptor.get_field_by_name(name).or_else(of_oneof);
        let field = field.unwrap_or_else(|| panic!("{} has no {name}", descriptor.full_name()));
        if !message.has_field(&field) || rest.is_empty() {
            message.set_field(&field, Box::pin(self.sample(&field)).await);
        }
        if !rest.is_empty() {
            match message.get_field_mut(&field) {
                Value::Message(inner) => Box::pin(self.fill(inner, rest)).await,
                Value::List(items) => {
                    for item in items {
                        Box::pin(self.fill(item.as_message_mut().unwrap(), rest)).await;
                    }
                }
                other => panic!("{path}: {other:?}"),
            }
        }
    }

    /// A valid value of a field.
    async fn sample(&mut self, field: &FieldDescriptor) -> Value {
        let single = self.sample_item(field).await;
        if field.is_list() { Value::List(vec![single]) } else { single }
    }

    async fn sample_item(&mut self, field: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
                values::with_seconds(&message, moment_for(field.name()), 0)
            }
            Kind::Message(message) if is_ours(&message) => {
                Value::Message(Box::pin(self.valid(&message)).await)
            }
            Kind::Enum(values) => Value::EnumNumber(values.values().last().unwrap().number()),
            _ => self.sample_scalar(field).await,
        }
    }

    async fn sample_scalar(&mut self, field: &FieldDescriptor) -> Value {
        for value in values::items(field).into_iter().filter(|value| !value.is_default(&field.kind())) {
            let mut message = DynamicMessage::new(field.parent_message().clone());
            let whole = if field.is_list() { Value::List(vec![value.clone()]) } else { value.clone() };
            message.set_field(field, whole);
            let violations = self.oracle.judge(&message).await;
            if !violations.iter().any(|v| v.path.split(['[', '.']).next() == Some(field.name())) {
                return value;
            }
        }
        panic!("no valid value for {}", field.full_name())
    }

    /// Values for a field that is no message of ours.
    async fn values(&mut self, field: &FieldDescriptor) -> Vec<Value> {
        if !field.is_list() {
            return values::items(field);
        }
        let mut lists = Vec::new();
        for item in values::items(field) {
            lists.push(Value::List(vec![item.clone()]));
            // The second item is refused, and not the first one.
            lists.push(Value::List(vec![self.sample_item(field).await, item]));
        }
        let item = self.sample_item(field).await;
        lists.push(Value::List(vec![item.clone(); 2]));
        lists.extend(values::lists(field, &item));
        lists
    }

    /// The message with each field in turn set to each of its values, and without it.
    pub async fn variants(&mut self, base: &DynamicMessage) -> Vec<Variant> {
        let mut found = Vec::new();
        for field in fields_of(base) {
            let mut add = |path: String, value: Option<Value>| {
                let mut message = base.clone();
                match value {
                    Some(value) => message.set_field(&field, value),
                    None => message.clear_field(&field),
                }
                found.push(Variant { path, message });
            };
            add(field.name().to_owned(), None);
            if is_output_only(&field) {
                values::ignored(&field)
                    .into_iter()
                    .for_each(|value| add(field.name().to_owned(), Some(value)));
                continue;
            }
            match field.kind() {
                Kind::Message(inner) if is_ours(&inner) => {
                    let inner = match base.get_field(&field).as_ref() {
                        Value::List(items) if !items.is_empty() => items[0].as_message().unwrap().clone(),
                        Value::Message(inner) if base.has_field(&field) => inner.clone(),
                        _ => Box::pin(self.valid(&inner)).await,
                    };
                    for variant in Box::pin(self.variants(&inner)).await {
                        let value = Value::Message(variant.message);
                        let value = if field.is_list() { after_valid(&inner, value) } else { value };
                        add(format!("{}.{}", field.name(), variant.path), Some(value));
                    }
                    if field.is_list() {
                        let item = Value::Message(inner);
                        for list in values::lists(&field, &item) {
                            add(field.name().to_owned(), Some(list));
                        }
                    }
                }
                _ => {
                    for value in self.values(&field).await {
                        add(field.name().to_owned(), Some(value));
                    }
                }
            }
        }
        found
    }

    /// The message with some fields set to some of their values.
    pub async fn random(&mut self, base: &DynamicMessage, random: &mut StdRng) -> DynamicMessage {
        let mut message = base.clone();
        for field in fields_of(base).into_iter().filter(|field| !is_output_only(field)) {
            match field.kind() {
                Kind::Message(inner) if is_ours(&inner) => {
                    if !base.has_field(&field) && random.random_bool(0.6) {
                        continue;
                    }
                    let inner = self.valid(&inner).await;
                    let changed = Value::Message(Box::pin(self.random(&inner, random)).await);
                    let value = if field.is_list() { after_valid(&inner, changed) } else { changed };
                    message.set_field(&field, value);
                }
                _ if random.random_bool(0.3) => {
                    message.set_field(&field, self.values(&field).await.choose(random).unwrap().clone());
                }
                _ => {}
            }
        }
        message
    }
}

/// A list whose second item is tried.
fn after_valid(valid: &DynamicMessage, item: Value) -> Value {
    Value::List(vec![values::with_fresh_ids(&Value::Message(valid.clone())), item])
}

/// A time that fits the meaning of a field, in seconds since 1970.
fn moment_for(field: &str) -> i64 {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    match field {
        "due_at" | "expires_at" => now + DAY,
        "end_time" | "ended_at" => now - DAY,
        _ => now - 2 * DAY,
    }
}

/// The fields of a request that are tried. Parts of a stream that cannot come first are not; tests of uploads try them.
fn fields_of(message: &DynamicMessage) -> Vec<FieldDescriptor> {
    message.descriptor().fields().filter(|field| field.name() != "chunk").collect()
}

/// Whether the suite defines the message: it has fields of its own to try.
fn is_ours(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("dafnck.")
}

/// Whether a request's value of the field is ignored.
fn is_output_only(field: &FieldDescriptor) -> bool {
    const OUTPUT_ONLY: i32 = 3;
    let extension = proto::descriptor_pool().get_extension_by_name("google.api.field_behavior").unwrap();
    let options = field.options();
    let behaviors = options.get_extension(&extension);
    behaviors.as_list().unwrap().contains(&Value::EnumNumber(OUTPUT_ONLY))
}

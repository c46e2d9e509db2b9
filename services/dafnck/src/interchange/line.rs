//! A line of an interchange file: the message of an importing RPC in the JSON mapping of its proto, with a `type`.

use prost::Message;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a line is about, in the order in which lines are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "FORMAT.md")]
pub enum Kind {
    User,
    Project,
    Member,
    TaskCounter,
    Milestone,
    Task,
    Dependency,
    TimeEntry,
    Document,
    DocumentVersion,
    Attachment,
    Comment,
}

/// The number of its line, which a message has only on its way to a service.
const NUMBER: &str = "line";
const TYPE: &str = "type";

impl Kind {
    /// All, in the order in which they are stored.
    pub const ALL: [Self; 12] = [
        Self::User,
        Self::Project,
        Self::Member,
        Self::TaskCounter,
        Self::Milestone,
        Self::Task,
        Self::Dependency,
        Self::TimeEntry,
        Self::Document,
        Self::DocumentVersion,
        Self::Attachment,
        Self::Comment,
    ];

    /// As `type` has it, and the full name of the message.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::User => ("user", "dafnck.identity.admin.v1.ImportedUser"),
            Self::Project => ("project", "dafnck.project.admin.v1.ImportedProject"),
            Self::Member => ("member", "dafnck.project.admin.v1.ImportedMember"),
            Self::TaskCounter => ("task_counter", "dafnck.task.admin.v1.ImportedTaskCounter"),
            Self::Milestone => ("milestone", "dafnck.task.admin.v1.ImportedMilestone"),
            Self::Task => ("task", "dafnck.task.admin.v1.ImportedTask"),
            Self::Dependency => ("dependency", "dafnck.task.admin.v1.ImportedTaskDependency"),
            Self::TimeEntry => ("time_entry", "dafnck.task.admin.v1.ImportedTimeEntry"),
            Self::Document => ("document", "dafnck.content.admin.v1.ImportedDocument"),
            Self::DocumentVersion => ("document_version", "dafnck.content.admin.v1.ImportedDocumentVersion"),
            Self::Attachment => ("attachment", "dafnck.content.admin.v1.ImportedAttachment"),
            Self::Comment => ("comment", "dafnck.content.admin.v1.ImportedComment"),
        }
    }

    /// For people, in the plural.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Project => "projects",
            Self::Member => "members",
            Self::TaskCounter => "task counters",
            Self::Milestone => "milestones",
            Self::Task => "tasks",
            Self::Dependency => "dependencies",
            Self::TimeEntry => "time entries",
            Self::Document => "documents",
            Self::DocumentVersion => "versions",
            Self::Attachment => "attachments",
            Self::Comment => "comments",
        }
    }

    fn descriptor(self) -> Result<MessageDescriptor, String> {
        let pool: &DescriptorPool = proto::descriptor_pool();
        let (_, name) = self.names();
        pool.get_message_by_name(name).ok_or_else(|| format!("there is no message {name}"))
    }
}

/// What only looks at a line's type: other lines than those of a pass are not taken apart.
#[derive(Deserialize)]
#[serde(expecting = "an object with a `type`")]
struct Head {
    #[serde(rename = "type")]
    kind: Kind,
}

/// The kind of a line. All of the line must be JSON.
///
/// # Errors
/// Why it cannot be read, in a sentence.
pub fn kind_of(json: &[u8]) -> Result<Kind, String> {
    serde_json::from_slice::<Head>(json).map(|head| head.kind).map_err(complaint)
}

/// The fields of a line, without its type.
///
/// # Errors
/// As [`kind_of`].
pub fn fields_of(json: &[u8]) -> Result<Map<String, Value>, String> {
    let mut fields: Map<String, Value> = serde_json::from_slice(json).map_err(complaint)?;
    fields.remove(TYPE);
    Ok(fields)
}

/// The message of a line with this number. Fields that the proto does not have are refused; all other rules are the
/// service's.
///
/// # Errors
/// Why it is no such message, in a sentence.
pub fn decode<M: Message + Default>(
    kind: Kind,
    fields: Map<String, Value>,
    number: u64,
) -> Result<M, String> {
    let mut message = decode_dynamic(kind, fields)?;
    message.set_field_by_name(NUMBER, prost_reflect::Value::U64(number));
    message.transcode_to().map_err(|error| error.to_string())
}

/// Refuses what is no message of this kind.
///
/// # Errors
/// As [`decode`].
pub fn check(kind: Kind, fields: Map<String, Value>) -> Result<(), String> {
    decode_dynamic(kind, fields).map(drop)
}

pub(crate) fn decode_dynamic(kind: Kind, fields: Map<String, Value>) -> Result<DynamicMessage, String> {
    if fields.contains_key(NUMBER) {
        return Err(format!("unrecognized field name '{NUMBER}'"));
    }
    let options = DeserializeOptions::new();
    DynamicMessage::deserialize_with_options(kind.descriptor()?, Value::Object(fields), &options)
        .map_err(|error| error.to_string())
}

/// The fields of a message, in the order of their names, so that equal content is equal text.
///
/// # Errors
/// When the message is of another kind.
pub fn encode(kind: Kind, message: &impl Message) -> anyhow::Result<Map<String, Value>> {
    let mut dynamic = DynamicMessage::new(kind.descriptor().map_err(anyhow::Error::msg)?);
    dynamic.transcode_from(message)?;
    dynamic.clear_field_by_name(NUMBER);
    match serde_json::to_value(&dynamic)? {
        Value::Object(fields) => Ok(fields),
        other => anyhow::bail!("{other} is no object"),
    }
}

/// A line of these fields, with its type in front.
///
/// # Errors
/// When they cannot be written.
pub fn to_line(kind: Kind, fields: &Map<String, Value>) -> anyhow::Result<String> {
    let (name, _) = kind.names();
    let text = serde_json::to_string(fields)?;
    let separator = if fields.is_empty() { "" } else { "," };
    Ok(format!(r#"{{"{TYPE}":"{name}"{separator}{}"#, text.trim_start_matches('{')))
}

/// The reader's complaint; it counts lines within what it got, which is one line.
fn complaint(error: serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(text) => format!("{text} (column {})", error.column()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proto::project::admin::v1::{ImportedMember, ImportedProject};
    use proto::task::admin::v1::ImportedTask;

    use super::*;

    fn parse<M: Message + Default>(text: &str) -> Result<M, String> {
        let kind = kind_of(text.as_bytes())?;
        decode(kind, fields_of(text.as_bytes())?, 7)
    }

    fn write(kind: Kind, message: &impl Message) -> String {
        to_line(kind, &encode(kind, message).unwrap()).unwrap()
    }

    #[test]
    fn a_line_is_its_message_and_comes_back_the_same() {
        let text = r#"{"type":"member","joinedAt":"2020-01-02T00:00:00Z","projectId":"p","role":"PROJECT_ROLE_VIEWER","userId":"u"}"#;
        let member: ImportedMember = parse(text).unwrap();
        assert_eq!((member.line, member.project_id.as_str()), (7, "p"));
        assert_eq!(write(Kind::Member, &member), text);
        assert_eq!(write(Kind::Task, &ImportedTask::default()), r#"{"type":"task"}"#);
    }

    #[test]
    fn names_of_fields_may_be_those_of_the_proto() {
        let member: ImportedMember = parse(r#"{"type":"member","project_id":"p"}"#).unwrap();
        assert_eq!(member.project_id, "p");
    }

    #[test]
    fn numbers_come_back_the_same() {
        use rand::{Rng, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        for _ in 0..10_000 {
            let number: f64 = f64::from_bits(random.random());
            let small: f64 = random.random();
            for number in [number, small].into_iter().filter_map(serde_json::Number::from_f64) {
                let text = format!(r#"{{"type":"project","id":"p","settings":{{"n":{number}}}}}"#);
                let project: ImportedProject = parse(&text).unwrap();
                let fields = encode(Kind::Project, &project).unwrap();
                assert_eq!(fields["settings"]["n"].as_f64(), number.as_f64());
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let complaints = [
            r#"{"type":"user""#,
            r#"{"type":"users"}"#,
            r#"{"id":"x"}"#,
            "[]",
            "7",
            r#"{"type":"task","colour":1}"#,
            r#"{"type":"task","line":1}"#,
            r#"{"type":"task","status":"doing"}"#,
            r#"{"type":"task","createdAt":"soon"}"#,
            r#"{"type":"task","title":7}"#,
        ]
        .map(|text| parse::<ImportedTask>(text).unwrap_err());
        let expected = expect_test::expect![[r#"
            EOF while parsing an object (column 14)
            unknown variant `users`, expected one of `user`, `project`, `member`, `task_counter`, `milestone`, `task`, `dependency`, `time_entry`, `document`, `document_version`, `attachment`, `comment` (column 15)
            missing field `type` (column 10)
            invalid length 0, expected an object with a `type` (column 2)
            invalid type: integer `7`, expected an object with a `type` (column 1)
            unrecognized field name 'colour'
            unrecognized field name 'line'
            unrecognized enum value 'doing'
            invalid rfc3339 timestamp: invalid date
            invalid type: integer `7`, expected a string"#]];
        expected.assert_eq(&complaints.join("\n"));
    }
}

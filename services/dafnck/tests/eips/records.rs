//! The lines that proposals become, with the fields that they have (`FORMAT.md`).

use chrono::{DateTime, NaiveDate, Utc};
use dafnck::interchange::line::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A point in time: RFC 3339, or a date, which is its first second in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(pub DateTime<Utc>);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let date = || Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc());
        let time = DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc()).ok().or_else(date);
        time.map(Self).ok_or_else(|| format!("`{text}` is neither an RFC 3339 time nor a date"))
    }
}

/// One line.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    User(User),
    Project(Project),
    Member(Member),
    Task(Task),
    Dependency(Dependency),
    Document(Document),
    DocumentVersion(DocumentVersion),
    Attachment(Attachment),
}

impl Line {
    pub fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::User,
            Self::Project(_) => Kind::Project,
            Self::Member(_) => Kind::Member,
            Self::Task(_) => Kind::Task,
            Self::Dependency(_) => Kind::Dependency,
            Self::Document(_) => Kind::Document,
            Self::DocumentVersion(_) => Kind::DocumentVersion,
            Self::Attachment(_) => Kind::Attachment,
        }
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: Uuid,
    pub email: String,
    pub username: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub created_at: Option<Moment>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    pub id: Uuid,
    pub name: String,
    pub owner_id: Uuid,
    pub visibility: &'static str,
    pub created_at: Moment,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub project_id: Uuid,
    pub user_id: Uuid,
    pub role: &'static str,
    pub joined_at: Option<Moment>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    pub id: Uuid,
    pub project_id: Uuid,
    pub title: String,
    pub status: &'static str,
    pub creator_id: Uuid,
    pub tags: Vec<String>,
    pub metadata: Map<String, Value>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    pub task_id: Uuid,
    pub depends_on_task_id: Uuid,
    pub dependency_type: &'static str,
    pub created_at: Moment,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: Uuid,
    pub project_id: Uuid,
    pub title: String,
    pub content_type: &'static str,
    pub author_id: Uuid,
    pub status: &'static str,
    pub metadata: Map<String, Value>,
    pub created_at: Moment,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentVersion {
    pub document_id: Uuid,
    pub version_number: i32,
    pub content: String,
    pub change_summary: Option<String>,
    pub author_id: Uuid,
    pub created_at: Option<Moment>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    pub task_id: Uuid,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    pub id: Uuid,
    pub target: Target,
    pub filename: String,
    pub path: String,
    pub sha256: String,
    pub uploader_id: Uuid,
    pub created_at: Moment,
}

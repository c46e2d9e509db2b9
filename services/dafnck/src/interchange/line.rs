//! A line of an interchange file: what it is about, and how it is read.

use serde::{Deserialize, Serialize};

use super::records::{
    Attachment, Dependency, Document, DocumentVersion, Member, Project, ProjectKey, Task, User,
};

/// What a line is about, in the order in which lines are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`User`].
    User,
    /// [`Project`].
    Project,
    /// [`Member`].
    Member,
    /// [`ProjectKey`].
    ProjectKey,
    /// [`Task`].
    Task,
    /// [`Dependency`].
    Dependency,
    /// [`Document`].
    Document,
    /// [`DocumentVersion`].
    DocumentVersion,
    /// [`Attachment`].
    Attachment,
}

impl Kind {
    /// All, in the order in which they are stored.
    pub const ALL: [Self; 9] = [
        Self::User,
        Self::Project,
        Self::Member,
        Self::ProjectKey,
        Self::Task,
        Self::Dependency,
        Self::Document,
        Self::DocumentVersion,
        Self::Attachment,
    ];

    /// For people, in the plural.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Project => "projects",
            Self::Member => "members",
            Self::ProjectKey => "project keys",
            Self::Task => "tasks",
            Self::Dependency => "dependencies",
            Self::Document => "documents",
            Self::DocumentVersion => "versions",
            Self::Attachment => "attachments",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(missing_docs, reason = "each variant says what it holds")]
pub enum Line {
    User(User),
    Project(Project),
    Member(Member),
    ProjectKey(ProjectKey),
    Task(Task),
    Dependency(Dependency),
    Document(Document),
    DocumentVersion(DocumentVersion),
    Attachment(Attachment),
}

impl Line {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::User,
            Self::Project(_) => Kind::Project,
            Self::Member(_) => Kind::Member,
            Self::ProjectKey(_) => Kind::ProjectKey,
            Self::Task(_) => Kind::Task,
            Self::Dependency(_) => Kind::Dependency,
            Self::Document(_) => Kind::Document,
            Self::DocumentVersion(_) => Kind::DocumentVersion,
            Self::Attachment(_) => Kind::Attachment,
        }
    }
}

/// Reads one line.
///
/// # Errors
/// Why it cannot be read, in a sentence.
pub fn parse(json: &[u8]) -> Result<Line, String> {
    serde_json::from_slice(json).map_err(complaint)
}

/// What only looks at a line's type: other lines than those of a pass are not taken apart.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Kind,
}

/// The kind of a line. All of the line must be JSON.
///
/// # Errors
/// As [`parse`].
pub fn kind_of(json: &[u8]) -> Result<Kind, String> {
    serde_json::from_slice::<Head>(json).map(|head| head.kind).map_err(complaint)
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
    use super::*;

    const ID: &str = "00000000-0000-4000-8000-000000000001";

    #[test]
    fn a_line_says_what_it_is_and_comes_back_the_same() {
        let text = format!(
            r#"{{"type":"member","project_id":"{ID}","user_id":"{ID}","role":"viewer","joined_at":"2020-01-02"}}"#
        );
        assert_eq!(kind_of(text.as_bytes()), Ok(Kind::Member));
        let line = parse(text.as_bytes()).unwrap();
        let again = serde_json::to_string(&line).unwrap();
        assert!(again.contains("2020-01-02T00:00:00Z"), "{again}");
        assert_eq!(parse(again.as_bytes()), Ok(line));
    }

    #[test]
    fn numbers_come_back_the_same() {
        use rand::{Rng, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        for _ in 0..10_000 {
            let number: f64 = f64::from_bits(random.random());
            let small: f64 = random.random();
            for number in [number, small].into_iter().filter_map(serde_json::Number::from_f64) {
                let text = format!(
                    r#"{{"type":"project","id":"{ID}","name":"a","owner_id":"{ID}","settings":{{"n":{number}}}}}"#
                );
                let Ok(Line::Project(project)) = parse(text.as_bytes()) else { panic!("{text}") };
                assert_eq!(project.settings["n"].as_f64(), number.as_f64());
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let complaints = [
            r#"{"type":"user""#.to_owned(),
            r#"{"type":"users"}"#.to_owned(),
            r#"{"id":"x"}"#.to_owned(),
            format!(r#"{{"type":"user","id":"{ID}","email":"a@b.cd"}}"#),
            format!(r#"{{"type":"user","id":"{ID}","email":"a@b.cd","username":"abc","colour":1}}"#),
            format!(r#"{{"type":"member","project_id":"{ID}","user_id":"{ID}","joined_at":"soon"}}"#),
            r#"{"type":"member","project_id":"7"}"#.to_owned(),
        ]
        .map(|text| kind_of(text.as_bytes()).and_then(|_| parse(text.as_bytes())).unwrap_err());
        let expected = expect_test::expect![[r#"
            EOF while parsing an object (column 14)
            unknown variant `users`, expected one of `user`, `project`, `member`, `project_key`, `task`, `dependency`, `document`, `document_version`, `attachment` (column 15)
            missing field `type` (column 10)
            missing field `username`
            unknown field `colour`, expected one of `id`, `email`, `username`, `status`, `email_verified`, `first_name`, `last_name`, `avatar_url`, `password_hash`, `metadata`, `created_at`, `updated_at`, `last_login_at`, `profile`
            `soon` is neither an RFC 3339 time nor a date
            UUID parsing failed: invalid length: found 1"#]];
        expected.assert_eq(&complaints.join("\n"));
    }
}

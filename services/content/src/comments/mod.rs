//! Comments on tasks, documents and projects: threads of one level, edits with history, reactions and mentions.
//!
//! A deleted comment keeps its row, so that its replies stay; the database deletes what was written. Versions and their
//! numbers are the database's work as well.

pub(crate) mod anchors;
pub(crate) mod feed;
pub(crate) mod mentions;
pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod search;
pub(crate) mod wire;

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{Array, Integer, Jsonb, Nullable, Oid, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{Insertable, Queryable, QueryableByName, Selectable};
use serde::Deserialize;
use serde_json::Value;
use shared::access::ProjectAccess;
use shared::error::{Error, ErrorReason, Result};
use shared::etag::RowVersion;
use uuid::Uuid;

use crate::schema::comments;
use crate::targets::{ContentTarget, EntityType};

/// Largest content, in bytes of UTF-8.
pub const MAX_CONTENT_BYTES: usize = 16 * 1024;
/// Most contents that a comment has over time. An export has all of them in one message.
pub const MAX_VERSIONS: i32 = 100;
/// Most different emoji on a comment.
pub const MAX_EMOJI: usize = 20;
/// Most reactions to a comment.
pub const MAX_REACTIONS: usize = 1_000;
/// Longest quote of an anchor, in characters.
pub const MAX_QUOTE_CHARS: usize = 1_000;
/// Most attachments of a comment.
pub const MAX_ATTACHMENTS: usize = 20;
/// Longest emoji, in characters.
pub const MAX_EMOJI_CHARS: usize = 16;

/// A comment. The change log has it as JSON, without content, reactions, number of replies and row version.
#[derive(Clone, Debug, PartialEq, QueryableByName, Deserialize)]
#[diesel(check_for_backend(Pg))]
pub struct Comment {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub project_id: Uuid,
    #[diesel(sql_type = Text)]
    pub entity_type: EntityType,
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: Uuid,
    /// The comment that it replies to.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub parent_id: Option<Uuid>,
    #[diesel(sql_type = SqlUuid)]
    pub author_id: Uuid,
    /// Empty if the comment is deleted.
    #[diesel(sql_type = Text)]
    #[serde(skip)]
    pub content: String,
    #[diesel(sql_type = Array<SqlUuid>)]
    pub mentioned_user_ids: Vec<Uuid>,
    #[diesel(sql_type = Array<SqlUuid>)]
    pub attachment_ids: Vec<Uuid>,
    /// Number of the content, from 1; 0 if the comment is deleted.
    #[diesel(sql_type = Integer)]
    pub version: i32,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
    /// When the content was written.
    #[diesel(sql_type = Timestamptz)]
    pub edited_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub resolved_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub resolver_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub deleted_at: Option<DateTime<Utc>>,
    #[diesel(embed)]
    #[serde(flatten)]
    pub anchor: AnchorColumns,
    #[diesel(sql_type = Oid, column_name = "xmin")]
    #[serde(skip)]
    pub row_version: RowVersion,
    /// Without deleted ones.
    #[diesel(sql_type = Integer)]
    #[serde(skip)]
    pub reply_count: i32,
    #[diesel(sql_type = Jsonb)]
    #[serde(skip)]
    pub reactions: Reactions,
}

/// The range of a document that a comment is about; all `None` if it is about the whole target.
#[derive(
    Clone, Debug, Default, PartialEq, QueryableByName, Queryable, Insertable, Selectable, Deserialize,
)]
#[diesel(table_name = comments, check_for_backend(Pg))]
pub struct AnchorColumns {
    pub anchor_version: Option<i32>,
    /// The first character, from 0.
    pub anchor_start: Option<i32>,
    /// The character after the last.
    pub anchor_end: Option<i32>,
    /// The beginning of the text.
    #[serde(skip)]
    pub anchor_quote: Option<String>,
    /// Whether newer versions do not have the text.
    pub anchor_outdated: bool,
}

/// A range of a version of a document, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub version: i32,
    pub start: i32,
    pub end: i32,
}

impl Comment {
    pub fn target(&self) -> ContentTarget {
        ContentTarget { entity_type: self.entity_type, id: self.entity_id }
    }

    /// Fails with `AUTHOR_ONLY` for others.
    pub fn require_author(&self, access: &ProjectAccess) -> Result<()> {
        if self.author_id == access.user_id {
            return Ok(());
        }
        Err(Error::PermissionDenied {
            reason: ErrorReason::AuthorOnly,
            message: "only the author may change a comment".to_owned(),
            metadata: Vec::new(),
        })
    }

    /// Fails with `COMMENT_DELETED` if the comment is deleted.
    pub fn require_present(&self) -> Result<()> {
        if self.deleted_at.is_some() {
            return Err(Error::precondition(ErrorReason::CommentDeleted, "the comment is deleted"));
        }
        Ok(())
    }

    /// Fails with `TOO_MANY_EDITS` if the comment has [`MAX_VERSIONS`].
    pub fn require_further_version(&self) -> Result<()> {
        if self.version < MAX_VERSIONS {
            return Ok(());
        }
        Err(Error::Precondition {
            reason: ErrorReason::TooManyEdits,
            message: "the comment was edited too often".to_owned(),
            metadata: vec![("limit", MAX_VERSIONS.to_string())],
        })
    }

    /// Whether the caller reacts with this emoji.
    pub fn has_own_reaction(&self, emoji: &str) -> bool {
        self.reactions.0.iter().any(|reaction| reaction.own && reaction.emoji == emoji)
    }
}

/// The reactions to a comment, in the order in which their emoji came first.
#[derive(Clone, Debug, Default, PartialEq, FromSqlRow)]
pub struct Reactions(pub Vec<ReactionCount>);

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ReactionCount {
    pub emoji: String,
    pub count: i32,
    /// The first of the users.
    pub user_ids: Vec<Uuid>,
    /// Whether the caller is one of the users.
    pub own: bool,
}

impl FromSql<Jsonb, Pg> for Reactions {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let value = <Value as FromSql<Jsonb, Pg>>::from_sql(value)?;
        Ok(Self(serde_json::from_value(value)?))
    }
}

/// A content that a comment has or had.
#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub struct CommentVersion {
    #[diesel(sql_type = SqlUuid)]
    pub comment_id: Uuid,
    #[diesel(sql_type = Integer)]
    pub version_number: i32,
    #[diesel(sql_type = Text)]
    pub content: String,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// How many comments a target has.
#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub struct CommentCount {
    #[diesel(sql_type = Integer)]
    pub comment_count: i32,
    /// Those that begin an open thread.
    #[diesel(sql_type = Integer)]
    pub open_count: i32,
}

/// What a comment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentParent {
    /// It begins a thread on this target.
    Target(ContentTarget),
    /// It replies to this comment.
    Comment(Uuid),
}

impl CommentParent {
    /// The id of the target or parent.
    pub fn id(self) -> Uuid {
        match self {
            Self::Target(target) => target.id,
            Self::Comment(id) => id,
        }
    }
}

/// Which comments of a target to list. Fields that are empty do not filter; all others must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommentFilter {
    pub author_ids: Vec<Uuid>,
    pub mentioned_user_id: Option<Uuid>,
    /// This comment or a reply to it.
    pub thread_id: Option<Uuid>,
    /// Whether it begins a thread.
    pub root: Option<bool>,
    /// Whether it begins a thread that is resolved.
    pub resolved: Option<bool>,
}

/// An emoji in the form that Unicode recommends. It begins with a symbol: digits and punctuation that become emoji in
/// sequences do not.
pub fn emoji(text: &str) -> Option<&'static str> {
    let begins_with_symbol = |text: &&str| {
        let first = text.chars().next();
        first.is_some_and(|first| {
            !first.is_ascii() && !matches!(first, '\u{203c}' | '\u{2049}' | '\u{3030}' | '\u{303d}')
        })
    };
    emojis::get(text).map(emojis::Emoji::as_str).filter(begins_with_symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emoji_is_one_of_unicode_and_has_one_form() {
        for good in ["👍", "🎉", "👩‍🚀", "🇺🇦", "👍🏽", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"] {
            assert_eq!(emoji(good), Some(good));
        }
        assert_eq!(emoji("❤"), emoji("❤\u{fe0f}"));
        for bad in ["", "a", "+1", "👍👍", "👍 ", "1\u{fe0f}\u{20e3}", "‼\u{fe0f}", "☐", "\u{200d}"]
        {
            assert_eq!(emoji(bad), None, "{bad:?}");
        }
    }
}

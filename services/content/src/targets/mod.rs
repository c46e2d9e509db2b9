//! What attachments and comments belong to: projects, and documents of this service, and tasks of the task service.

pub(crate) mod access;
pub(crate) mod deleted_tasks;
mod queries;
pub(crate) mod wire;

use std::io::Write;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Text;
use serde::Deserialize;
use uuid::Uuid;

/// The type of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow, Deserialize)]
#[serde(rename_all = "snake_case")]
#[diesel(sql_type = Text)]
pub enum EntityType {
    Task,
    Document,
    Project,
}

impl EntityType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Document => "document",
            Self::Project => "project",
        }
    }
}

impl ToSql<Text, Pg> for EntityType {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.as_str().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Text, Pg> for EntityType {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let label = std::str::from_utf8(value.as_bytes())?;
        let known = [Self::Task, Self::Document, Self::Project].into_iter().find(|e| e.as_str() == label);
        known.ok_or_else(|| format!("unknown entity type {label:?}").into())
    }
}

/// What an attachment or a comment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentTarget {
    pub entity_type: EntityType,
    pub id: Uuid,
}

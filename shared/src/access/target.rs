//! What a caller asks for, and how the project that it belongs to is found.

use std::fmt;

use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{AccessTables, ProjectAccess};
use crate::database::PreparedQuery;
use crate::error::{Error, Result};

/// A project, or a resource in one.
#[derive(Clone, Debug)]
pub struct AccessTarget {
    resource: &'static str,
    key: Key,
    lookup: Lookup,
}

#[derive(Clone, Debug)]
enum Key {
    Id(Uuid),
    Name(String),
}

#[derive(Clone, Copy, Debug)]
enum Lookup {
    /// The project is known.
    Project(Uuid),
    /// This SQL function finds it from the key, whoever asks.
    Through(&'static str),
}

#[derive(QueryableByName)]
struct ProjectRow {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    project_id: Option<Uuid>,
}

impl AccessTarget {
    /// A project.
    pub fn project(id: Uuid) -> Self {
        Self::in_project("project", id, id)
    }

    /// A resource, as `task`, of a project that is known.
    pub fn in_project(resource: &'static str, id: Uuid, project_id: Uuid) -> Self {
        Self { resource, key: Key::Id(id), lookup: Lookup::Project(project_id) }
    }

    /// A resource whose project this SQL function finds from its id, whoever asks.
    pub fn found_by(finder: &'static str, resource: &'static str, id: Uuid) -> Self {
        Self { resource, key: Key::Id(id), lookup: Lookup::Through(finder) }
    }

    /// As [`Self::found_by`], from a name.
    pub fn found_by_name(finder: &'static str, resource: &'static str, name: String) -> Self {
        Self { resource, key: Key::Name(name), lookup: Lookup::Through(finder) }
    }

    /// The answer to a caller who may not see it.
    pub fn not_found(&self) -> Error {
        Error::not_found(self.resource, &self.key)
    }

    /// What a user may do there. The project is found and access is read in one round trip.
    ///
    /// # Errors
    /// `NOT_FOUND` for what the user may not see.
    pub async fn access(
        &self,
        tables: AccessTables,
        conn: &AsyncPgConnection,
        user_id: Uuid,
    ) -> Result<ProjectAccess> {
        let access = match (&self.key, self.lookup) {
            (_, Lookup::Project(project_id)) => tables.access(conn, project_id, user_id).await?,
            (Key::Id(id), Lookup::Through(finder)) => {
                tables.access_through(conn, finder, *id, user_id).await?
            }
            (Key::Name(name), Lookup::Through(finder)) => {
                tables.access_through_name(conn, finder, name, user_id).await?
            }
        };
        access.ok_or_else(|| self.not_found())
    }

    /// The project, whoever asks; `None` for a resource that does not exist.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn project_id(&self, mut conn: &AsyncPgConnection) -> Result<Option<Uuid>> {
        let finder = match self.lookup {
            Lookup::Project(project_id) => return Ok(Some(project_id)),
            Lookup::Through(finder) => finder,
        };
        let query = sql_query(format!("SELECT {finder}($1) AS project_id"));
        let row: ProjectRow = match &self.key {
            Key::Id(id) => PreparedQuery(query.bind::<SqlUuid, _>(*id)).get_result(&mut conn).await?,
            Key::Name(name) => PreparedQuery(query.bind::<Text, _>(name)).get_result(&mut conn).await?,
        };
        Ok(row.project_id)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Name(name) => name.fmt(formatter),
        }
    }
}

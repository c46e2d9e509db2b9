//! What one watcher of a project may read.

use std::sync::{Mutex, PoisonError};

use proto::project::v1 as pb;
use shared::access::{AccessTables, Permission};
use shared::caller::Caller;
use shared::change_log::Record;
use shared::change_log::feed::Subject;
use shared::error::Result;
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::history::{EventFilter, Visibility, wire};
use crate::projects::queries as projects;

pub(crate) struct ProjectWatch {
    context: ServiceContext,
    caller: Caller,
    project_id: Uuid,
    filter: EventFilter,
    /// As of the last admission; the feed admits again when access has changed.
    visibility: Mutex<Visibility>,
}

impl ProjectWatch {
    pub(crate) fn new(
        context: ServiceContext,
        caller: Caller,
        project_id: Uuid,
        filter: EventFilter,
    ) -> Self {
        Self { context, caller, project_id, filter, visibility: Mutex::default() }
    }
}

impl Subject for ProjectWatch {
    type Event = pb::ProjectEvent;

    const ACCESS_TABLES: AccessTables = AccessTables::Owned;

    async fn admit(&self) -> Result<()> {
        let tx = self.context.database.begin(&self.caller).await?;
        let access = projects::access(&tx, self.project_id, self.caller.database_user()).await?;
        tx.finish();
        access.require(Permission::ProjectRead)?;
        let visibility = Visibility::of(&self.caller, access.permissions);
        *self.visibility.lock().unwrap_or_else(PoisonError::into_inner) = visibility;
        Ok(())
    }

    async fn to_event(&self, record: &Record) -> Result<Option<Self::Event>> {
        let visibility = *self.visibility.lock().unwrap_or_else(PoisonError::into_inner);
        wire::event(record, self.project_id, &self.filter, visibility)
    }
}

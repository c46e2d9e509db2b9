//! What one watcher of a project may read.

use std::sync::{Mutex, PoisonError};

use proto::project::v1 as pb;
use shared::access::{Permission, Permissions};
use shared::caller::Caller;
use shared::change_log::Record;
use shared::change_log::feed::Subject;
use shared::error::Result;
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::history::{EventFilter, wire};
use crate::projects::queries as projects;

pub(crate) struct WatchSubject {
    context: ServiceContext,
    caller: Caller,
    project_id: Uuid,
    filter: EventFilter,
    /// As of the last admission; the feed admits again when access has changed.
    permissions: Mutex<Permissions>,
}

impl WatchSubject {
    pub(crate) fn new(
        context: ServiceContext,
        caller: Caller,
        project_id: Uuid,
        filter: EventFilter,
    ) -> Self {
        Self { context, caller, project_id, filter, permissions: Mutex::default() }
    }
}

impl Subject for WatchSubject {
    type Event = pb::ProjectEvent;

    async fn admit(&self) -> Result<()> {
        let tx = self.context.database.begin(&self.caller).await?;
        let access = projects::access(&tx, self.project_id, self.caller.database_user()).await?;
        tx.finish();
        access.require(Permission::ProjectRead)?;
        *self.permissions.lock().unwrap_or_else(PoisonError::into_inner) = access.permissions;
        Ok(())
    }

    async fn tell(&self, record: &Record) -> Result<Option<Self::Event>> {
        let permissions = *self.permissions.lock().unwrap_or_else(PoisonError::into_inner);
        wire::event(record, &self.filter.visible_resources(permissions))
    }
}

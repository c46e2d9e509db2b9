//! Somebody who follows a project.

use std::sync::{Mutex, PoisonError};

use proto::project::v1 as pb;
use shared::access::{Permission, Permissions};
use shared::caller::Caller;
use shared::change_log::Record;
use shared::change_log::feed::Subject;
use shared::error::Result;
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::history::{Wish, wire};
use crate::projects::queries as projects;

/// What one follower may know and wishes for.
pub(crate) struct Watching {
    context: ServiceContext,
    caller: Caller,
    project_id: Uuid,
    wish: Wish,
    /// What the caller may do, as it was when they were last admitted: the feed admits anew when access has changed.
    permissions: Mutex<Permissions>,
}

impl Watching {
    /// For this caller.
    pub(crate) fn new(context: ServiceContext, caller: Caller, project_id: Uuid, wish: Wish) -> Self {
        Self { context, caller, project_id, wish, permissions: Mutex::default() }
    }
}

impl Subject for Watching {
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
        wire::event(record, &self.wish.parts_for(permissions))
    }
}

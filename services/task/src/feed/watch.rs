//! One caller's watch of a project's tasks.

use std::sync::Mutex;

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::{AccessTables, AccessTarget, Permission};
use shared::caller::Caller;
use shared::change_log::Record;
use shared::change_log::feed::Subject;
use shared::error::{Error, Result};
use uuid::Uuid;

use super::ChangedResource;
use super::filter::EventFilter;
use super::wire::event;
use crate::NAME;
use crate::handler::TaskHandler;
use crate::tasks::queries::project_key;

pub(super) struct TaskWatch {
    pub(super) handler: TaskHandler,
    pub(super) caller: Caller,
    pub(super) project_id: Uuid,
    pub(super) filter: EventFilter,
    /// The project's key. A new key changes the revision of the access, and so the caller is admitted again.
    pub(super) key: Mutex<String>,
}

impl Subject for TaskWatch {
    const ACCESS_TABLES: AccessTables = AccessTables::Copied(NAME);
    type Event = pb::TaskEvent;

    async fn admit(&self) -> Result<()> {
        let key = self.read_key(self.project_id).await?;
        if let Ok(mut known) = self.key.lock() {
            *known = key;
        }
        Ok(())
    }

    fn is_access_trusted(&self) -> bool {
        self.handler.authorizer.is_trusted()
    }

    async fn to_event(&self, record: &Record) -> Result<Option<pb::TaskEvent>> {
        let Some(changed) = ChangedResource::of(record)? else { return Ok(None) };
        if !self.filter.matches(record, &changed) {
            return Ok(None);
        }
        if let ChangedResource::Dependency { other_project: Some(other), .. } = &changed
            && !self.may_read(*other).await?
        {
            return Ok(None);
        }
        let key = self.key.lock().map(|key| key.clone()).unwrap_or_default();
        Ok(Some(event(record, self.project_id, changed.with_project_key(&key))))
    }
}

impl TaskWatch {
    async fn may_read(&self, project_id: Uuid) -> Result<bool> {
        match self.read_key(project_id).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The key of a project whose tasks the caller may read.
    async fn read_key(&self, project_id: Uuid) -> Result<String> {
        let target = AccessTarget::project(project_id);
        let read = self
            .handler
            .authorizer
            .begin(&self.caller, &target, Permission::TaskRead, |conn| project_key(conn, project_id).boxed());
        Ok(read.await?.finish())
    }
}

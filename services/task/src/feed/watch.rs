//! One caller's watch of a project's tasks.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::change_log::Record;
use shared::change_log::feed::Subject;
use shared::error::{Error, Result};
use uuid::Uuid;

use super::Changed;
use super::filter::EventFilter;
use super::wire::event;
use crate::access_target::AccessTarget;
use crate::handler::TaskHandler;

pub(super) struct TaskWatch {
    pub(super) handler: TaskHandler,
    pub(super) caller: Caller,
    pub(super) project_id: Uuid,
    pub(super) filter: EventFilter,
}

impl Subject for TaskWatch {
    type Event = pb::TaskEvent;

    async fn admit(&self) -> Result<()> {
        self.require_read(self.project_id).await
    }

    fn is_access_trusted(&self) -> bool {
        self.handler.copies.is_trusted()
    }

    async fn tell(&self, record: &Record) -> Result<Option<pb::TaskEvent>> {
        let Some(changed) = Changed::of(record)? else { return Ok(None) };
        if !self.filter.matches(record.operation, &changed) {
            return Ok(None);
        }
        if let Changed::Dependency { other_project: Some(other), .. } = &changed
            && !self.sees(*other).await?
        {
            return Ok(None);
        }
        Ok(Some(event(record, changed)))
    }
}

impl TaskWatch {
    async fn sees(&self, project_id: Uuid) -> Result<bool> {
        match self.require_read(project_id).await {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn require_read(&self, project_id: Uuid) -> Result<()> {
        let target = AccessTarget::Project(project_id);
        let attempt = async || {
            let tx = self.handler.context.database.begin(&self.caller).await?;
            target.access(&tx, self.caller.database_user()).await?.require(Permission::TaskRead)?;
            tx.finish();
            Ok(())
        };
        self.handler.retry_with_refreshed_access(&[target], || attempt().boxed()).await
    }
}

//! One caller's watch of a project's documents.

use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::Permission::DocumentRead;
use shared::access::{AccessTables, AccessTarget, Authorizer};
use shared::caller::Caller;
use shared::change_log::Record;
use shared::change_log::feed::Subject;
use shared::error::Result;
use uuid::Uuid;

use super::EventFilter;
use super::wire::event;
use crate::schema::NAME;

pub(super) struct DocumentWatch {
    pub(super) authorizer: Authorizer,
    pub(super) caller: Caller,
    pub(super) project_id: Uuid,
    pub(super) filter: EventFilter,
}

impl Subject for DocumentWatch {
    type Event = pb::DocumentEvent;
    const ACCESS_TABLES: AccessTables = AccessTables::Copied(NAME);

    async fn admit(&self) -> Result<()> {
        let target = AccessTarget::project(self.project_id);
        let begun = self.authorizer.begin(&self.caller, &target, DocumentRead, |_| async { Ok(()) }.boxed());
        begun.await?.finish();
        Ok(())
    }

    fn is_access_trusted(&self) -> bool {
        self.authorizer.is_trusted()
    }

    async fn to_event(&self, record: &Record) -> Result<Option<pb::DocumentEvent>> {
        event(record, self.project_id, &self.filter)
    }
}

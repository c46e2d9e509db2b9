//! Conversion of document events.

use proto::common::ResourceType;
use proto::content::v1 as pb;
use proto::content::v1::document_event::Resource;
use shared::change_log::{Operation, Record};
use shared::error::{Error, Result};
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use super::EventFilter;
use crate::documents::DocumentHead;

pub(crate) const DOCUMENTS: &str = "documents";
/// Columns that are fields of the API. A change of others is no event.
const FIELDS: [&str; 8] =
    ["title", "content_type", "version", "status", "tags", "metadata", "updated_at", "published_at"];

#[derive(Debug)]
pub(super) struct WatchDocumentsInput {
    pub(super) project_id: Uuid,
    pub(super) filter: EventFilter,
    pub(super) resume_token: String,
}

impl TryFrom<pb::WatchDocumentsRequest> for WatchDocumentsInput {
    type Error = Error;

    fn try_from(request: pb::WatchDocumentsRequest) -> Result<Self> {
        let filter = request.filter.unwrap_or_default();
        let mut v = Violations::new();
        let project_id = v.uuid("project_id", &request.project_id);
        let filter = EventFilter {
            operations: v.enums("filter.kinds", &filter.kinds),
            actor_id: v.optional_uuid("filter.actor_id", &filter.actor_id),
            document_ids: v.uuids("filter.document_ids", &filter.document_ids, MAX_BATCH),
            statuses: v.enums("filter.statuses", &filter.statuses),
        };
        v.finish()?;
        Ok(Self { project_id, filter, resume_token: request.resume_token })
    }
}

/// The event of a change; `None` if it is none of documents or does not match the filter.
pub(crate) fn event(
    record: &Record,
    project_id: Uuid,
    filter: &EventFilter,
) -> Result<Option<pb::DocumentEvent>> {
    if record.entity != DOCUMENTS {
        return Ok(None);
    }
    let (before, after): (Option<DocumentHead>, Option<DocumentHead>) = (record.before()?, record.after()?);
    let changed = record.changed_columns().filter(|column| FIELDS.contains(column));
    let changed: Vec<String> = changed.map(str::to_owned).collect();
    let is_unchanged = record.operation == Operation::Update && changed.is_empty();
    if is_unchanged || !filter.matches(record, before.as_ref(), after.as_ref()) {
        return Ok(None);
    }
    let after = after.map(|document| DocumentHead { row_version: record.row_version(), ..document });
    let document = pb::DocumentChange {
        before: before.map(|document| pb::Document { etag: String::new(), ..document.into() }),
        after: after.map(Into::into),
    };
    Ok(Some(pb::DocumentEvent {
        change: Some(record.to_change(ResourceType::Document, project_id, changed)),
        resource: Some(Resource::Document(document)),
    }))
}

//! The targets of requests, whose projects decide what a caller may do.

use shared::access::AccessTarget;
use uuid::Uuid;

pub(crate) fn document(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("content.project_of_document", "document", id)
}

pub(crate) fn attachment(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("content.project_of_attachment", "attachment", id)
}

/// Found only for its uploader.
pub(crate) fn upload(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("content.project_of_upload", "upload", id)
}

/// Found only if the task has attachments.
pub(crate) fn task_with_attachments(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("content.project_of_task_files", "task", id)
}

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

/// Found only if the task has attachments or comments.
pub(crate) fn known_task(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("content.project_of_known_task", "task", id)
}

pub(crate) fn comment(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("content.project_of_comment", "comment", id)
}

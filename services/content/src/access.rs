//! The access targets of this service, and reads in several projects.

use diesel_async::AsyncPgConnection;
use futures::FutureExt;
use futures::future::{BoxFuture, try_join, try_join_all};
use shared::access::{AccessTarget, Authorizer, Permission};
use shared::caller::Caller;
use shared::database::Database;
use shared::error::Result;
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

/// Runs a query in the given projects, all of which the caller must be allowed to read; without projects, in all that
/// the caller may read, which the policies and the query select.
///
/// # Errors
/// `NOT_FOUND` or `PERMISSION_DENIED` for a given project; without projects, `UNAVAILABLE` while the copy of the access
/// is outdated.
pub(crate) async fn read_in_projects<Q: Sync, T: Send>(
    authorizer: &Authorizer,
    database: &Database,
    caller: &Caller,
    projects: &[Uuid],
    permission: Permission,
    input: &Q,
    query: impl for<'c> Fn(&'c AsyncPgConnection, &'c Q) -> BoxFuture<'c, Result<T>> + Sync,
) -> Result<T> {
    if projects.is_empty() {
        let tx = authorizer.begin_in_all_projects(caller).await?;
        let found = query(&tx, input).await?;
        tx.finish();
        return Ok(found);
    }
    let targets: Vec<AccessTarget> = projects.iter().copied().map(AccessTarget::project).collect();
    let attempt = async || {
        let tx = database.begin(caller).await?;
        if let [project_id] = projects {
            tx.read_in_project(*project_id)?;
        }
        let access = try_join_all(targets.iter().map(|target| authorizer.access(&tx, caller, target)));
        let (access, found) = try_join(access, query(&tx, input)).await?;
        for access in access {
            access.require(permission)?;
        }
        tx.finish();
        Ok(found)
    };
    authorizer.retry_with_refreshed_access(&targets, || attempt().boxed()).await
}

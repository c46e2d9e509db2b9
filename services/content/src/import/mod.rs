//! Imports of documents and files by the operator. Each item is validated like in the public methods; a refused item
//! does not affect others.

mod documents;
mod files;
mod queries;
pub(crate) mod rpc;
mod wire;

use std::collections::HashSet;

use shared::error::{Error, Result};
use shared::service::ServiceContext;
use uuid::Uuid;

use shared::access::Authorizer;

/// A validated item, or why it is refused.
struct ImportItem<T> {
    line: u64,
    value: Result<T, String>,
}

/// Which of these projects exist. Those that are not in the copy are requested from the project service.
async fn known_projects(
    context: &ServiceContext,
    authorizer: &Authorizer,
    projects: &HashSet<Uuid>,
) -> Result<HashSet<Uuid>> {
    let known = copied_projects(context, projects).await?;
    let unknown: Vec<Uuid> = projects.difference(&known).copied().collect();
    if unknown.is_empty() {
        return Ok(known);
    }
    authorizer.refresh(unknown).await?;
    copied_projects(context, projects).await
}

async fn copied_projects(context: &ServiceContext, projects: &HashSet<Uuid>) -> Result<HashSet<Uuid>> {
    let tx = context.worker.begin_background().await?;
    let known = queries::known_projects(&tx, projects.iter().copied().collect()).await?;
    tx.finish();
    Ok(known)
}

/// Why an item is refused; other errors are returned.
fn refusal(error: Error) -> Result<String> {
    match error {
        Error::Invalid(violations) => {
            let reasons = violations.iter().map(|v| format!("{}: {}", v.field, v.description));
            Ok(reasons.collect::<Vec<_>>().join("; "))
        }
        Error::InvalidFor { .. } | Error::NotFound { .. } | Error::ChecksumMismatch { .. } => {
            Ok(error.to_string())
        }
        other => Err(other),
    }
}

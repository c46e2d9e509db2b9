//! Documents and files from elsewhere, for the operator. Every item passes the checks of the public methods; one
//! that is refused stops no other.

mod documents;
mod files;
mod queries;
pub mod rpc;
mod wire;

use std::collections::HashSet;

use shared::error::{Error, Result};
use shared::service::ServiceContext;
use uuid::Uuid;

use crate::entrance::Entrance;

/// An item as it came: its line, and what is wrong with it if it cannot be taken.
struct Item<T> {
    line: u64,
    checked: Result<T, String>,
}

/// Which of these projects exist. The project service is asked about those that the copy does not know.
async fn known_projects(
    context: &ServiceContext,
    entrance: &Entrance,
    projects: &HashSet<Uuid>,
) -> Result<HashSet<Uuid>> {
    let known = copied_projects(context, projects).await?;
    let unknown: Vec<Uuid> = projects.difference(&known).copied().collect();
    if unknown.is_empty() {
        return Ok(known);
    }
    for project_id in unknown {
        entrance.learn(project_id).await?;
    }
    copied_projects(context, projects).await
}

async fn copied_projects(context: &ServiceContext, projects: &HashSet<Uuid>) -> Result<HashSet<Uuid>> {
    let tx = context.worker.begin_background().await?;
    let known = queries::known_projects(&tx, projects.iter().copied().collect()).await?;
    tx.finish();
    Ok(known)
}

/// Why an item is refused, for its result; what is not the item's fault stays an error.
fn refusal(error: Error) -> Result<String> {
    match error {
        Error::Invalid(violations) => {
            let named = violations.iter().map(|v| format!("{}: {}", v.field, v.description));
            Ok(named.collect::<Vec<_>>().join("; "))
        }
        Error::InvalidFor { .. } | Error::NotFound { .. } | Error::ChecksumMismatch { .. } => {
            Ok(error.to_string())
        }
        other => Err(other),
    }
}

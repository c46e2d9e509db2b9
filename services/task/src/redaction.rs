//! Removes ids of tasks from errors that the caller may not read.

use std::collections::HashSet;

use shared::caller::Caller;
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::handler::TaskHandler;
use crate::tasks::queries::readable;

/// Replaces the id of a task that the caller may not read.
const HIDDEN: &str = "hidden";

/// The metadata keys whose values are task ids.
const TASK_ID_KEYS: [&str; 2] = ["cycle", "blockers"];

impl TaskHandler {
    /// Hides the ids of tasks that the caller may not read. Cycles and blockers are found across projects, for any
    /// caller.
    pub(crate) async fn hide_invisible_tasks(&self, caller: &Caller, refusal: Error) -> Error {
        let Error::Precondition { reason, message, metadata } = refusal else { return refusal };
        let mut shown = Vec::with_capacity(metadata.len());
        for (key, ids) in metadata {
            if !TASK_ID_KEYS.contains(&key) {
                shown.push((key, ids));
                continue;
            }
            let visible = self.visible_ids(caller, &ids).await.unwrap_or_default();
            shown.push((key, hide(&ids, &visible)));
        }
        Error::Precondition { reason, message, metadata: shown }
    }

    async fn visible_ids(&self, caller: &Caller, ids: &str) -> Result<HashSet<Uuid>> {
        let ids: Vec<Uuid> = ids.split(',').filter_map(|id| id.parse().ok()).collect();
        let tx = self.context.database.begin(caller).await?;
        let visible = readable(&tx, &ids).await?;
        tx.finish();
        Ok(visible.into_iter().collect())
    }
}

fn hide(ids: &str, visible: &HashSet<Uuid>) -> String {
    // A cycle that is too long to be named.
    if ids.is_empty() {
        return String::new();
    }
    let is_visible = |id: &str| id.parse().is_ok_and(|id: Uuid| visible.contains(&id));
    ids.split(',').map(|id| if is_visible(id) { id } else { HIDDEN }).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_task_ids_are_shown() {
        let [mine, other] = [Uuid::now_v7(), Uuid::now_v7()];
        let shown = hide(&format!("{mine},{other},{mine}"), &HashSet::from([mine]));
        assert_eq!(shown, format!("{mine},hidden,{mine}"));
        assert_eq!(hide("", &HashSet::new()), "");
    }
}

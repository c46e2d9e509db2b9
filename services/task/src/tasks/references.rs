//! References of a task to its parent and its assignee.

use diesel_async::AsyncPgConnection;
use futures::try_join;
use shared::error::{Error, Result};
use uuid::Uuid;

use super::{Referrer, queries};

/// The references that a request sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct References {
    pub(super) parent: Option<Uuid>,
    pub(super) assignee: Option<Uuid>,
}

/// What the references point to.
#[derive(Debug)]
pub(super) struct ResolvedReferences {
    parent_project: Option<Uuid>,
    assignee_is_member: bool,
}

impl References {
    /// Reads both in one pipeline.
    pub(super) async fn resolve(
        self,
        conn: &AsyncPgConnection,
        referrer: Referrer,
    ) -> Result<ResolvedReferences> {
        let parent_project = async {
            match self.parent {
                Some(parent) => queries::visible_project_of(conn, parent).await,
                None => Ok(None),
            }
        };
        let assignee_is_member = async {
            match self.assignee {
                Some(assignee) => queries::has_member(conn, referrer, assignee).await,
                None => Ok(false),
            }
        };
        let (parent_project, assignee_is_member) = try_join!(parent_project, assignee_is_member)?;
        Ok(ResolvedReferences { parent_project, assignee_is_member })
    }

    /// Rejects a parent of another project and an assignee who is not a member.
    pub(super) fn check(self, found: &ResolvedReferences, project_id: Uuid) -> Result<()> {
        if let Some(parent) = self.parent {
            let parent_project = found.parent_project.ok_or_else(|| Error::not_found("task", parent))?;
            if parent_project != project_id {
                return Err(Error::invalid("task.parent_task_id", "must be a task of the same project"));
            }
        }
        match self.assignee {
            Some(assignee) if !found.assignee_is_member => Err(Error::not_found("user", assignee)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_parents_and_non_members_are_refused() {
        let [id, here] = [Uuid::now_v7(), Uuid::now_v7()];
        let check = |parent, assignee, parent_project, assignee_is_member| {
            let references = References { parent, assignee };
            let found = ResolvedReferences { parent_project, assignee_is_member };
            references.check(&found, here).map_err(|error| error.code())
        };
        assert!(check(None, None, None, false).is_ok());
        assert!(check(Some(id), Some(id), Some(here), true).is_ok());
        assert_eq!(check(Some(id), None, None, false), Err(tonic::Code::NotFound));
        assert_eq!(check(Some(id), None, Some(id), false), Err(tonic::Code::InvalidArgument));
        assert_eq!(check(None, Some(id), None, false), Err(tonic::Code::NotFound));
    }
}

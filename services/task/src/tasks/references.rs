//! What a task says about other things: its parent and who works on it.

use diesel_async::AsyncPgConnection;
use futures::try_join;
use shared::error::{Error, Result};
use uuid::Uuid;

use super::queries;
use crate::place::Place;

/// What a request wants a task to refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct References {
    pub(super) parent: Option<Uuid>,
    pub(super) assignee: Option<Uuid>,
    /// Name of the parent's field in the request.
    pub(super) parent_field: &'static str,
}

/// What there is of it.
#[derive(Debug)]
pub(super) struct Found {
    parent_project: Option<Uuid>,
    assignee_is_member: bool,
}

impl References {
    /// Looks for parent and assignee, in one flight.
    pub(super) async fn look_up(&self, conn: &AsyncPgConnection, place: Place) -> Result<Found> {
        let parent_project = async {
            match self.parent {
                Some(parent) => queries::visible_project_of(conn, parent).await,
                None => Ok(None),
            }
        };
        let assignee_is_member = async {
            match self.assignee {
                Some(assignee) => place.has_member(conn, assignee).await,
                None => Ok(false),
            }
        };
        let (parent_project, assignee_is_member) = try_join!(parent_project, assignee_is_member)?;
        Ok(Found { parent_project, assignee_is_member })
    }

    /// Refuses a parent elsewhere and an assignee who is not a member.
    pub(super) fn check(&self, found: &Found, project_id: Uuid) -> Result<()> {
        if let Some(parent) = self.parent {
            let parent_project = found.parent_project.ok_or_else(|| Error::not_found("task", parent))?;
            if parent_project != project_id {
                return Err(Error::invalid(self.parent_field, "must be a task of the same project"));
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
    fn a_parent_elsewhere_and_a_stranger_are_refused() {
        let [id, here] = [Uuid::now_v7(), Uuid::now_v7()];
        let check = |parent, assignee, parent_project, assignee_is_member| {
            let wanted = References { parent, assignee, parent_field: "parent_task_id" };
            wanted.check(&Found { parent_project, assignee_is_member }, here).map_err(|error| error.code())
        };
        assert!(check(None, None, None, false).is_ok());
        assert!(check(Some(id), Some(id), Some(here), true).is_ok());
        assert_eq!(check(Some(id), None, None, false), Err(tonic::Code::NotFound));
        assert_eq!(check(Some(id), None, Some(id), false), Err(tonic::Code::InvalidArgument));
        assert_eq!(check(None, Some(id), None, false), Err(tonic::Code::NotFound));
    }
}

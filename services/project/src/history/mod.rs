//! What happened to a project: the changes of the log, told to those who may know; and what it was at a time.

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use chrono::{DateTime, Utc};
use shared::access::{Permission, Permissions};
use uuid::Uuid;

/// What a change is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The project itself.
    Project,
    /// A membership.
    Member,
    /// An invitation.
    Invitation,
    /// An offer of ownership.
    Transfer,
}

impl Part {
    /// Everything.
    pub(crate) const ALL: [Self; 4] = [Self::Project, Self::Member, Self::Invitation, Self::Transfer];

    /// The table.
    pub(crate) fn entity(self) -> &'static str {
        match self {
            Self::Project => "projects",
            Self::Member => "project_members",
            Self::Invitation => "invitations",
            Self::Transfer => "ownership_transfers",
        }
    }

    fn of_entity(entity: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.entity() == entity)
    }

    /// Who hears of its changes.
    fn needs(self) -> Permission {
        match self {
            Self::Project => Permission::ProjectRead,
            Self::Member | Self::Transfer => Permission::MemberRead,
            Self::Invitation => Permission::MemberManage,
        }
    }
}

/// Which changes somebody wishes for. What is empty does not filter.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Of these.
    pub parts: Vec<Part>,
    /// By this user.
    pub actor_id: Option<Uuid>,
    /// Since then.
    pub since: Option<DateTime<Utc>>,
    /// Before then.
    pub until: Option<DateTime<Utc>>,
}

impl Wish {
    /// Whether changes of this part are wished for.
    pub(crate) fn includes(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// What is wished for and may be known.
    pub(crate) fn parts_for(&self, permissions: Permissions) -> Vec<Part> {
        let may_be_known = |part: &Part| permissions.contains(part.needs());
        Part::ALL.into_iter().filter(|part| self.includes(*part) && may_be_known(part)).collect()
    }
}

#[cfg(test)]
mod tests {
    use shared::schema::ProjectRole;

    use super::*;

    #[test]
    fn everybody_hears_what_they_may_know() {
        let all = Wish { parts: Vec::new(), actor_id: None, since: None, until: None };
        let heard = |role| all.parts_for(Permissions::of(role, None));
        assert_eq!(heard(None), [Part::Project]);
        assert_eq!(heard(Some(ProjectRole::Viewer)), [Part::Project, Part::Member, Part::Transfer]);
        assert_eq!(heard(Some(ProjectRole::Admin)), Part::ALL);
        let members = Wish { parts: vec![Part::Member], ..all };
        assert_eq!(members.parts_for(Permissions::of(None, None)), []);
    }
}

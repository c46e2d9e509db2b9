//! The history of a project: its changes, and its state at a point in time.

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use proto::common::ResourceType;
use shared::access::{Permission, Permissions};
use shared::caller::Caller;
use shared::change_log::{Operation, Record};
use shared::validation::TimeRange;
use uuid::Uuid;

/// The scope that an API token needs for the events of members, invitations and transfers.
const MEMBERS_SCOPE: &str = "members:read";

/// The kind of resource that a change concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventResource {
    Project,
    Member,
    Invitation,
    OwnershipTransfer,
}

impl EventResource {
    pub(crate) const ALL: [Self; 4] =
        [Self::Project, Self::Member, Self::Invitation, Self::OwnershipTransfer];

    /// The tables of all in the change log.
    pub(crate) const ENTITIES: [&str; 4] = [
        Self::Project.entity(),
        Self::Member.entity(),
        Self::Invitation.entity(),
        Self::OwnershipTransfer.entity(),
    ];

    /// The table in the change log.
    pub(crate) const fn entity(self) -> &'static str {
        match self {
            Self::Project => "projects",
            Self::Member => "project_members",
            Self::Invitation => "invitations",
            Self::OwnershipTransfer => "ownership_transfers",
        }
    }

    pub(crate) fn resource_type(self) -> ResourceType {
        match self {
            Self::Project => ResourceType::Project,
            Self::Member => ResourceType::Member,
            Self::Invitation => ResourceType::Invitation,
            Self::OwnershipTransfer => ResourceType::OwnershipTransfer,
        }
    }

    pub(crate) fn of_entity(entity: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.entity() == entity)
    }

    /// The permission that reading its changes requires.
    fn needs(self) -> Permission {
        match self {
            Self::Project => Permission::ProjectRead,
            Self::Member | Self::OwnershipTransfer => Permission::MemberRead,
            Self::Invitation => Permission::MemberManage,
        }
    }
}

/// Empty fields do not filter.
#[derive(Clone, Debug)]
pub(crate) struct EventFilter {
    pub operations: Vec<Operation>,
    pub resources: Vec<ResourceType>,
    pub actor_id: Option<Uuid>,
}

/// Which resources' changes a caller may read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Visibility {
    permissions: Permissions,
    has_members_scope: bool,
}

impl Visibility {
    pub(crate) fn of(caller: &Caller, permissions: Permissions) -> Self {
        let has_members_scope = caller.scopes().is_none_or(|scopes| scopes.has(MEMBERS_SCOPE));
        Self { permissions, has_members_scope }
    }

    fn includes(self, resource: EventResource) -> bool {
        (resource == EventResource::Project || self.has_members_scope)
            && self.permissions.contains(resource.needs())
    }
}

impl EventFilter {
    /// The requested resources.
    pub(crate) fn resources(&self) -> impl Iterator<Item = EventResource> {
        let is_requested = |resource: &EventResource| {
            self.resources.is_empty() || self.resources.contains(&resource.resource_type())
        };
        EventResource::ALL.into_iter().filter(is_requested)
    }

    /// The resource of a change that is requested and visible.
    pub(crate) fn matching(&self, record: &Record, visibility: Visibility) -> Option<EventResource> {
        let resource = EventResource::of_entity(&record.entity)?;
        let is_requested = self.resources().any(|requested| requested == resource)
            && (self.operations.is_empty() || self.operations.contains(&record.operation))
            && (self.actor_id.is_none() || self.actor_id == record.actor_id);
        (is_requested && visibility.includes(resource)).then_some(resource)
    }
}

/// Which changes ListProjectHistory returns.
#[derive(Clone, Debug)]
pub(crate) struct HistoryQuery {
    pub filter: EventFilter,
    pub changed_at: TimeRange,
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use shared::authentication::Scopes;
    use shared::caller::Session;
    use shared::schema::ProjectRole;

    use super::*;

    fn visible(role: Option<ProjectRole>, has_members_scope: bool) -> Vec<EventResource> {
        let visibility = Visibility { permissions: Permissions::of(role, None), has_members_scope };
        EventResource::ALL.into_iter().filter(|resource| visibility.includes(*resource)).collect()
    }

    #[test]
    fn permissions_and_scope_decide_which_resources_are_visible() {
        use EventResource::{Member, OwnershipTransfer, Project};
        assert_eq!(visible(None, true), [Project]);
        assert_eq!(visible(Some(ProjectRole::Viewer), true), [Project, Member, OwnershipTransfer]);
        assert_eq!(visible(Some(ProjectRole::Admin), true), EventResource::ALL);
        assert_eq!(visible(Some(ProjectRole::Admin), false), [Project]);
    }
    #[test]
    fn an_api_token_needs_the_scope_of_members() {
        let caller = |scopes: Option<&[&str]>| {
            Caller::User(Session {
                session_id: Uuid::nil(),
                user_id: Uuid::nil(),
                expires_at: DateTime::UNIX_EPOCH,
                scopes: scopes.map(|scopes| Scopes(scopes.iter().map(|scope| (*scope).to_owned()).collect())),
            })
        };
        let permissions = Permissions::of(Some(ProjectRole::Owner), None);
        for (scopes, expected) in [
            (None, true),
            (Some(["projects:read"].as_slice()), false),
            (Some(&["projects:read", "members:read"]), true),
            (Some(&["members:*"]), true),
        ] {
            let visibility = Visibility::of(&caller(scopes), permissions);
            assert_eq!(visibility.includes(EventResource::Member), expected, "{scopes:?}");
            assert!(visibility.includes(EventResource::Project));
        }
    }
}

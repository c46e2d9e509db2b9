//! The client error of each constraint of the schema.

use shared::database::{Constraint, Rule};
use shared::error::ErrorReason;

pub(crate) const CONSTRAINTS: &[Constraint] = &[
    Constraint { name: "idx_invitations_one_pending", rule: Rule::Taken("email") },
    Constraint { name: "idx_ownership_transfers_one_pending", rule: Rule::Taken("project_id") },
    Constraint {
        name: "chk_one_owner",
        rule: Rule::Forbidden(ErrorReason::OwnerRequired, "a project keeps its owner", None),
    },
    Constraint { name: "webhooks_pkey", rule: Rule::Taken("id") },
    Constraint { name: "fk_webhooks_project_id", rule: Rule::Missing("project") },
    Constraint { name: "projects_pkey", rule: Rule::Taken("id") },
    Constraint { name: "projects_key_key", rule: Rule::Taken("key") },
    Constraint { name: "projects_owner_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "project_members_project_id_user_id_key", rule: Rule::Taken("user_id") },
    Constraint { name: "fk_project_members_user_id", rule: Rule::Missing("user") },
    Constraint { name: "fk_project_members_project_id", rule: Rule::Missing("project") },
];

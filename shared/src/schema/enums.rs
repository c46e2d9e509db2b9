//! The seed's enums: each label is the same in PostgreSQL, in Rust (`as_str`) and, upper-cased, in the protos.

use std::io::Write;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;

/// Declares a PostgreSQL enum, its SQL type and its conversions from and to the proto enum of the same order.
macro_rules! pg_enum {
    ($(#[$doc:meta])* $name:ident as $sql:ident in $schema:literal . $pg:literal is $proto:path {
        $($(#[$variant_doc:meta])* $variant:ident = $label:literal),* $(,)?
    }) => {
        #[doc = concat!("The SQL type `", $schema, ".", $pg, "`.")]
        #[derive(Clone, Copy, Debug, SqlType, diesel::query_builder::QueryId)]
        #[diesel(postgres_type(name = $pg, schema = $schema))]
        pub struct $sql;

        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[diesel(sql_type = $sql)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// Every value, in the order of the SQL type.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The label in PostgreSQL.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label),* }
            }

            /// The value of a label.
            pub fn from_label(label: &str) -> Option<Self> {
                match label { $($label => Some(Self::$variant),)* _ => None }
            }
        }

        impl ToSql<$sql, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                out.write_all(self.as_str().as_bytes())?;
                Ok(IsNull::No)
            }
        }

        impl FromSql<$sql, Pg> for $name {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                let label = std::str::from_utf8(value.as_bytes())?;
                Self::from_label(label).ok_or_else(|| format!("unknown label {label:?}").into())
            }
        }

        impl From<$name> for $proto {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),* }
            }
        }

        impl From<$name> for i32 {
            fn from(value: $name) -> Self {
                <$proto>::from(value) as Self
            }
        }

        impl TryFrom<$proto> for $name {
            /// The value was not given.
            type Error = ();

            fn try_from(value: $proto) -> Result<Self, ()> {
                match value {
                    <$proto>::Unspecified => Err(()),
                    $(<$proto>::$variant => Ok(Self::$variant)),*
                }
            }
        }

        impl crate::validation::ProtoEnum for $name {
            fn from_wire(value: i32) -> Option<Option<Self>> {
                <$proto>::try_from(value).ok().map(|value| Self::try_from(value).ok())
            }
        }
    };
}

use crate::proto::content::v1 as content;
use crate::proto::identity::v1 as identity;
use crate::proto::project::v1 as project;
use crate::proto::task::v1 as task;

pg_enum! {
    /// The state of an account.
    UserStatus as SqlUserStatus in "identity"."user_status" is identity::UserStatus {
        /// May sign in.
        Active = "active",
        /// Not yet or no longer in use.
        Inactive = "inactive",
        /// Locked by an operator.
        Suspended = "suspended",
        /// Kept so that history stands.
        Deleted = "deleted",
    }
}

pg_enum! {
    /// Where a project stands.
    ProjectStatus as SqlProjectStatus in "project"."project_status" is project::ProjectStatus {
        /// Being worked on.
        Active = "active",
        /// Done.
        Completed = "completed",
        /// Read-only.
        Archived = "archived",
        /// Given up.
        Cancelled = "cancelled",
    }
}

pg_enum! {
    /// Who may read a project without being a member.
    ProjectVisibility as SqlProjectVisibility in "project"."project_visibility" is project::ProjectVisibility {
        /// Nobody.
        Private = "private",
        /// Every signed-in user.
        Internal = "internal",
        /// Anyone.
        Public = "public",
    }
}

pg_enum! {
    /// A member's role; each contains the ones after it.
    ProjectRole as SqlProjectRole in "project"."project_role" is project::ProjectRole {
        /// Everything.
        Owner = "owner",
        /// Everything but deleting the project and giving it away.
        Admin = "admin",
        /// Works on tasks and content.
        Member = "member",
        /// Reads.
        Viewer = "viewer",
    }
}

pg_enum! {
    /// What became of an offer or an invitation.
    OfferStatus as SqlOfferStatus in "project"."offer_status" is project::OfferStatus {
        /// Open.
        Pending = "pending",
        /// Accepted.
        Accepted = "accepted",
        /// Declined by the one it was for.
        Declined = "declined",
        /// Taken back.
        Withdrawn = "withdrawn",
        /// Not answered in time.
        Expired = "expired",
    }
}

pg_enum! {
    /// Where a task stands.
    TaskStatus as SqlTaskStatus in "task"."task_status" is task::TaskStatus {
        /// Not begun.
        Pending = "pending",
        /// Being worked on.
        InProgress = "in_progress",
        /// Being looked at.
        Review = "review",
        /// Done.
        Done = "done",
        /// Given up.
        Cancelled = "cancelled",
        /// Held up by something.
        Blocked = "blocked",
    }
}

pg_enum! {
    /// How much a task matters.
    TaskPriority as SqlTaskPriority in "task"."task_priority" is task::TaskPriority {
        /// Low.
        Low = "low",
        /// Medium.
        Medium = "medium",
        /// High.
        High = "high",
        /// Urgent.
        Urgent = "urgent",
    }
}

pg_enum! {
    /// What a dependency means.
    DependencyType as SqlDependencyType in "task"."dependency_type" is task::DependencyType {
        /// The task waits for the one it depends on.
        Blocks = "blocks",
        /// The tasks have to do with each other.
        RelatesTo = "relates_to",
        /// The task says the same as the one it depends on.
        Duplicates = "duplicates",
        /// The task is a part of the one it depends on.
        SubtaskOf = "subtask_of",
    }
}

pg_enum! {
    /// Where a document stands.
    DocumentStatus as SqlDocumentStatus in "content"."document_status" is content::DocumentStatus {
        /// Being written.
        Draft = "draft",
        /// Being looked at.
        Review = "review",
        /// Released.
        Published = "published",
        /// Read-only.
        Archived = "archived",
    }
}

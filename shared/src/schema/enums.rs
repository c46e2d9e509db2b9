//! The seed's enums: each label is the same in PostgreSQL, in Rust (`as_str`) and, upper-cased, in the protos.

/// Declares a PostgreSQL enum, its SQL type and its conversions from and to the proto enum of the same order.
#[macro_export]
macro_rules! pg_enum {
    ($(#[$doc:meta])* $name:ident as $sql:ident in $schema:literal . $pg:literal is $proto:path {
        $($(#[$variant_doc:meta])* $variant:ident = $label:literal),* $(,)?
    }) => {
        #[doc = concat!("The SQL type `", $schema, ".", $pg, "`.")]
        #[derive(Clone, Copy, Debug, diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
        #[diesel(postgres_type(name = $pg, schema = $schema))]
        pub struct $sql;

        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
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

        impl diesel::serialize::ToSql<$sql, diesel::pg::Pg> for $name {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
            ) -> diesel::serialize::Result {
                std::io::Write::write_all(out, self.as_str().as_bytes())?;
                Ok(diesel::serialize::IsNull::No)
            }
        }

        impl diesel::deserialize::FromSql<$sql, diesel::pg::Pg> for $name {
            fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
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

        impl $crate::validation::ProtoEnum for $name {
            fn from_wire(value: i32) -> Option<Option<Self>> {
                <$proto>::try_from(value).ok().map(|value| Self::try_from(value).ok())
            }
        }
    };
}

use proto::project::v1 as project;

pg_enum! {
    /// The status of a project.
    ProjectStatus as SqlProjectStatus in "project"."project_status" is project::ProjectStatus {
        /// Work goes on.
        Active = "active",
        /// The work is done.
        Completed = "completed",
        /// Read-only.
        Archived = "archived",
        /// The work was given up.
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

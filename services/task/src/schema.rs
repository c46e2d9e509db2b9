//! Tables of the task service.

use proto::task::v1 as task;
use shared::pg_enum;

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

diesel::table! {
    use diesel::sql_types::*;
    use super::{SqlTaskPriority, SqlTaskStatus};
    /// Tasks.
    task.tasks (id) {
        /// Key.
        id -> Uuid,
        /// Project.
        project_id -> Uuid,
        /// The task it is a part of.
        parent_task_id -> Nullable<Uuid>,
        /// Title.
        title -> Varchar,
        /// Description.
        description -> Nullable<Text>,
        /// Where it stands.
        status -> SqlTaskStatus,
        /// How much it matters.
        priority -> SqlTaskPriority,
        /// Who works on it.
        assignee_id -> Nullable<Uuid>,
        /// Who made it.
        creator_id -> Uuid,
        /// When it should be done.
        due_date -> Nullable<Timestamptz>,
        /// Expected hours.
        estimated_hours -> Nullable<Int4>,
        /// Hours so far.
        actual_hours -> Nullable<Int4>,
        /// Labels.
        tags -> Array<Text>,
        /// Data of the application.
        metadata -> Jsonb,
        /// Made.
        created_at -> Timestamptz,
        /// Last changed.
        updated_at -> Timestamptz,
        /// Done.
        completed_at -> Nullable<Timestamptz>,
        /// Number in the project.
        number -> BigInt,
        /// Name for people.
        key -> Text,
        /// Place in the project's order.
        rank -> Text,
        /// Whether somebody said that it is blocked.
        manually_blocked -> Bool,
        /// Version.
        xmin -> Oid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlDependencyType;
    /// What tasks depend on.
    task.task_dependencies (id) {
        /// Key.
        id -> Uuid,
        /// The task that depends.
        task_id -> Uuid,
        /// The task it depends on.
        depends_on_task_id -> Uuid,
        /// What it means.
        dependency_type -> SqlDependencyType,
        /// Made.
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    /// The keys of projects.
    task.project_numbers (project_id) {
        /// Project.
        project_id -> Uuid,
        /// Its key.
        key -> Text,
        /// The last number that was given.
        last_number -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(tasks, task_dependencies);

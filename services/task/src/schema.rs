//! Tables and enums of the task service.

use proto::task::v1 as task;
use shared::pg_enum;

pg_enum! {
    TaskStatus as SqlTaskStatus in "task"."task_status" is task::TaskStatus {
        Pending = "pending",
        InProgress = "in_progress",
        Review = "review",
        Done = "done",
        Cancelled = "cancelled",
        Blocked = "blocked",
    }
}

pg_enum! {
    TaskPriority as SqlTaskPriority in "task"."task_priority" is task::TaskPriority {
        Low = "low",
        Medium = "medium",
        High = "high",
        Urgent = "urgent",
    }
}

pg_enum! {
    DependencyType as SqlDependencyType in "task"."dependency_type" is task::DependencyType {
        /// The task waits for the one it depends on.
        Blocks = "blocks",
        RelatesTo = "relates_to",
        Duplicates = "duplicates",
        /// The task is a part of the one it depends on.
        SubtaskOf = "subtask_of",
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::{SqlTaskPriority, SqlTaskStatus};
    task.tasks (id) {
        id -> Uuid,
        project_id -> Uuid,
        parent_task_id -> Nullable<Uuid>,
        title -> Varchar,
        description -> Nullable<Text>,
        status -> SqlTaskStatus,
        priority -> SqlTaskPriority,
        assignee_id -> Nullable<Uuid>,
        creator_id -> Uuid,
        milestone_id -> Nullable<Uuid>,
        start_date -> Nullable<Timestamptz>,
        due_date -> Nullable<Timestamptz>,
        tags -> Array<Text>,
        metadata -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        completed_at -> Nullable<Timestamptz>,
        number -> BigInt,
        rank -> Text,
        /// Whether a user set `blocked`: then no dependency lifts it.
        manually_blocked -> Bool,
        estimated_minutes -> Nullable<Int4>,
        actual_minutes -> Nullable<Int4>,
        /// The row version: the etag.
        xmin -> Oid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlDependencyType;
    task.task_dependencies (id) {
        id -> Uuid,
        task_id -> Uuid,
        depends_on_task_id -> Uuid,
        dependency_type -> SqlDependencyType,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    task.milestones (id) {
        id -> Uuid,
        project_id -> Uuid,
        name -> Varchar,
        description -> Nullable<Text>,
        due_date -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        /// The row version: the etag.
        xmin -> Oid,
    }
}

diesel::table! {
    task.time_entries (id) {
        id -> Uuid,
        task_id -> Uuid,
        project_id -> Uuid,
        user_id -> Uuid,
        started_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        note -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        /// The row version: the etag.
        xmin -> Oid,
    }
}

diesel::table! {
    /// A view.
    task.last_task_numbers (project_id) {
        project_id -> Uuid,
        last_number -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(tasks, milestones, task_dependencies, time_entries);

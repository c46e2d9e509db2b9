//! The tables that an export claims to hold, row by row, but for what it says it does not.

use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use testkit::Suite;

/// Tables and views, and the columns that belong to one database. Encrypted columns are looked at by their being there.
const TABLES: [(&str, &str, &str); 14] = [
    ("identity.users", "id", "password_hash,first_name,last_name"),
    ("identity.user_profiles", "user_id", "id,location"),
    ("project.projects", "id", ""),
    ("project.project_members", "project_id, user_id", "id"),
    ("task.last_task_numbers", "project_id", ""),
    ("task.milestones", "id", ""),
    ("task.tasks", "id", ""),
    ("task.task_dependencies", "id", ""),
    ("task.time_entries", "id", ""),
    ("content.documents", "id", ""),
    ("content.document_versions", "document_id, version_number", "id"),
    ("content.comments", "id", ""),
    ("content.comment_versions", "comment_id, version_number", ""),
    ("content.comment_reactions", "comment_id, emoji, user_id", "id"),
];
/// `storage_path` and `blob_id` name objects of one store.
const ATTACHMENTS: (&str, &str, &str) = ("content.file_attachments", "id", "storage_path,blob_id");

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    row: String,
}

/// All rows, each with its table before it.
pub(super) async fn rows(suite: &Suite) -> Vec<String> {
    let mut all = Vec::new();
    for (table, order, left_out) in TABLES.into_iter().chain([ATTACHMENTS]) {
        let (schema, _) = table.split_once('.').unwrap();
        let query = format!(
            "SELECT '{table} ' || (to_jsonb(t) - string_to_array('{left_out}', ','))::text AS row \
             FROM {table} t ORDER BY {order}"
        );
        let rows: Vec<Row> = sql_query(query).load(&mut suite.admin_of(schema).await).await.unwrap();
        all.extend(rows.into_iter().map(|row| row.row));
    }
    all
}

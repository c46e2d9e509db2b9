//! Up from every release with its data in it, and down again: no step loses a row or changes a value unnoticed.

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::config::Secret;
use shared::migrate::{self, Set};
use testkit::empty_database;

use super::rows::{Tables, first_lost, read, write};

/// What a step may change: what it is for. `set/step: table` or `set/step: table.column`.
const MEANT: [&str; 7] = [
    // Names that would look sealed.
    "identity/0006_encryption: users.first_name",
    // What the log no longer holds.
    "identity/0006_encryption: change_log.new_values",
    "identity/0006_encryption: change_log.old_values",
    // The copy of access starts again from a snapshot.
    "task/0007_numbers: feed_positions",
    // Pending tasks with open blockers.
    "task/0008_blocked: tasks.status",
    // The log's rows of dependencies get their project.
    "task/0010_feed: change_log.project_id",
    // Equal bytes are stored once.
    "content/0006_uploads: file_attachments.storage_path",
];

/// What cannot be brought again after it was taken back, as long as rows are there that the pre-flight names: by then
/// equal bytes are stored once, and in the release before each attachment has a file of its own.
const ONE_WAY: [&str; 1] = ["content/0006_uploads"];

struct Database {
    set: &'static Set,
    url: Secret,
    conn: AsyncPgConnection,
    tables: Tables,
}

impl Database {
    async fn empty(set: &'static Set) -> Self {
        let url = empty_database().await;
        let conn = shared::database::connect(&url).await.unwrap();
        Self { set, url, conn, tables: Tables::new() }
    }

    /// Looks at all rows again: those of before must be there.
    async fn after(&mut self, step: &str) {
        let now = read(&mut self.conn, self.set.name).await;
        let step = format!("{}/{step}", self.set.name);
        let lost = first_lost(&self.tables, &now, |what| MEANT.contains(&format!("{step}: {what}").as_str()));
        assert_eq!(lost, None, "{step} lost a row or changed it");
        self.tables = now;
    }

    /// Rows of every release until now, then the step, and all rows are still there.
    async fn climb(&mut self) {
        for migration in self.set.migrations().unwrap() {
            migrate::up_to(&self.url, &self.set, migration.version).await.unwrap();
            self.after(&migration.name).await;
            write(&mut self.conn, self.set.name, migration.version, migration.version).await;
            self.tables = read(&mut self.conn, self.set.name).await;
        }
    }

    /// Each step down, up again and down: what a step drops is gone, and all else stays.
    async fn swing_down(&mut self) {
        for migration in self.set.migrations().unwrap().iter().skip(1).rev() {
            let (name, version) = (&migration.name, migration.version);
            migrate::down(&self.url, &self.set, version - 1).await.unwrap();
            self.after(name).await;
            let again = migrate::up_to(&self.url, &self.set, version).await;
            self.after(name).await;
            if ONE_WAY.contains(&format!("{}/{name}", self.set.name).as_str()) {
                assert!(format!("{:#}", again.unwrap_err()).contains("rows are in its way"));
                continue;
            }
            again.unwrap();
            migrate::down(&self.url, &self.set, version - 1).await.unwrap();
            self.after(name).await;
        }
    }

    async fn count(&mut self, rows: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        let found: Count = sql_query(format!("SELECT count(*) AS count FROM {}.{rows}", self.set.name))
            .get_result(&mut self.conn)
            .await
            .unwrap();
        found.count
    }
}

#[tokio::test]
async fn users_and_their_sessions_are_carried_through_every_release() {
    let mut identity = Database::empty(&identity::MIGRATIONS).await;
    identity.climb().await;
    let generations = identity.set.migrations().unwrap().len() as i64 - 2;
    assert_eq!(identity.count("users").await, generations);
    assert_eq!(identity.count("user_sessions WHERE is_active").await, generations);
    assert_eq!(identity.count("users WHERE first_name LIKE 'clear:sealed%'").await, 1);
    identity.swing_down().await;
}

#[tokio::test]
async fn projects_and_their_members_are_carried_through_every_release() {
    let mut project = Database::empty(&project::MIGRATIONS).await;
    project.climb().await;
    let generations = project.set.migrations().unwrap().len() as i64 - 2;
    assert_eq!(project.count("projects").await, generations);
    assert_eq!(project.count("project_members WHERE role = 'owner'").await, generations);
    assert_eq!(project.count("project_members WHERE role = 'viewer'").await, generations);
    project.swing_down().await;
}

#[tokio::test]
async fn tasks_and_their_dependencies_are_carried_through_every_release() {
    let mut task = Database::empty(&task::MIGRATIONS).await;
    task.climb().await;
    let generations = task.set.migrations().unwrap().len() as i64 - 3;
    assert_eq!(task.count("tasks").await, 3 * generations);
    assert_eq!(task.count("task_dependencies").await, generations);
    assert_eq!(
        task.count("tasks WHERE key ~ ('^[A-Z0-9]+-' || number || '$') AND rank <> ''").await,
        3 * generations
    );
    assert_eq!(task.count("tasks WHERE title LIKE 'waits %' AND status = 'blocked'").await, generations);
    assert_eq!(
        task.count("task_search s JOIN task.tasks t ON t.id = s.task_id WHERE s.words @@ to_tsquery('english', 'waits')")
            .await,
        generations
    );
    task.swing_down().await;
}

#[tokio::test]
async fn documents_and_files_are_carried_through_every_release() {
    let mut content = Database::empty(&content::MIGRATIONS).await;
    content.climb().await;
    let generations = content.set.migrations().unwrap().len() as i64 - 3;
    assert_eq!(content.count("documents").await, generations);
    assert_eq!(content.count("document_versions WHERE title <> ''").await, 2 * generations);
    assert_eq!(content.count("document_search").await, generations);
    assert_eq!(
        content
            .count("file_attachments f JOIN content.blobs b ON b.id = f.blob_id AND b.size = f.file_size")
            .await,
        content.count("file_attachments").await
    );
    content.swing_down().await;
}

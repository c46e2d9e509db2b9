//! Up through every release with its data in it, and down again: no step loses a row or changes a value unnoticed.

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::config::Secret;
use shared::migrate::{self, Set};
use testkit::create_empty_database;

use super::next_release::NextRelease;
use super::rows::{Tables, first_lost, read, write};

/// What a step is meant to change: the name of the step, and the table or the `table.column`.
const INTENDED_CHANGES: [(&str, &str); 1] = [("fill_effort", "tasks.effort")];

struct Database {
    schema: &'static str,
    release: NextRelease,
    url: Secret,
    conn: AsyncPgConnection,
    tables: Tables,
}

impl Database {
    async fn empty(set: &'static Set) -> Self {
        let url = create_empty_database().await;
        let conn = shared::database::connect(&url).await.unwrap();
        Self { schema: set.name, release: NextRelease::of(set), url, conn, tables: Tables::new() }
    }

    /// Reads all rows and compares them with those before the step.
    async fn assert_rows_are_kept_by(&mut self, step: &str) {
        let now = read(&mut self.conn, self.schema).await;
        let (_, what) = step.split_once('_').unwrap();
        let lost = first_lost(&self.tables, &now, |item| INTENDED_CHANGES.contains(&(what, item)));
        assert_eq!(lost, None, "{}/{step} lost a row or changed it", self.schema);
        self.tables = now;
    }

    /// Applies each step, and after it lets the processes of all releases until then write.
    async fn upgrade_step_by_step(&mut self) {
        let migrations = self.release.set.migrations().unwrap();
        for (index, migration) in migrations.iter().enumerate() {
            migrate::up_to(&self.url, &self.release.set, migration.version).await.unwrap();
            self.assert_rows_are_kept_by(&migration.name).await;
            write(&mut self.conn, self.schema, &migrations[..=index]).await;
            self.tables = read(&mut self.conn, self.schema).await;
        }
        assert!(migrations.len() > self.release.released as usize, "a step follows the released ones");
    }

    /// Takes each step but the first back, applies it again and takes it back.
    async fn downgrade_step_by_step(&mut self) {
        for migration in self.release.set.migrations().unwrap().iter().skip(1).rev() {
            let (name, version) = (&migration.name, migration.version);
            for target in [version - 1, version, version - 1] {
                if target == version {
                    migrate::up_to(&self.url, &self.release.set, version).await.unwrap();
                } else {
                    migrate::down(&self.url, &self.release.set, target).await.unwrap();
                }
                self.assert_rows_are_kept_by(name).await;
            }
        }
    }

    /// How often rows have been written.
    fn generations(&self) -> i64 {
        self.release.set.migrations().unwrap().len() as i64
    }

    async fn count(&mut self, rows: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        let found: Count = sql_query(format!("SELECT count(*) AS count FROM {}.{rows}", self.schema))
            .get_result(&mut self.conn)
            .await
            .unwrap();
        found.count
    }
}

#[tokio::test]
async fn users_and_their_sessions_are_carried_through_every_release() {
    let mut identity = Database::empty(&identity::MIGRATIONS).await;
    identity.upgrade_step_by_step().await;
    let generations = identity.generations();
    assert_eq!(identity.count("users").await, generations);
    assert_eq!(identity.count("user_sessions WHERE is_active").await, generations);
    identity.downgrade_step_by_step().await;
}

#[tokio::test]
async fn projects_and_their_members_are_carried_through_every_release() {
    let mut project = Database::empty(&project::MIGRATIONS).await;
    project.upgrade_step_by_step().await;
    let generations = project.generations();
    assert_eq!(project.count("projects").await, generations);
    assert_eq!(project.count("project_members WHERE role = 'owner'").await, generations);
    assert_eq!(project.count("project_members WHERE role = 'viewer'").await, generations);
    project.downgrade_step_by_step().await;
}

#[tokio::test]
async fn tasks_and_their_dependencies_are_carried_through_every_release() {
    let mut task = Database::empty(&task::MIGRATIONS).await;
    task.upgrade_step_by_step().await;
    let generations = task.generations();
    assert_eq!(task.count("tasks").await, 3 * generations);
    assert_eq!(task.count("task_dependencies").await, generations);
    assert_eq!(
        task.count("tasks WHERE task.project_key(project_id) ~ '^[A-Z0-9]+$' AND number > 0 AND rank <> ''")
            .await,
        3 * generations
    );
    assert_eq!(task.count("tasks WHERE title LIKE 'waits %' AND status = 'blocked'").await, generations);
    assert_eq!(
        task.count("task_search s JOIN task.tasks t ON t.id = s.task_id WHERE s.search_vector @@ to_tsquery('english', 'waits')")
            .await,
        generations
    );
    assert_eq!(task.count("tasks WHERE effort = 5").await, generations - i64::from(task.release.released));
    task.downgrade_step_by_step().await;
}

#[tokio::test]
async fn documents_and_files_are_carried_through_every_release() {
    let mut content = Database::empty(&content::MIGRATIONS).await;
    content.upgrade_step_by_step().await;
    let generations = content.generations();
    assert_eq!(content.count("documents").await, generations);
    assert_eq!(content.count("document_versions WHERE title <> ''").await, 2 * generations);
    assert_eq!(content.count("document_search").await, generations);
    assert_eq!(
        content
            .count("file_attachments f JOIN content.blobs b ON b.id = f.blob_id AND b.size = f.file_size")
            .await,
        generations
    );
    content.downgrade_step_by_step().await;
}

#[tokio::test]
async fn a_value_that_a_step_changes_without_saying_so_is_noticed() {
    let mut task = Database::empty(&task::MIGRATIONS).await;
    let migrations = task.release.set.migrations().unwrap();
    let filled = migrations.iter().position(|migration| migration.name.ends_with("_fill_effort")).unwrap();
    migrate::up_to(&task.url, &task.release.set, migrations[filled - 1].version).await.unwrap();
    write(&mut task.conn, "task", &migrations[..filled]).await;
    let before = read(&mut task.conn, "task").await;

    migrate::up_to(&task.url, &task.release.set, migrations[filled].version).await.unwrap();
    let after = read(&mut task.conn, "task").await;

    let lost = first_lost(&before, &after, |_| false).unwrap();
    assert!(lost.starts_with("tasks: ") && lost.contains(r#"("effort", "1")"#), "{lost}");
    assert_eq!(first_lost(&before, &after, |item| item == "tasks.effort"), None);
    assert!(first_lost(&after, &Tables::from([("tasks".to_owned(), Vec::new())]), |_| false).is_some());
}

//! `deploy/backup`: the scripts of the backup image, with the real Barman, a real PostgreSQL and a bucket.

use crate::harness::harness;
use ::content::storage::StorageOptions;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use dafnck::backup::directory::BackupDirectory;
use dafnck::backup::status::Status;
use diesel_async::SimpleAsyncConnection;
use local_servers::tools::send;
use local_servers::{ADMIN, Barman, PostgresServer};
use rustix::process::Signal;
use tempfile::TempDir;
use testkit::{Actor, Bucket, Suite, Topology, free_port};
use tokio::process::Command;

use super::kustomize::{Objects, PRODUCTION};
use super::root;

const NOBODY: u32 = 65534;
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The backup directory, in the image's own.
const BACKUP: &str = "backup";
/// Much less than until somebody writes by chance.
const TIMEOUT: Duration = Duration::from_secs(300);
/// What a restore to before the third project reads: the one that was in the base backup, and the one that only the log has.
const EVERYTHING: &str = "\n  project.projects: 2 rows\n";

/// A directory with the programs of the image, for a user who is not root: PostgreSQL runs as no other.
struct Image {
    directory: TempDir,
    variables: Vec<(&'static str, String)>,
    instead_of_root: bool,
}

impl Image {
    async fn with(packages: &[&Path], postgres: &PostgresServer) -> Self {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let say = |step: &str| eprintln!("{step}");
        let barman =
            Barman::find_or_install(&root().join(".local/cache"), Path::new("/none"), say).await.unwrap();
        let barman = barman.command(&[]);
        let variable = |name: &str| {
            let mut found = barman.get_envs().filter(|(variable, _)| *variable == name);
            found.next().and_then(|(_, value)| value).unwrap_or_default().to_str().unwrap().to_owned()
        };
        let barman_directory = PathBuf::from(variable("PYTHONPATH"));
        for entry in fs::read_dir(barman_directory.join("bin")).unwrap() {
            let program = entry.unwrap().path();
            let name = program.file_name().unwrap().to_str().unwrap().to_owned();
            let options = if name == "barman" {
                // What the scheduler calls says where it is configured, and does so once more.
                format!("-c {}/{BACKUP}/barman.conf", directory.path().display())
            } else {
                String::new()
            };
            write_program(&bin.join(name), &format!("exec python3 {} {options} \"$@\"", program.display()));
        }
        for script in ["restore", "try-restore"] {
            fs::copy(root().join("deploy/backup").join(script), bin.join(script)).unwrap();
        }
        fs::copy(env!("CARGO_BIN_EXE_dafnck"), bin.join("dafnck")).unwrap();
        let python: Vec<_> = [&[barman_directory.as_path()], packages].concat();
        let python = std::env::join_paths(python).unwrap().into_string().unwrap();
        let path = format!("{}:{}:{}", bin.display(), postgres.programs.display(), variable("PATH"));
        let port = free_port().unwrap();
        let variables = vec![
            ("PATH", path),
            ("PYTHONPATH", python),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("LD_LIBRARY_PATH", variable("LD_LIBRARY_PATH")),
            ("PROGRAMS", postgres.programs.to_str().unwrap().to_owned()),
            ("SCRATCH", directory.path().to_str().unwrap().to_owned()),
            ("DATABASE_USER", ADMIN.to_owned()),
            ("DRILL_PORT", port.to_string()),
            ("LC_ALL", "C.UTF-8".to_owned()),
        ];
        let instead_of_root = Path::new("/proc/self").metadata().unwrap().uid() == 0;
        Self { directory, variables, instead_of_root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, program: &str, words: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(self.path("bin").join(program));
        command.args(words).env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.envs(variables.iter().copied()).current_dir(self.directory.path()).kill_on_drop(true);
        if self.instead_of_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs one of its programs; whether it succeeded, and its words on both outputs.
    async fn run(&self, program: &str, words: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
        let output = self.command(program, words, variables).output().await.unwrap();
        let words = [output.stdout, output.stderr].map(|words| String::from_utf8_lossy(&words).into_owned());
        (output.status.success(), words.concat())
    }

    /// Runs the container's own program until `done`, and ends it as `docker stop` does.
    async fn run_schedule(&self, variables: &[(&str, &str)], done: impl Fn() -> bool) {
        let said = fs::File::create(self.path("said")).unwrap();
        let mut command = self.command("dafnck", &["backup", "schedule"], variables);
        command.stdout(said.try_clone().unwrap()).stderr(said);
        let mut schedule = command.spawn().unwrap();
        let deadline = Instant::now() + TIMEOUT;
        while !done() {
            let said = || fs::read_to_string(self.path("said")).unwrap();
            assert_eq!(schedule.try_wait().unwrap(), None, "it ended by itself: {}", said());
            assert!(Instant::now() < deadline, "{}", said());
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        send(Signal::TERM, schedule.id().unwrap()).unwrap();
        assert!(schedule.wait().await.unwrap().success());
    }

    /// What the node exporter tells Prometheus.
    fn metric(&self, name: &str) -> Option<i64> {
        let text = fs::read_to_string(self.path(BACKUP).join("metrics.prom")).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("dafnck_{name} ")))?;
        Some(value.parse().unwrap())
    }

    fn status(&self) -> Status {
        Status::find(&self.path(BACKUP)).unwrap().unwrap_or_default()
    }

    async fn succeed(&self, program: &str, words: &[&str], variables: &[(&str, &str)]) -> String {
        let (succeeded, said) = self.run(program, words, variables).await;
        assert!(succeeded, "{program} {words:?}: {said}");
        said
    }
}

/// Makes a program of the shell.
fn write_program(path: &Path, does: &str) {
    fs::write(path, format!("#!/bin/sh\n{does}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// A suite on servers of its own, with an attachment.
async fn suite_with_an_attachment() -> (Suite, Actor) {
    let suite = harness().start_alone_in(Topology::PLAIN).await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    crate::files::upload(&olga, &project, "up").await;
    (suite, olga)
}

fn postgres_of(suite: &Suite) -> &PostgresServer {
    &suite.servers.as_ref().unwrap().postgres
}

/// The file of the log that is being written.
async fn log_file(suite: &Suite) -> String {
    #[derive(diesel::QueryableByName)]
    struct Name {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let question = diesel::sql_query("SELECT pg_walfile_name(pg_current_wal_lsn()) AS name");
    diesel_async::RunQueryDsl::get_result::<Name>(question, &mut suite.admin().await).await.unwrap().name
}

#[tokio::test]
async fn the_weekly_drill_restores_a_cluster_from_its_bucket_and_names_what_is_lost() {
    let bucket = Bucket::start().await;
    let (suite, olga) = suite_with_an_attachment().await;
    let postgres = postgres_of(&suite);
    let image = Image::with(&[&bucket.packages], postgres).await;
    let endpoint = bucket.endpoint();
    let account = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")];
    let copies = [
        ("DAFNCK_COPY_URL", "s3://files/suite/copies"),
        ("DAFNCK_COPY_ENDPOINT", &endpoint),
        ("DAFNCK_COPY_ACCESS_KEY_ID", "id"),
        ("DAFNCK_COPY_SECRET_ACCESS_KEY", "key"),
    ];
    let store = suite.options.own::<StorageOptions>().storage_directory.to_str().unwrap();
    let keep = [copies.as_slice(), &[("DAFNCK_STORAGE_DIRECTORY", store)]].concat();
    let kept = crate::dafnck::dafnck(&["files", "sync"], &keep).await;
    assert_eq!(kept.code, Some(0), "{kept:?}");

    // What CloudNativePG's plugin does: a base backup, and each WAL segment when it is finished.
    let (options, backups) = (format!("--endpoint-url {endpoint}"), "s3://files/suite/backups");
    let cloud: Vec<&str> = options.split(' ').collect();
    let first = log_file(&suite).await;
    let port = postgres.port.to_string();
    let server =
        ["-h", "127.0.0.1", "-p", &port, "-U", ADMIN, "--immediate-checkpoint", backups, "postgres-content"];
    let login = [account.as_slice(), &[("PGPASSWORD", postgres.admin_password())]].concat();
    image.succeed("barman-cloud-backup", &[&cloud[..], &server].concat(), &login).await;
    olga.project("only in the log").await;
    suite.admin().await.batch_execute("SELECT pg_switch_wal()").await.unwrap();
    let current = log_file(&suite).await;
    for name in finished_log(postgres, &first, &current) {
        let file = postgres.data.join("pg_wal").join(&name);
        let words = [&cloud[..], &[backups, "postgres-content", file.to_str().unwrap()]].concat();
        image.succeed("barman-cloud-wal-archive", &words, &account).await;
    }

    let given = Objects::of(PRODUCTION).await.job("drill-content");
    let [program, words @ ..] = given.words.as_slice() else { panic!("{:?}", given.words) };
    let words: Vec<String> = words.iter().map(|word| word.replace("$(BACKUPS)", backups)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let cluster = [account.as_slice(), &copies, &[("CLOUD_OPTIONS", options.as_str())]].concat();
    for (name, _) in account.iter().chain(&copies).filter(|(name, _)| *name != "DAFNCK_COPY_ENDPOINT") {
        let is_given = given.variables.iter().any(|(variable, _)| variable == name);
        assert!(is_given, "the drill is not given {name}");
    }
    let said = image.succeed(program, &words, &cluster).await;
    assert!(said.contains("1 objects with 2 bytes are referred to, 0 are younger"), "{said}");
    assert!(said.contains("pages: ") && said.contains("restored in "), "{said}");
    assert!(said.contains(EVERYTHING), "{said}");
    assert!(
        !image
            .path("")
            .read_dir()
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with("drill.") }),
        "what was restored goes away again"
    );

    let copy = bucket.objects().into_iter().find(|name| name.starts_with("copies/files/")).unwrap();
    bucket.delete(&copy);
    let (succeeded, said) = image.run(program, &words, &cluster).await;
    assert!(!succeeded && said.contains("is missing"), "{said}");
    let base = bucket.objects().into_iter().find(|name| name.ends_with("/data.tar")).unwrap();
    bucket.delete(&base);
    let (succeeded, said) = image.run(program, &words, &cluster).await;
    assert!(!succeeded && !said.contains("restored in "), "{said}");
}

/// Names of the finished files of the log from the first on.
fn finished_log(postgres: &PostgresServer, first: &str, current: &str) -> Vec<String> {
    let entries = fs::read_dir(postgres.data.join("pg_wal")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.len() == first.len() && name.as_str() >= first && name.as_str() < current);
    names.sort();
    names
}

/// What `deploy/postgres/init/roles.sh` lets the backup's role do.
fn grants() -> String {
    let script = super::read(&root().join("deploy/postgres/init/roles.sh"));
    let (_, from) = script.split_once("-- Backup:").unwrap();
    let (statements, _) = from.split_once("\nSQL\n").unwrap();
    format!("--{}", statements.replace(":'backup'", "'secret'"))
}

#[tokio::test]
async fn the_backup_container_makes_a_backup_copies_attachments_and_can_restore() {
    let (mut suite, olga) = suite_with_an_attachment().await;
    let image = Image::with(&[], postgres_of(&suite)).await;
    suite.admin().await.batch_execute(&grants()).await.unwrap();
    // Readable as in the image of the content service, where the group is.
    let store = suite.options.own::<StorageOptions>().storage_directory.clone();
    open_to_others(&store);
    let (port, database) = (postgres_of(&suite).port, &suite.options.database);
    let url = format!("postgres://dafnck_backup:secret@127.0.0.1:{port}/{database}?sslmode=disable");
    let (backup, programs) = (image.path(BACKUP), postgres_of(&suite).programs.clone());
    let (backup, barman) = (backup.to_str().unwrap(), backup.join("barman"));
    let variables = [
        ("DAFNCK_BACKUP_URL", url.as_str()),
        ("DAFNCK_BACKUP_DIRECTORY", backup),
        ("DAFNCK_POSTGRES_BIN_DIR", programs.to_str().unwrap()),
        ("DAFNCK_STORAGE_DIRECTORY", store.to_str().unwrap()),
        ("DAFNCK_COPY_DIRECTORY", backup),
        ("BARMAN_HOME", barman.to_str().unwrap()),
    ];

    // While nobody writes, which must not be waited for.
    suite.stop().await;
    image.run_schedule(&variables, || image.status().window_start.is_some()).await;

    for metric in ["backup_last_success", "backup_files_last", "backup_log_last", "backup_window_start"] {
        assert!(image.metric(&format!("{metric}_timestamp_seconds")).is_some_and(|at| at > 0), "{metric}");
    }
    assert_eq!(image.metric("backup_failed"), Some(0));
    suite.restart().await;
    let olga = olga.after_restart(&suite);
    olga.project("only in the log").await;
    let before_that = Utc::now();
    olga.project("too late").await;
    // The same day, until it has arrived.
    image.run_schedule(&variables, || image.status().last_wal_at > Some(before_that)).await;
    let moment = before_that.to_rfc3339();
    let said = image.succeed("try-restore", &["barman", "main", &moment], &variables).await;
    assert!(said.contains("1 objects with 2 bytes are referred to, 0 are younger"), "{said}");
    assert!(said.contains("pages: ") && said.contains("restored in "), "{said}");
    assert!(said.contains(EVERYTHING), "{said}");
    assert_eq!((base_backups(&image).await, image.metric("backup_drill_failed")), (1, None));

    // More than a week passes.
    let week_ago = Some(Utc::now() - TimeDelta::days(8));
    let directory = BackupDirectory::open(Path::new(backup)).unwrap();
    Status::update(&directory, |status| {
        (status.last_backup_at, status.last_drill_success_at) = (week_ago, week_ago);
    })
    .unwrap();
    open_to_its_user(&image);
    image.run_schedule(&variables, || image.status().last_drill_at.is_some()).await;
    let said = fs::read_to_string(image.path("said")).unwrap();
    assert!(said.contains("\n  project.projects: 3 rows\n"), "{said}");
    assert_eq!((base_backups(&image).await, image.metric("backup_drill_failed")), (2, Some(0)), "{said}");
    let status = image.status();
    assert!(status.last_backup_at > week_ago && status.last_drill_success_at > week_ago, "{status:?}");
}

/// How many whole ones there are.
async fn base_backups(image: &Image) -> usize {
    let listed = image.succeed("barman", &["list-backups", "main"], &[]).await;
    listed.lines().filter(|line| line.contains(" - Size: ")).count()
}

/// What this test has written is the image's user's again.
fn open_to_its_user(image: &Image) {
    if image.instead_of_root {
        for name in ["status.json", "metrics.prom"] {
            std::os::unix::fs::chown(image.path(BACKUP).join(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

/// The directories of the test are its user's alone; in the containers the group may read.
fn open_to_others(store: &Path) {
    for directory in store.ancestors().take(2) {
        fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    }
}

//! What an export does when something is in its way.

use crate::harness::harness;
use std::process::Command;
use std::time::Duration;

use dafnck::export;
use dafnck::import::Progress;
use proto::content::admin::v1::content_admin_service_client::ContentAdminServiceClient;
use proto::content::admin::v1::{ExportDocumentsRequest, ExportFileRequest};
use proto::identity::admin::v1::ExportUsersRequest;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::project::admin::v1::ExportProjectsRequest;
use proto::project::admin::v1::project_admin_service_client::ProjectAdminServiceClient;
use proto::task::admin::v1::ExportTasksRequest;
use proto::task::admin::v1::task_admin_service_client::TaskAdminServiceClient;
use shared::siblings::Sibling;
use tempfile::TempDir;
use testkit::{Suite, keys, summary};

use super::{ExportedDirectory, to};

async fn refusal(options: &export::ExportOptions) -> String {
    format!("{:#}", export::run(options, &Progress::hidden()).await.unwrap_err())
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn what_is_there_stays_and_what_is_not_whole_does_not() {
    let mut suite = harness().start().await;
    let olga = suite.guest("olga").await;
    olga.project("Apollo").await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("export.jsonl");
    std::fs::write(&file, "mine").unwrap();
    assert!(refusal(&to(&suite, &file)).await.contains("is there already"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

    let nowhere = directory.path().join("nowhere/export.jsonl");
    assert!(refusal(&to(&suite, &nowhere)).await.contains("cannot write"));
    let mut outside = to(&suite, &directory.path().join("other.jsonl"));
    outside.files = "../files".into();
    assert!(refusal(&outside).await.contains("inside of the directory"));

    suite.stop().await;
    let other = directory.path().join("other.jsonl");
    let refused = refusal(&to(&suite, &other)).await;
    assert!(refused.contains("Is the suite running there?"), "{refused}");
    assert_eq!(names(&directory), ["export.jsonl"]);
}

#[tokio::test]
async fn no_half_file_is_left_when_the_disk_takes_no_more() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let apollo = olga.project("Apollo").await;
    olga.document(&apollo, "large", &"all work and no play ".repeat(50_000)).await;
    let directory = TempDir::new().unwrap();
    let (code, told) = limited(&suite, &directory, "export.jsonl").await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("cannot write export.jsonl: File too large"), "{told}");
    let (code, told) = limited(&suite, &directory, "- > /dev/full").await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("cannot write to standard output: No space left"), "{told}");
    assert!(names(&directory).is_empty(), "{:?}", names(&directory));
}

/// Exports in a process that may write no large file: that fails as on a full disk. The limit is in blocks of 512 bytes
/// or 1 KiB, and the document is larger than both.
async fn limited(suite: &Suite, directory: &TempDir, target: &str) -> (Option<i32>, String) {
    let urls = &suite.siblings;
    let mut command = Command::new("bash");
    command
        .current_dir(directory.path())
        .args(["-c", &format!("trap '' XFSZ; ulimit -f 100; exec \"$0\" export {target}")])
        .arg(env!("CARGO_BIN_EXE_dafnck"))
        .env("DAFNCK_OPERATOR_KEY", keys::private_key("operator"))
        .env("DAFNCK_IDENTITY_URL", &urls.identity_url)
        .env("DAFNCK_PROJECT_URL", &urls.project_url)
        .env("DAFNCK_TASK_URL", &urls.task_url)
        .env("DAFNCK_CONTENT_URL", &urls.content_url);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn one_export_at_a_time_and_a_slow_one_holds_up_nobody_else() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let apollo = olga.project("Apollo").await;
    let text = "x".repeat(90_000);
    for number in 0..40 {
        let request = proto::task::v1::CreateTaskRequest {
            task: Some(proto::task::v1::Task {
                project_id: apollo.id.clone(),
                title: format!("{number}"),
                description: Some(text.clone()),
                ..Default::default()
            }),
            ..Default::default()
        };
        olga.tasks().create_task(request).await.unwrap();
    }
    let mut client = TaskAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Task));
    let mut slow = client.export_tasks(ExportTasksRequest::default()).await.unwrap().into_inner();
    let first = slow.message().await.unwrap().unwrap();
    assert_eq!(first.task_counters.len(), 1);

    let second = client.export_tasks(ExportTasksRequest::default()).await.map(|_| ()).unwrap_err();
    assert_eq!(summary(&second), "RESOURCE_EXHAUSTED OVERLOADED");
    // What is made now is not of that moment.
    olga.task(&apollo, "late").await;
    let mut sizes = Vec::new();
    while let Some(message) = slow.message().await.unwrap() {
        sizes.push(message.tasks.len());
    }
    assert_eq!(sizes.iter().sum::<usize>(), 40);
    assert!(sizes.iter().all(|size| *size <= 23), "{sizes:?}: messages have 2 MiB at most");
    drop(slow);
    let again = tokio::time::timeout(Duration::from_secs(10), ExportedDirectory::of(&suite)).await.unwrap();
    assert!(again.text().contains("late"));
}

#[tokio::test]
async fn who_goes_away_makes_room() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    olga.project("Apollo").await;
    let mut client = TaskAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Task));
    let gone = client.export_tasks(ExportTasksRequest::default()).await.unwrap();
    drop(gone);
    // The service learns of it when the connection tells.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while let Err(status) = client.export_tasks(ExportTasksRequest::default()).await {
        assert_eq!(summary(&status), "RESOURCE_EXHAUSTED OVERLOADED");
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn malformed_wishes_are_told() {
    let suite = harness().start().await;
    let mut client = TaskAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Task));
    let request = ExportTasksRequest { project_ids: vec!["x".to_owned()] };
    let refusal = client.export_tasks(request).await.map(|_| ()).unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT INVALID_FIELDS");
    let many = ExportTasksRequest { project_ids: vec![testkit::new_id(); 1001] };
    let refusal = client.export_tasks(many).await.map(|_| ()).unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT INVALID_FIELDS");
}

#[tokio::test]
async fn other_services_get_nothing() {
    let suite = harness().start().await;
    let siblings = suite.as_service("task");
    let mut users = UserAdminServiceClient::new(siblings.channel(Sibling::Identity));
    let mut projects = ProjectAdminServiceClient::new(siblings.channel(Sibling::Project));
    let mut tasks = TaskAdminServiceClient::new(siblings.channel(Sibling::Task));
    let mut content = ContentAdminServiceClient::new(siblings.channel(Sibling::Content));
    let file = ExportFileRequest { sha256: "0".repeat(64) };
    let refusals = [
        users.export_users(ExportUsersRequest::default()).await.err(),
        projects.export_projects(ExportProjectsRequest::default()).await.err(),
        tasks.export_tasks(ExportTasksRequest::default()).await.err(),
        content.export_documents(ExportDocumentsRequest::default()).await.err(),
        content.export_file(file.clone()).await.err(),
    ];
    for refusal in refusals {
        assert_eq!(summary(&refusal.unwrap()), "PERMISSION_DENIED AUDIENCE_REFUSED");
    }
    let mut content = ContentAdminServiceClient::new(suite.as_service("operator").channel(Sibling::Content));
    let missing = content.export_file(file).await.map(|_| ()).unwrap_err();
    assert_eq!(summary(&missing), "NOT_FOUND RESOURCE_NOT_FOUND");
    let malformed = ExportFileRequest { sha256: "../../etc/passwd".to_owned() };
    let malformed = content.export_file(malformed).await.map(|_| ()).unwrap_err();
    assert_eq!(summary(&malformed), "INVALID_ARGUMENT INVALID_FIELDS");
}

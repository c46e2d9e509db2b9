//! The suite that `dafnck` runs on a data directory, looked at without a word on where it is.

use chrono::{TimeDelta, Utc};
use dafnck::backup::directory::BackupDirectory;
use dafnck::backup::status::Status;

use crate::dafnck::CommandOutput;
use crate::local_suite::Machine;

/// What it says of the backup, and whether anything is critical.
fn on_backup(ran: &CommandOutput) -> (bool, String) {
    let is_it = |line: &&str| line.get(10..).is_some_and(|rest| rest.starts_with("backup "));
    let line = ran.out.lines().find(is_it);
    let line = line.unwrap_or_else(|| panic!("nothing on the backup: {ran:?}"));
    (ran.code == Some(2), line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn its_backup_is_found_through_the_data_directory_and_nobody_takes_none_for_a_good_one() {
    let mut machine = Machine::new();
    machine.start("data").await;
    let none = machine.doctor("data").await;
    assert_eq!(on_backup(&none), (false, "note backup the suite is not backed up".to_owned()), "{none:?}");
    assert!(none.out.contains("PostgreSQL 1") && none.out.contains(": writes last, 2"), "{none:?}");

    machine.operate("data", &["backup"]).await.unwrap();
    let made = machine.doctor("data").await;
    let (is_critical, message) = on_backup(&made);
    assert!(!is_critical && message.starts_with("ok backup made at "), "{made:?}");

    let directory = BackupDirectory::open(&machine.path("backup")).unwrap();
    let lock = directory.lock().await.unwrap();
    let change = |status: &mut Status| status.last_backup_at = Some(Utc::now() - TimeDelta::hours(27));
    Status::update(&directory, change).unwrap();
    drop(lock);
    let late = machine.doctor("data").await;
    let (is_critical, message) = on_backup(&late);
    assert!(
        is_critical && message.starts_with("critical backup the last base backup was made at "),
        "{late:?}"
    );
    machine.kill().await;
}

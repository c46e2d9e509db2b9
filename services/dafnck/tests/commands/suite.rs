//! A suite that runs on a data directory, operated through that alone.

use std::fs;

use shared::service_identity::PrivateKey;
use testkit::{Service, free_port};
use uuid::Uuid;

use super::errors::errors_are_objects_of_one_shape;
use super::reports::{
    a_closed_standard_output_ends_a_command_without_a_panic, quiet_commands_print_only_what_was_asked_for,
    reports_are_objects_of_a_stable_shape,
};
use super::streams::{
    a_project_that_is_not_there_is_not_exported_as_an_empty_file,
    lines_that_are_refused_fail_a_strict_import_only,
    what_is_exported_to_standard_output_is_imported_from_standard_input,
};
use super::terminal::{
    a_bar_is_shown_within_the_columns_and_ctrl_c_ends_it, steps_are_shown_at_a_terminal_only,
    who_destroys_is_asked,
};
use super::unattended;
use crate::dafnck::CommandOutput;
use crate::local_suite::Machine;

fn ends(ran: &CommandOutput, code: i32, words: &str) {
    assert!(
        ran.code == Some(code) && (ran.out.contains(words) || ran.err.contains(words)),
        "{words}: {ran:?}"
    );
}

async fn users_are_named_by_id_username_and_address(machine: &Machine) {
    let listed = machine.run("data", &["user", "list", "--username", "gus"]).await;
    let id = listed.out.split_whitespace().next().unwrap().to_owned();
    for name in ["gus", "GUS@example.org", &id] {
        let suspended = machine.run("data", &["user", "suspend", name]).await;
        ends(&suspended, 0, "suspended");
        assert!(suspended.out.starts_with(&id), "{suspended:?}");
        ends(&machine.run("data", &["user", "reactivate", name]).await, 0, "active");
    }
    for action in ["suspend", "reactivate", "export", "delete", "erase"] {
        ends(&machine.run("data", &["user", action, "nobody"]).await, 1, "there is no user `nobody`");
    }
    let unknown = machine.run("data", &["user", "suspend", &Uuid::now_v7().to_string()]).await;
    ends(&unknown, 1, "dafnck: NOT_FOUND: ");
    assert!(unknown.err.contains("\n  reason: "), "{unknown:?}");
}

async fn what_destroys_is_confirmed(machine: &Machine) {
    for action in [&["user", "delete", "gus"][..], &["user", "erase", "gus"], &["end-sessions"]] {
        let refused = unattended(machine.on("data", action)).await;
        ends(&refused, 1, ": give --yes to do it\n");
        assert_eq!(refused.out, "");
    }
    ends(&machine.run("data", &["user", "list", "--username", "gus"]).await, 0, "active");
    ends(&machine.run("data", &["user", "delete", "gus", "--yes"]).await, 0, "deleted");
    ends(&machine.run("data", &["user", "reactivate", "gus"]).await, 0, "active");
}

async fn services_elsewhere_are_named_by_ports_and_urls(machine: &Machine) {
    let port = free_port().unwrap().to_string();
    ends(&machine.run("data", &["health", "--ports", &port]).await, 1, "Is the suite running there?");
    let ran = CommandOutput::run(machine.on("data", &["health"]).env("DAFNCK_PORTS", &port)).await;
    ends(&ran, 1, "not all of them are ready");
    let stranger = machine.url(Service::Project);
    for question in [&["health"][..], &["health", "--alive"]] {
        let ran = machine.run("data", &[question, &["--identity-url", &stranger]].concat()).await;
        ends(&ran, 1, "another service answers there");
        assert_eq!(ran.out.matches("ready").count() + ran.out.matches("alive").count(), 3, "{ran:?}");
    }
    ends(&machine.run("data", &["health", "--url", &stranger]).await, 0, "ready");
    let key = PrivateKey::pem_of(&[7; 32]);
    let stranger = machine.run("data", &["user", "list", "--operator-key", &key]).await;
    ends(&stranger, 1, "Do the services know this key under this name?");
}

/// A data directory that remembers the same ports and passwords, but is of another suite.
async fn another_suite_on_the_same_ports_is_not_taken_for_it(machine: &Machine) {
    let [data, other] = ["data", "other"].map(|name| machine.path(name));
    let [servers, other_servers] = [&data, &other].map(|path| local_servers::server_directory(path).unwrap());
    fs::create_dir_all(&other).unwrap();
    fs::create_dir_all(&other_servers).unwrap();
    fs::copy(data.join("suite.json"), other.join("suite.json")).unwrap();
    fs::copy(servers.join("secrets"), other_servers.join("secrets")).unwrap();
    let secrets = r#"{"role_passwords":"","services":{},"outside_principals":{},"encryption_keys":""}"#;
    fs::write(other.join("suite-secrets"), secrets).unwrap();
    fs::write(other.join("operator-key"), PrivateKey::pem_of(&[7; 32])).unwrap();
    let looked = machine.doctor("other").await;
    ends(&looked, 2, "none of the 8 roles can use the database");
    assert_eq!(looked.out.matches("is of another suite").count(), 4, "{looked:?}");
    assert!(!looked.out.contains("is ready at"), "{looked:?}");
    ends(&machine.run("other", &["user", "list"]).await, 1, "Do the services know this key under this name?");
}

/// A path of a socket has a limit; the machine's directory is short enough.
async fn services_connect_through_the_unix_socket(machine: &Machine) {
    let statement = "DO $$ BEGIN \
         ASSERT (SELECT count(*) > 0 AND bool_and(client_addr IS NULL) FROM pg_stat_activity \
             WHERE usename IN ('task_service', 'task_worker')), 'TCP'; END $$";
    machine.execute("data", statement).await;
}

#[tokio::test]
async fn a_data_directory_is_all_that_commands_need() {
    let mut machine = Machine::new();
    let summary = machine.start("data").await;
    let [olga, _gus] = [machine.register("data", "olga").await, machine.register("data", "gus").await];
    olga.project("Apollo").await;
    services_connect_through_the_unix_socket(&machine).await;
    what_is_exported_to_standard_output_is_imported_from_standard_input(&machine).await;
    lines_that_are_refused_fail_a_strict_import_only(&machine).await;
    a_project_that_is_not_there_is_not_exported_as_an_empty_file(&machine).await;
    users_are_named_by_id_username_and_address(&machine).await;
    what_destroys_is_confirmed(&machine).await;
    who_destroys_is_asked(&machine).await;
    errors_are_objects_of_one_shape(&machine).await;
    services_elsewhere_are_named_by_ports_and_urls(&machine).await;
    another_suite_on_the_same_ports_is_not_taken_for_it(&machine).await;
    reports_are_objects_of_a_stable_shape(&machine).await;
    quiet_commands_print_only_what_was_asked_for(&machine).await;
    a_closed_standard_output_ends_a_command_without_a_panic(&machine).await;

    steps_are_shown_at_a_terminal_only(&machine).await;
    // More than a pipe and the blocks that wait for it hold.
    machine.import("data", "large", 600).await;
    a_bar_is_shown_within_the_columns_and_ctrl_c_ends_it(&machine).await;

    let hint = summary.lines().find_map(|line| line.strip_prefix("To see how it is: ")).unwrap();
    let words: Vec<&str> = hint.split(' ').collect();
    let mut command = tokio::process::Command::new(words[0]);
    let hinted = CommandOutput::run(command.args(&words[1..])).await;
    let task = format!("task is ready at {}", machine.url(Service::Task));
    assert!(hinted.code != Some(2) && hinted.out.contains(&task), "{hinted:?}");

    machine.stop().await;
    ends(&machine.run("data", &["user", "list"]).await, 1, "Is the suite running there?");
    ends(&machine.doctor("data").await, 2, "none of the 8 roles can use the database");
    let again = machine.start_again("data").await;
    let content = machine.url(Service::Content);
    assert_eq!(again["services"][4]["address"], content.trim_start_matches("http://"));
    ends(&machine.run("data", &["health"]).await, 0, &content);
    machine.stop().await;
}

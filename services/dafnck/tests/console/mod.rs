//! The console that `dafnck run` serves, in a real browser.

mod documents;
mod libraries;
mod planning;
mod request;
mod server;
mod tools;
mod visit;

use proto::identity::v1 as pb;
use testkit::{Actor, Key};
use tokio::net::TcpStream;
use totp_rs::{Builder, Secret};

use crate::local_suite::Machine;
use visit::Visit;

/// As the name of a project.
const HOSTILE: &str = "<img src=x onerror=window.injected=1>";

#[tokio::test]
async fn the_console_shows_the_suite_in_a_browser() {
    let mut machine = Machine::new();
    let summary = machine.start("data").await;
    assert!(summary.contains(&machine.console_url()), "{summary}");
    server::answers_under_the_names_of_the_loopback_only(&machine).await;
    server::foreign_pages_are_refused(&machine).await;
    server::findings_hold_no_secrets(&machine).await;

    if let Some(mut visit) = Visit::begin(&machine).await {
        an_account_is_made(&mut visit).await;
        a_hostile_name_is_only_a_name(&mut visit).await;
        planning::tasks_are_planned(&mut visit, &mut machine).await;
        documents::versions_are_compared(&mut visit).await;
        tools::the_suite_is_looked_at(&mut visit).await;
        tools::methods_are_called(&mut visit).await;
        request::a_violation_is_shown_beside_its_field(&mut visit).await;
        request::form_and_json_are_of_one_request(&mut visit).await;
        request::what_no_browser_can_call_is_a_command(&mut visit).await;
        request::what_was_created_is_on_the_board(&mut visit).await;
        tools::colors_are_chosen(&mut visit).await;
        a_second_factor_is_asked_for(&mut visit, &machine).await;
        visit.end().await;
    }

    machine.stop().await;
    let summary = machine.start_with("data", &[("DAFNCK_CONSOLE", "false")]).await;
    assert!(!summary.contains(&machine.console_url()), "{summary}");
    let authority = machine.console_url().replace("http://", "");
    assert!(TcpStream::connect(authority).await.is_err(), "somebody listens on the console's port");
    assert!(!server::is_allowed_to_call(&machine, &machine.console_url()).await);
    machine.stop().await;
}

async fn an_account_is_made(visit: &mut Visit) {
    visit.wait_for("Create an account").await;
    visit.inspect("sign-in").await;
    visit.fill("Username or address", "nobody").await;
    visit.fill("Password", "a wrong password").await;
    visit.press(Key::Enter).await;
    visit.wait_for("INVALID_CREDENTIALS").await;

    visit.fill("Email address", "mia@example.org").await;
    visit.fill("Username", "mia").await;
    visit.fill("New password", "correct horse battery").await;
    visit.press(Key::Enter).await;
    visit.wait_for("No projects yet.").await;
}

/// Up to the board of a project.
async fn a_hostile_name_is_only_a_name(visit: &mut Visit) {
    visit.fill("New project", HOSTILE).await;
    visit.press(Key::Enter).await;
    visit.wait_for("New task").await;
    assert_eq!(visit.evaluate("document.querySelector('h1').textContent").await, HOSTILE);
    visit.follow("Projects").await;
    visit.wait_until("document.querySelector('.tiles strong') !== null").await;
    visit.inspect("projects").await;
    assert_eq!(visit.evaluate("document.querySelectorAll('main img').length").await, 0);
    assert_eq!(
        visit.evaluate("window.injected === undefined && !location.href.includes('dfs_')").await,
        true
    );
    visit.follow("IMG").await;
    visit.wait_for("New task").await;
}

async fn a_second_factor_is_asked_for(visit: &mut Visit, machine: &Machine) {
    let olga = machine.register("data", "olga").await;
    let recovery_code = enable_second_factor(&olga).await;
    visit.follow("Sign out").await;
    visit.wait_for("Create an account").await;
    assert_eq!(visit.evaluate("sessionStorage.length").await, 0);

    visit.fill("Username or address", &olga.name).await;
    visit.fill("Password", &olga.password).await;
    visit.press(Key::Enter).await;
    visit.wait_for("Second factor").await;
    visit.inspect("second-factor").await;
    visit.fill("Code of the app", "000000").await;
    visit.press(Key::Enter).await;
    visit.wait_for("SECOND_FACTOR_INVALID").await;
    visit.fill("Code of the app", &recovery_code).await;
    visit.press(Key::Enter).await;
    visit.wait_for("No projects yet.").await;
}

/// Turns the second factor on; a recovery code.
async fn enable_second_factor(actor: &Actor) -> String {
    let begin = pb::BeginSecondFactorRequest { password: actor.password.clone(), ..Default::default() };
    let begun = actor.account().begin_second_factor(begin).await.unwrap().into_inner();
    let app = Builder::new().with_secret(Secret::try_from_base32(&begun.secret).unwrap()).build().unwrap();
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
    let confirm =
        pb::ConfirmSecondFactorRequest { code: app.generate(now).to_string(), ..Default::default() };
    let confirmed = actor.account().confirm_second_factor(confirm).await.unwrap().into_inner();
    confirmed.codes[0].clone()
}

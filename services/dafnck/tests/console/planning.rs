//! The board, the graph and the plan of a project.

use proto::task::v1::{Task, UpdateTaskRequest};
use testkit::Key;

use super::visit::Visit;
use crate::local_suite::Machine;

/// The column of the card that has the focus.
const FOCUSED_COLUMN: &str = "document.activeElement.closest('section')?.getAttribute('aria-label')";

pub async fn tasks_are_planned(visit: &mut Visit, machine: &mut Machine) {
    for title in ["Design the engine", "Build the engine", "Test the engine", "Buy fuel"] {
        visit.fill("New task", title).await;
        visit.press(Key::Enter).await;
        visit.wait_for(title).await;
        visit.wait_until("document.querySelector('input[name=title]').value === ''").await;
    }
    cards_are_moved_with_keys_and_pointer(visit).await;
    changes_of_others_appear(visit, machine).await;
    a_conflict_is_shown_and_settled(visit).await;
    visit.inspect("board").await;
    a_dependency_is_made(visit).await;
    the_graph_and_the_plan_show_the_critical_path(visit).await;
}

async fn cards_are_moved_with_keys_and_pointer(visit: &mut Visit) {
    visit.tab_to("IMG-1").await;
    visit.press_with_shift(Key::ArrowRight).await;
    // The focus goes along with the card.
    visit.wait_until(&format!("{FOCUSED_COLUMN}?.startsWith('In progress')")).await;
    visit
        .wait_until("document.querySelector('[data-testid=announcement]').textContent.includes('IMG-1')")
        .await;
    visit.press(Key::ArrowLeft).await;
    visit.press(Key::ArrowDown).await;
    assert_eq!(visit.evaluate("document.activeElement.dataset.task").await, "IMG-3");
    visit.press(Key::ArrowUp).await;
    visit.press(Key::ArrowRight).await;
    assert_eq!(visit.evaluate("document.activeElement.dataset.task").await, "IMG-1");

    visit.drag("[data-task='IMG-2']", "section[aria-label^='In progress']").await;
    visit
        .wait_until("document.querySelectorAll(\"section[aria-label='In progress: 2'] .card\").length === 2")
        .await;
    visit.drag("[data-task='IMG-4']", "section[aria-label^='Review']").await;
    visit.wait_for("INVALID_STATUS_TRANSITION").await;
    visit.follow("Dismiss").await;
}

async fn changes_of_others_appear(visit: &mut Visit, machine: &mut Machine) {
    let (mia, project) = visit.signed_in().await;
    mia.task(&project, "Buy oxygen").await;
    visit.wait_for("Buy oxygen").await;
    visit.restart(machine).await;
    mia.task(&project, "Pack the bags").await;
    visit.wait_for("Pack the bags").await;
    visit.wait_for_reconnection().await;
}

async fn a_conflict_is_shown_and_settled(visit: &mut Visit) {
    let (mia, _) = visit.signed_in().await;
    visit.follow("IMG-3").await;
    visit.wait_for("Waits for").await;
    let id = visit
        .evaluate(
            "[...document.querySelectorAll('.card')].find(({ dataset }) => dataset.task === 'IMG-3').id",
        )
        .await;
    let task =
        Task { id: id.as_str().unwrap().to_owned(), title: "Test it twice".into(), ..Default::default() };
    mia.tasks().update_task(UpdateTaskRequest { task: Some(task), ..Default::default() }).await.unwrap();
    visit.wait_for("This task has changed since you opened it. It is now “Test it twice”, Pending.").await;
    visit.inspect("task").await;
    visit.fill("Title", "Test it never").await;
    visit.press(Key::Enter).await;
    visit.wait_for("ETAG_MISMATCH").await;
    visit.wait_for("nothing was saved").await;
    visit.follow("Load the present state").await;
    visit.wait_until("document.querySelector('dialog input[name=title]').value === 'Test it twice'").await;
    visit.fill("Title", "Test it thrice").await;
    visit.fill("Estimate in hours", "12").await;
    visit.press(Key::Enter).await;
    visit
        .wait_until("!document.querySelector('dialog') && document.activeElement.dataset.task === 'IMG-3'")
        .await;
    visit.wait_for("Test it thrice").await;
}

/// `IMG-4` waits for the first of the others, which is `IMG-1`.
async fn a_dependency_is_made(visit: &mut Visit) {
    visit.follow("IMG-4").await;
    visit.wait_for("Waits for").await;
    visit.follow("Add dependency").await;
    visit.wait_for("It is now “Buy fuel”, Blocked.").await;
    visit.press(Key::Escape).await;
    visit
        .wait_until("!document.querySelector('dialog') && document.activeElement.dataset.task === 'IMG-4'")
        .await;
}

async fn the_graph_and_the_plan_show_the_critical_path(visit: &mut Visit) {
    visit.follow("Graph").await;
    visit.wait_until("document.querySelectorAll('.node').length === 6 && document.querySelectorAll('.edge').length === 1").await;
    visit.inspect("graph").await;
    visit.tab_to("IMG-4 · Blocked Buy fuel, on the critical path").await;
    visit.press(Key::Enter).await;
    visit.wait_for("Waits for").await;
    visit.press(Key::Escape).await;
    visit.wait_until("!document.querySelector('dialog')").await;

    visit.follow("Plan").await;
    visit.wait_for("Critical path: IMG-1 → IMG-4").await;
    let critical =
        "[...document.querySelectorAll('tr.critical .key')].map(({ textContent }) => textContent).join()";
    assert_eq!(visit.evaluate(critical).await, "IMG-1,IMG-4");
    let [first, second] = [bar(visit, "IMG-1").await, bar(visit, "IMG-4").await];
    assert!(
        first[0] + first[1] <= second[0] + 1.0,
        "the second begins after the first: {first:?}, {second:?}"
    );
    visit.inspect("plan").await;
}

/// Left edge and width of a task's bar.
async fn bar(visit: &mut Visit, key: &str) -> [f64; 2] {
    let expression = format!(
        "(() => {{ const row = [...document.querySelectorAll('tbody tr')].find((row) => row.innerText.startsWith('{key}'));
         const {{ left, width }} = row.querySelector('.bar').getBoundingClientRect(); return [left, width] }})()"
    );
    let bar: [f64; 2] = serde_json::from_value(visit.evaluate(&expression).await).unwrap();
    assert!(bar[1] > 10.0, "{key}: {bar:?}");
    bar
}

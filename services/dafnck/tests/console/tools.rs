//! Health, the explorer of the API, and colours.

use serde_json::json;
use testkit::Key;

use super::visit::Visit;

pub async fn the_suite_is_looked_at(visit: &mut Visit) {
    visit.follow("Health").await;
    visit.wait_until("(document.body.innerText.match(/is ready at/g) ?? []).length === 4").await;
    visit.wait_for("roles can use the database").await;
    visit.inspect("health").await;
}

pub async fn methods_are_called(visit: &mut Visit) {
    let (_, project) = visit.signed_in().await;
    open_method(visit, "ServerInfoService/GetServerInfo").await;
    visit.follow("Call").await;
    visit.wait_until("document.querySelector('.response')?.textContent.includes('dafnck.task.v1')").await;

    open_method(visit, "TaskService/SearchTasks").await;
    visit.follow("Call").await;
    visit.wait_for("INVALID_ARGUMENT").await;
    visit.wait_for("query: must have 1 to 500 characters").await;
    visit.inspect("api").await;

    open_method(visit, "TaskService/WatchTasks").await;
    visit.fill("project_id", &project.id).await;
    visit.follow("Call").await;
    visit.wait_for("Responses: 1").await;
    visit.follow("Stop").await;
    visit.wait_until("[...document.querySelectorAll('button')].every(({ disabled }) => !disabled)").await;
    assert_eq!(visit.evaluate("document.querySelector('.error')").await, json!(null));
}

pub async fn open_method(visit: &mut Visit, path: &str) {
    let name = path.rsplit('/').next().unwrap();
    visit.follow("API").await;
    visit.wait_for("Choose a method.").await;
    visit.fill("Find a method", path).await;
    visit.follow(name).await;
    visit.wait_until(&format!("document.querySelector('article h2')?.textContent === '{name}'")).await;
}

pub async fn colors_are_chosen(visit: &mut Visit) {
    let background = "getComputedStyle(document.body).backgroundColor";
    visit.prefer_colors("dark").await;
    let dark = visit.evaluate(background).await;
    visit.prefer_colors("light").await;
    let light = visit.evaluate(background).await;
    assert_ne!(dark, light);
    visit.tab_to("Colours").await;
    visit.press(Key::ArrowDown).await;
    visit.press(Key::ArrowDown).await;
    visit.wait_until("document.documentElement.dataset.theme === 'dark'").await;
    assert_eq!(visit.evaluate(background).await, dark);
}

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
    open_method(visit, "GetServerInfo").await;
    visit.follow("Call").await;
    visit.wait_until("document.querySelector('.response')?.textContent.includes('dafnck.task.v1')").await;

    open_method(visit, "SearchTasks").await;
    visit.follow("Call").await;
    visit.wait_for("INVALID_ARGUMENT").await;
    visit.wait_for("query: must have 1 to 500 characters").await;
    visit.inspect("api").await;

    open_method(visit, "WatchTasks").await;
    visit.fill("Request, as JSON", &json!({ "projectId": project.id }).to_string()).await;
    visit.follow("Call").await;
    visit.wait_for("Responses: 1").await;
    visit.follow("Stop").await;
    visit.wait_until("[...document.querySelectorAll('button')].every(({ disabled }) => !disabled)").await;
    assert_eq!(visit.evaluate("document.querySelector('.error')").await, json!(null));

    open_method(visit, "UploadAttachment").await;
    visit.wait_for("Browsers cannot send streams").await;
}

async fn open_method(visit: &mut Visit, name: &str) {
    visit.follow("API").await;
    visit.fill("Find a method", &format!("/{name}")).await;
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

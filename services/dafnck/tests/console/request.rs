//! The form of a request, which the explorer makes of a descriptor.

use serde_json::json;
use testkit::Key;

use super::tools::open_method;
use super::visit::Visit;

const CREATED: &str = "JSON.parse(document.querySelector('.response')?.textContent ?? '{}')";
/// The message of which the server says something.
const MISSING: &str = "document.querySelector('fieldset:has(> div > .violation) > legend')?.textContent";
const JSON_VIEW: &str = "document.querySelector('#json')";

/// Each label whose control is invalid, with what is said of it.
const INVALID: &str = "[...document.querySelectorAll('[aria-invalid]')].map(control => [control.labels[0].textContent,
    document.getElementById(control.getAttribute('aria-describedby')).querySelector('.violation').textContent])";

pub async fn a_violation_is_shown_beside_its_field(visit: &mut Visit) {
    let (_, project) = visit.signed_in().await;
    open_method(visit, "TaskService/CreateTask").await;
    visit.fill("project_id", &project.id).await;
    visit.fill("title", "Paint the rocket").await;
    visit.tab_to("priority").await;
    for _ in ["low", "medium", "high", "urgent"] {
        visit.press(Key::ArrowDown).await;
    }
    for (index, tag) in ["red", &"x".repeat(101)].into_iter().enumerate() {
        visit.follow("Add to tags").await;
        let label = format!("tags[{index}]");
        visit.wait_until(&format!("document.activeElement.labels?.[0].textContent === '{label}'")).await;
        visit.fill(&label, tag).await;
    }
    visit.follow("Call").await;
    visit.wait_until(&format!("{INVALID}.length > 0")).await;
    assert_eq!(visit.evaluate(INVALID).await, json!([["tags[1]", "must have 1 to 100 characters, has 101"]]));
    visit.inspect("api-form").await;

    visit.fill("tags[1]", "fast").await;
    visit.follow("Call").await;
    visit.wait_until(&format!("{CREATED}.title === 'Paint the rocket'")).await;
    let created = visit.evaluate(CREATED).await;
    assert_eq!(created["tags"], json!(["red", "fast"]));
    assert_eq!(created["priority"], "TASK_PRIORITY_URGENT");
    assert_eq!(visit.evaluate(INVALID).await, json!([]));
}

/// Of the request that has just been sent.
pub async fn form_and_json_are_of_one_request(visit: &mut Visit) {
    visit.follow("JSON").await;
    visit.wait_until(&format!("{JSON_VIEW} !== null")).await;
    let request = visit.evaluate(&format!("JSON.parse({JSON_VIEW}.value)")).await;
    assert_eq!(request["task"]["tags"], json!(["red", "fast"]));
    visit.inspect("api-json").await;
    visit.fill("Request, as JSON", "{").await;
    visit.follow("Form").await;
    assert_eq!(visit.evaluate(&format!("{JSON_VIEW}.validity.customError")).await, true);
    let request = json!({ "task": { "due_at": "2100-01-01T00:00:00.0Z", "metadata": { "paint": "red" } } });
    visit.fill("Request, as JSON", &request.to_string()).await;
    visit.follow("Form").await;
    visit.tab_to("due_at").await;
    assert_eq!(visit.evaluate("document.activeElement.value").await, "2100-01-01T00:00:00Z");
    visit.tab_to("metadata").await;
    assert_eq!(visit.evaluate("JSON.parse(document.activeElement.value)").await, request["task"]["metadata"]);
    visit.follow("Remove task").await;
    visit.follow("Call").await;
    visit.wait_until(&format!("{MISSING} === 'task'")).await;
}

/// It names each message once, quoted for a shell.
pub async fn what_no_browser_can_call_is_a_command(visit: &mut Visit) {
    open_method(visit, "AttachmentService/UploadAttachment").await;
    visit.wait_for("Browsers cannot send streams").await;
    visit.tab_to("Which part").await;
    visit.press(Key::ArrowDown).await;
    visit.fill("filename", "it's.txt").await;
    visit.follow("Add to messages").await;
    visit
        .wait_until(
            "document.activeElement.closest('fieldset')?.querySelector('legend').textContent === 'part'",
        )
        .await;
    visit.press(Key::ArrowDown).await;
    visit.press(Key::ArrowDown).await;
    visit.fill("chunk", "aGVsbG8=").await;
    let command = visit.evaluate("document.querySelector('details[open] pre').textContent").await;
    let command = command.as_str().unwrap();
    let messages = r#"-d '{"header":{"target":{},"filename":"it'\''s.txt"}} {"chunk":"aGVsbG8="}'"#;
    assert!(command.starts_with("grpcurl -plaintext ") && command.contains(messages), "{command}");
    assert!(command.ends_with(" dafnck.content.v1.AttachmentService/UploadAttachment"), "{command}");
    visit.inspect("api-stream").await;
}

pub async fn what_was_created_is_on_the_board(visit: &mut Visit) {
    visit.follow("Projects").await;
    visit.wait_until("document.querySelector('.tiles a') !== null").await;
    visit.follow("IMG").await;
    visit.wait_for("Paint the rocket").await;
}

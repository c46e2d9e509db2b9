//! Documents, their versions and differences.

use testkit::Key;

use super::visit::Visit;

pub async fn versions_are_compared(visit: &mut Visit) {
    visit.follow("Documents").await;
    visit.fill("New document", "Mission <b>notes</b>").await;
    visit.press(Key::Enter).await;
    visit.wait_until("document.querySelectorAll('tbody tr').length === 1").await;
    for (text, versions) in [("one\ntwo\n", 2), ("one\nTWO\nthree\n", 3)] {
        visit.fill("Text", text).await;
        visit.follow("Save").await;
        visit.wait_until(&format!("document.querySelectorAll('tbody tr').length === {versions}")).await;
    }
    visit.wait_for("2 lines inserted, 1 deleted.").await;
    assert_eq!(visit.evaluate("document.querySelector('.diff del').textContent").await, "− two\n");
    assert_eq!(visit.evaluate("document.querySelector('.diff ins').textContent").await, "+ TWO\n+ three\n");
    visit.inspect("documents").await;
    visit.tab_to("From").await;
    visit.press(Key::ArrowDown).await;
    visit.wait_for("3 lines inserted, 0 deleted.").await;
}

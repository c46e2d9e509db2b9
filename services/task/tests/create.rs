//! Creating tasks.

use suite::testing::*;

#[tokio::test]
async fn a_task_is_made_with_what_was_given() {
    let suite = Suite::start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let task = olga.task(&project, "buy milk").await;
    assert_eq!(task.title, "buy milk");
}

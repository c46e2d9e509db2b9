//! Statements that are sent without waiting keep their order, whatever else their task has done.

use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use futures::FutureExt as _;
use local_servers::suite::Role;
use shared::config::DatabaseOptions;
use shared::database::Database;
use uuid::Uuid;

use crate::harness::harness;

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

/// A setting of the transaction. It is gone for a statement that runs after the transaction's `COMMIT`.
const CURRENT_USER: &str = "SELECT coalesce(current_setting('app.current_user_id', true), '') AS value";

/// Leaves the task nothing to spend before it yields: tokio's locks and channels then answer `Pending` once.
fn spend_the_budget() {
    while tokio::task::consume_budget().now_or_never().is_some() {}
}

#[tokio::test]
async fn a_commit_does_not_overtake_its_statement_when_the_budget_of_the_task_is_spent() {
    let suite = harness().start().await;
    let url = suite.options.url_of(Role::requests_of("task"));
    let database = Database::new(&url, &DatabaseOptions::default(), 1).unwrap();
    let ask = async |is_spent: bool| -> (String, String) {
        let [first, then] = [Uuid::now_v7(), Uuid::now_v7()];
        let tx = database.begin_as(first).await.unwrap();
        if is_spent {
            spend_the_budget();
        }
        tx.act_as(then).unwrap();
        let rows: Vec<Setting> = tx.commit_with(sql_query(CURRENT_USER)).await.unwrap();
        (rows[0].value.clone(), then.to_string())
    };
    // The statement is prepared by the first transaction; from then on it is sent together with `COMMIT`.
    for is_spent in [false, false, true, true] {
        let (seen, expected) = ask(is_spent).await;
        assert_eq!(seen, expected, "with the budget spent: {is_spent}");
    }
}

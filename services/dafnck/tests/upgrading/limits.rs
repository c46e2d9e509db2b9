//! How long a step may wait, and how long each of its statements may run.

use crate::harness::harness;
use dafnck::services::REFERENCES;
use diesel_async::SimpleAsyncConnection;
use shared::migrate;
use testkit::Topology;

/// Has each command that changes a table do this first, with the limits that the step has.
fn before_each_command(does: &str) -> String {
    format!(
        "CREATE TABLE public.seen (lock_timeout text, statement_timeout text); \
         CREATE FUNCTION public.look() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {does} END $$; \
         CREATE EVENT TRIGGER look ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.look()"
    )
}

#[tokio::test]
async fn a_step_has_400_ms_to_wait_and_15_minutes_for_a_statement() {
    let suite = harness().start_in(Topology::PLAIN).await;
    migrate::down(&suite.admin_url, &REFERENCES, 0).await.unwrap();
    let note = "INSERT INTO public.seen VALUES (current_setting('lock_timeout'), current_setting('statement_timeout'));";
    suite.admin().await.batch_execute(&before_each_command(note)).await.unwrap();

    assert_eq!(migrate::up(&suite.admin_url, &REFERENCES).await.unwrap(), 1);

    // One more is of the ledger, before the step.
    let keys = "pg_constraint k JOIN pg_class a ON a.oid = conrelid JOIN pg_class b ON b.oid = confrelid \
                WHERE contype = 'f' AND a.relnamespace <> b.relnamespace";
    let limited = "public.seen WHERE (lock_timeout, statement_timeout) = ('400ms', '15min')";
    assert_eq!(suite.count(limited).await, suite.count(keys).await);
    assert!(suite.count(limited).await > 0);
}

#[tokio::test]
async fn a_statement_that_runs_for_too_long_ends_its_step_which_is_undone_and_not_repeated() {
    let suite = harness().start_in(Topology::PLAIN).await;
    migrate::down(&suite.admin_url, &REFERENCES, 0).await.unwrap();
    // The first command of the step finds the limit and makes it short, the second takes longer.
    let stay = "IF current_setting('statement_timeout') = '15min' THEN SET LOCAL statement_timeout = '200ms'; \
                ELSIF current_setting('statement_timeout') = '200ms' THEN PERFORM pg_sleep(60); END IF;";
    suite.admin().await.batch_execute(&before_each_command(stay)).await.unwrap();

    let refusal = format!("{:#}", migrate::up(&suite.admin_url, &REFERENCES).await.unwrap_err());

    assert!(refusal.contains("due to statement timeout"), "{refusal}");
    assert!(refusal.contains("was undone as a whole; nothing of it remains"), "{refusal}");
    assert_eq!(
        suite
            .count(
                "pg_constraint WHERE conrelid = 'task.tasks'::regclass AND contype = 'f' \
        AND confrelid = 'identity.users'::regclass"
            )
            .await,
        0
    );
    suite.admin().await.batch_execute("DROP EVENT TRIGGER look").await.unwrap();
    assert_eq!(migrate::up(&suite.admin_url, &REFERENCES).await.unwrap(), 1, "and it can be run again");
}

//! What `dafnck run` does for its databases and logs by itself.

use std::fs::{self, File};
use std::time::Duration;

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use local_servers::RunningPostgres;

use crate::local_suite::Machine;

/// How long the suite may take to see what is due.
const TIMEOUT: Duration = Duration::from_secs(60);
/// More than a log may have.
const LARGE: u64 = 17 << 20;

/// How many jobs have ended well in the schemas of the services.
async fn jobs_done(machine: &Machine) -> i64 {
    #[derive(QueryableByName)]
    struct Done {
        #[diesel(sql_type = BigInt)]
        done: i64,
    }
    let url = RunningPostgres::find(&machine.path("data")).unwrap().admin_url("dafnck");
    let of = |service| format!("SELECT finished_at, error FROM {service}.maintenance_runs");
    let runs = local_servers::suite::NAMES.map(of).join(" UNION ALL ");
    let question =
        format!("SELECT count(*) AS done FROM ({runs}) r WHERE finished_at IS NOT NULL AND error IS NULL");
    let mut conn = shared::database::connect(&url).await.unwrap();
    diesel_async::RunQueryDsl::get_result::<Done>(sql_query(question), &mut conn).await.unwrap().done
}

#[tokio::test]
async fn a_suite_that_runs_maintains_its_databases_and_begins_large_logs_anew() {
    let mut machine = Machine::new();
    machine.start("data").await;
    let maintained = async { while jobs_done(&machine).await < 12 {} };
    tokio::time::timeout(TIMEOUT, maintained).await.expect("three jobs in four schemas");
    machine.stop().await;

    let log = machine.path("data/log/postgres.log");
    File::options().write(true).open(&log).unwrap().set_len(LARGE).unwrap();
    machine.start("data").await;
    let aside = machine.path("data/log/postgres.log.1");
    let begun_anew = async {
        while !fs::metadata(&log).is_ok_and(|log| log.len() < LARGE) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, begun_anew).await.expect("the log is too large");
    assert!(fs::metadata(aside).unwrap().len() >= LARGE, "what it had is kept");
    machine.execute("data", "DO $$ BEGIN RAISE LOG 'the server goes on writing'; END $$").await;
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("the server goes on writing"), "{said}");
    machine.stop().await;
}

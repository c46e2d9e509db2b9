//! What the suite stands on is taken away under a write load. (The services' own processes: `tests/killed.rs` of each.)

mod full_disk;
mod kills;

use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use shared::local::LocalServers;
use shared::proto::project::v1::Project;
use suite::testing::{Actor, Suite};

/// How long PostgreSQL may take to start again.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// The tests' server does not wait for its log; what is acknowledged from here on is in the hands of the system. A
/// connection that is open already would not hear of it, nor would one that is made before the change is committed: the
/// services connect again at once.
async fn wait_for_the_log(suite: &Suite) {
    let mut admin = suite.admin().await;
    let patient = format!("ALTER DATABASE {} SET synchronous_commit = on", suite.options.database);
    admin.batch_execute(&patient).await.unwrap();
    let others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    admin.batch_execute(others).await.unwrap();
}

/// Somebody with a project.
async fn owner(suite: &Suite) -> (Actor, Project) {
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    (olga, project)
}

/// Ends what may be left of PostgreSQL, and starts it again.
async fn start_postgres_again(servers: &LocalServers) {
    servers.kill_postgres().await.unwrap();
    // Its children may take a moment to notice, and it does not start beside them.
    let start = Instant::now();
    while let Err(error) = servers.start_postgres().await {
        assert!(start.elapsed() < PATIENCE, "{error:#}");
        tokio::time::sleep(PAUSE).await;
    }
}

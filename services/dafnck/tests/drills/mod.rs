//! What the suite stands on is taken away under a write load. (The services' own processes: `tests/processes.rs` of each.)

mod full_disk;
mod kills;

use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use local_servers::LocalServers;
use local_servers::suite::NAMES;
use proto::project::v1::Project;
use testkit::{Actor, Suite, until_ok};

/// How long PostgreSQL may take to start again.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The tests' server does not wait for its log; what is acknowledged from here on is in the hands of the system. A
/// connection that is open already would not hear of it, nor would one that is made before the change is committed: the
/// services connect again at once.
async fn wait_for_the_log(suite: &Suite) {
    let patient = "DO $$ BEGIN \
                     EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); \
                   END $$";
    let others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for service in NAMES {
        let mut admin = suite.admin_of(service).await;
        admin.batch_execute(patient).await.unwrap();
        admin.batch_execute(others).await.unwrap();
    }
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
    until_ok("PostgreSQL starts", TIMEOUT, async || servers.start_postgres().await).await;
}

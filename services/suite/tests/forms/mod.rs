//! One journey through the whole suite, in every form that the suite can have.

mod cluster;
mod databases;
mod encrypted_servers;
mod encryption;
mod journey;
pub mod moving;
mod pooler;
mod writers;

use std::time::Duration;

pub use encryption::ENCRYPTED;
pub use journey::until_refused;
use shared::config::SiblingOptions;
use suite::health;
use suite::testing::{Form, Suite};

/// How long services may take until they are ready, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Waits until all services are ready: where much is asked at once, nothing should still be connecting.
async fn until_ready(suite: &Suite, siblings: &SiblingOptions) {
    let authority = suite.options.certificates.as_ref().map(|folder| folder.join("ca.pem"));
    let ready = async { while !health::all_ready(siblings, authority.as_deref()).await {} };
    tokio::time::timeout(START_LIMIT, ready).await.expect("the services do not become ready");
}

/// Puts a suite together in this form and goes the whole way.
async fn travel_in(form: Form) {
    journey::travel(&Suite::start_in(form).await).await;
}

#[tokio::test]
async fn the_journey_in_the_plain_form() {
    travel_in(Form::default()).await;
}

//! One journey through the whole suite, in every form that the suite can have.

mod cluster;
mod databases;
mod encryption;
mod journey;
pub mod moving;
mod pooler;
mod writers;

pub use journey::until_refused;
use suite::testing::{Form, Suite};

/// Puts a suite together in this form and goes the whole way.
async fn travel_in(form: Form) {
    journey::travel(&Suite::start_in(form).await).await;
}

#[tokio::test]
async fn the_journey_in_the_plain_form() {
    travel_in(Form::default()).await;
}

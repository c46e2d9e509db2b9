//! One database, or four: the services then share nothing, and tell each other through the feeds.

use crate::harness::harness;
use local_servers::suite::{DatabaseTopology, Role};
use testkit::Topology;

use super::travel_in;

#[tokio::test]
async fn the_journey_in_four_databases() {
    travel_in(Topology::FOUR).await;
}

#[tokio::test]
async fn a_service_cannot_enter_the_database_of_another() {
    let suite = harness().start_in(Topology::FOUR).await;
    for role in Role::ALL {
        for service in local_servers::suite::NAMES {
            let name = role.name();
            let url = suite.options.url_of(role).expose().to_owned();
            let own = DatabaseTopology::Four.database_of(role.service(), &suite.options.database);
            let wanted = DatabaseTopology::Four.database_of(service, &suite.options.database);
            let entered = shared::database::connect(&url.replace(&own, &wanted).into()).await;
            assert_eq!(entered.is_ok(), own == wanted, "{name} at {wanted}");
        }
    }
}

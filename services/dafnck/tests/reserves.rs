//! What strangers take, they take from each other: services and operators go on.

use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use proto::identity::admin::v1::ListUsersRequest;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::backend::v1::ResolveUsersRequest;
use proto::identity::v1::{UpdateUserRequest, User};
use shared::siblings::Sibling;
use testkit::{Actor, until};
use tonic::{Request, Status};

use crate::harness::harness;

const TIMEOUT: Duration = Duration::from_secs(30);
/// More than the pool has connections.
const CALLS: usize = 12;

async fn rename(who: Actor) -> Result<(), Status> {
    let user = User { id: who.id.to_string(), first_name: Some("Olga".to_owned()), ..Default::default() };
    let mut request = Request::new(UpdateUserRequest { user: Some(user), ..Default::default() });
    request.set_timeout(TIMEOUT);
    who.account().update_user(request).await.map(drop)
}

#[tokio::test]
async fn calls_of_users_that_hold_all_connections_to_postgresql_leave_some_to_services_and_operators() {
    let suite = harness().start_plain_with(|options| options.database_pool_size = 4).await;
    let olga = suite.guest("olga").await;
    let mut holder = suite.admin().await;
    let lock = format!("BEGIN; SELECT FROM identity.users WHERE id = '{}' FOR UPDATE", olga.id);
    holder.batch_execute(&lock).await.unwrap();
    let calls: Vec<_> = (0..CALLS).map(|_| tokio::spawn(rename(olga.clone()))).collect();
    let waiting = "pg_locks l JOIN pg_stat_activity a USING (pid) \
                   WHERE NOT l.granted AND a.usename = 'identity_service' AND a.datname = current_database()";
    until("users hold all connections that they may have", TIMEOUT, async || suite.count(waiting).await == 3)
        .await;

    let operator = suite.as_service("operator").channel(Sibling::Identity);
    UserAdminServiceClient::new(operator).list_users(ListUsersRequest::default()).await.unwrap();
    let ids = ResolveUsersRequest { user_ids: vec![olga.id.to_string()] };
    suite.as_service("task").user_lookup().resolve_users(ids).await.unwrap();
    assert!(calls.iter().all(|call| !call.is_finished()), "the calls of users do not wait");

    holder.batch_execute("ROLLBACK").await.unwrap();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

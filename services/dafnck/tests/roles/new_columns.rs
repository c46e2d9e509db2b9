//! The next release adds columns while processes of this one are running: no call of theirs may notice.

use prost_reflect::prost_types::method_options::IdempotencyLevel;
use testkit::{Suite, summary};
use tonic::{Code, Status};

use super::world::{Kind, Person, World};
use super::{PREFIX, requests};
use crate::harness::harness;
use crate::method_rules::{call, channel_for, methods, path_of};

/// Does this to every table of the services.
fn to_every_table(change: &str) -> String {
    format!(
        "DO $$ DECLARE t record; BEGIN \
         FOR t IN SELECT schemaname, tablename FROM pg_tables \
             WHERE schemaname IN ('identity', 'project', 'task', 'content') AND tablename <> 'schema_migrations' \
         LOOP EXECUTE format('ALTER TABLE %I.%I {change}', t.schemaname, t.tablename); END LOOP; END $$"
    )
}

fn assert_not_internal(path: &str, answer: Result<(), Status>) {
    if let Err(status) = answer {
        assert!(
            !matches!(status.code(), Code::Internal | Code::Unknown | Code::Unavailable),
            "{path}: {} {}",
            summary(&status),
            status.message()
        );
    }
}

/// Calls every method of project, task and content, and what identity's methods read without being told what.
async fn call_everything(suite: &Suite, world: &World) {
    let olga = world.actor(Person::Owner);
    let authorization = || olga.session_token.as_ref().map(|token| format!("Bearer {token}"));
    for (method, message) in requests::all(world.ids(Person::Owner)) {
        let path = format!("{PREFIX}{method}");
        let answer = call(world.channel(&path), &path, authorization(), message.into()).await;
        assert_not_internal(&path, answer.map(drop));
    }
    let reads = methods().into_iter().filter(|method| {
        let level = method.method_descriptor_proto().options.clone().unwrap_or_default().idempotency_level();
        level == IdempotencyLevel::NoSideEffects
    });
    for path in reads.map(|method| path_of(&method)).filter(|path| path.starts_with("/dafnck.identity.v1.")) {
        let answer = call(channel_for(suite, &path), &path, authorization(), Vec::new().into()).await;
        assert_not_internal(&path, answer.map(drop));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_in_every_table_breaks_no_call_of_a_warm_process() {
    let suite = harness().start().await;
    let world = World::of(&suite, Kind::Private).await;
    // Statements are prepared on their first run, and planned for all values after a few.
    for _ in 0..3 {
        call_everything(&suite, &world).await;
    }

    suite.execute(&to_every_table("ADD COLUMN added_later integer")).await;
    for _ in 0..2 {
        call_everything(&suite, &world).await;
    }

    suite.execute(&to_every_table("DROP COLUMN added_later")).await;
    call_everything(&suite, &world).await;
}

//! The services under test.

use testkit::*;

/// The task service in this process, and its siblings: the project service for access, identity for sessions.
pub fn harness() -> Harness {
    Harness::new()
        .serve(task::NAME, |context, _| Box::pin(task::start(context)))
        .with_program("identity")
        .with_program("project")
}

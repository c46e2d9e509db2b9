//! The services under test.

use testkit::*;

/// The project service in this process, and identity, which it asks for users.
pub fn harness() -> Harness {
    Harness::new()
        .serve(project::NAME, |context, options| Box::pin(project::start(context, options.mail.clone())))
        .with_program("identity")
}

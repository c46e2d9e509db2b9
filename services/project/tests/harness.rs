//! The services under test.

use testkit::*;

/// The project service in this process, and identity, which it asks for users.
pub fn harness() -> Harness {
    Harness::new()
        .serve(project::NAME, |context, options, listener| {
            Box::pin(project::serve(context, options.mail.clone(), listener))
        })
        .with_program("identity")
}

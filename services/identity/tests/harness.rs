//! The services under test.

use std::path::Path;

use http::Extensions;
use identity::encryption::KeyRingOptions;
use identity::{IdentityOptions, RegistrationMode};
use testkit::*;

/// Identity in this process, and the project service, which must refuse the tokens that identity refuses.
pub fn harness() -> Harness {
    Harness::new()
        .serve(identity::NAME, |context, options| {
            let own = options.own::<IdentityOptions>().clone();
            Box::pin(identity::start(context, own, options.mail.clone()))
        })
        .with_options(insert_options)
        .with_program("project")
}

/// All four services, for tests that call each of them.
pub fn harness_of_all_services() -> Harness {
    harness().with_program("task").with_program("content")
}

fn insert_options(options: &mut Extensions, _files: &Path) {
    options.insert(IdentityOptions {
        keys: KeyRingOptions { encryption_keys: Some(ENCRYPTION_KEYS.into()), encryption_keys_file: None },
        // So that actors are there at once.
        registration: RegistrationMode::Direct,
        ..IdentityOptions::default()
    });
}

//! The suite under test: all four services in this process.

use std::path::{Path, PathBuf};

use ::content::storage::{BucketOptions, FileLimits, StorageOptions};
use dafnck::operator::{DEFAULT_PRINCIPAL, OperatorOptions};
use http::Extensions;
use identity::encryption::KeyRingOptions;
use identity::{IdentityOptions, RegistrationMode};
use project::WebhookOptions;
use testkit::*;

/// Receivers of tests are on the loopback.
const WEBHOOKS: WebhookOptions = WebhookOptions { webhooks_allow_private: true };

/// All four services in this process.
pub fn harness() -> Harness {
    Harness::new()
        .serve(identity::NAME, |context, options| {
            let own = options.own::<IdentityOptions>().clone();
            Box::pin(identity::start(context, own, options.mail.clone()))
        })
        .serve(project::NAME, |context, options| {
            Box::pin(project::start(context, options.mail.clone(), WEBHOOKS))
        })
        .serve(task::NAME, |context, _| Box::pin(task::start(context)))
        .serve(content::NAME, |context, options| {
            Box::pin(content::start(context, options.own::<StorageOptions>().clone()))
        })
        .with_options(insert_options)
}

fn insert_options(options: &mut Extensions, files: &Path) {
    options.insert(IdentityOptions {
        keys: KeyRingOptions { encryption_keys: Some(ENCRYPTION_KEYS.into()), encryption_keys_file: None },
        // So that actors are there at once.
        registration: RegistrationMode::Direct,
        ..IdentityOptions::default()
    });
    options.insert(StorageOptions {
        storage_directory: files.join(FILES),
        bucket: BucketOptions::default(),
        limits: FileLimits { max_attachment_bytes: MAX_ATTACHMENT_BYTES, ..FileLimits::default() },
    });
}

/// What `dafnck` is told to reach a suite.
pub fn operator(suite: &Suite) -> OperatorOptions {
    let tls = suite.options.tls_of("operator");
    OperatorOptions {
        operator_key: Some(keys::private_key(DEFAULT_PRINCIPAL).parse().unwrap()),
        operator_name: DEFAULT_PRINCIPAL.to_owned(),
        data_directory: PathBuf::from("nowhere"),
        services: suite.siblings.clone().into(),
        tls_ca: tls.tls_ca,
        tls_certificate: tls.tls_certificate,
        tls_key: tls.tls_key,
    }
}

/// The options that name a bucket.
pub fn bucket_options(bucket: &Bucket) -> BucketOptions {
    BucketOptions {
        storage_url: Some(Bucket::URL.to_owned()),
        storage_endpoint: Some(bucket.endpoint()),
        storage_region: None,
        storage_access_key_id: Some(Bucket::ACCESS_KEY_ID.to_owned()),
        storage_secret_access_key: Some(Bucket::SECRET_ACCESS_KEY.into()),
    }
}

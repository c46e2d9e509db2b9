//! The services under test.

use std::path::Path;

use content::storage::{BucketOptions, FileLimits, StorageOptions};
use http::Extensions;
use testkit::*;

/// The content service in this process, and those that it asks: the project service for access, the task service
/// for tasks, identity for sessions.
pub fn harness() -> Harness {
    Harness::new()
        .serve(content::NAME, |context, options| {
            Box::pin(content::start(context, options.own::<StorageOptions>().clone()))
        })
        .with_options(insert_options)
        .with_program("identity")
        .with_program("project")
        .with_program("task")
}

fn insert_options(options: &mut Extensions, files: &Path) {
    options.insert(StorageOptions {
        storage_directory: files.join(FILES),
        bucket: BucketOptions::default(),
        limits: FileLimits { max_attachment_bytes: MAX_ATTACHMENT_BYTES, ..FileLimits::default() },
    });
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

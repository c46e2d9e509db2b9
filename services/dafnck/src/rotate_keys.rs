//! `dafnck rotate-keys`: has the identity service encrypt all personal data again under its current key.

use std::fmt;

use anyhow::Context;
use proto::identity::admin::v1::security_admin_service_client::SecurityAdminServiceClient;
use proto::identity::admin::v1::{RotateKeysRequest, RotateKeysResponse};
use serde::Serialize;
use shared::siblings::Sibling;

use crate::call_error::explain;
use crate::operator::OperatorOptions;
use crate::output;
use crate::progress::Progress;

/// What `--help` says about the order of things.
pub const HELP: &str = "\
To change the key of personal data without a break:

  1. Add the new key as the last of --encryption-keys of every replica of
     identity, so that all can read what it encrypts.
  2. Make it the first one, everywhere: from now on it encrypts.
  3. Run this command.
  4. Take the former key away.

An interrupted run is finished by running it again.";

/// What was rotated.
#[derive(Serialize)]
struct RotationReport {
    key_id: String,
    encrypted_count: i64,
    total_count: i64,
}

impl fmt::Display for RotationReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "everything is encrypted under the key `{}`: former keys can be dropped", self.key_id)
    }
}

/// Rotates and shows how far it is.
///
/// # Errors
/// When the rotation did not finish.
pub async fn command(options: &OperatorOptions) -> anyhow::Result<()> {
    let progress = Progress::of_command();
    let tell = |so_far: &RotateKeysResponse| {
        progress.reach(so_far.encrypted_count.unsigned_abs(), so_far.total_count.unsigned_abs())
    };
    let outcome = run(options, tell).await;
    progress.end();
    let last = outcome.context(
        "the rotation did not finish; what is encrypted stays, and running it again goes on. Keep the former keys",
    )?;
    let RotateKeysResponse { key_id, encrypted_count, total_count, .. } = last;
    output::report(&RotationReport { key_id, encrypted_count, total_count })
}

/// Rotates, tells how far it is after each batch, and answers with the last of that.
///
/// # Errors
/// When the rotation did not finish.
pub async fn run(
    options: &OperatorOptions,
    mut tell: impl FnMut(&RotateKeysResponse),
) -> anyhow::Result<RotateKeysResponse> {
    let mut keys = SecurityAdminServiceClient::new(options.connect()?.channel(Sibling::Identity));
    let mut answers = keys.rotate_keys(RotateKeysRequest {}).await.map_err(explain)?.into_inner();
    let mut last = answers.message().await.map_err(explain)?.context("the service answered with nothing")?;
    tell(&last);
    while let Some(so_far) = answers.message().await.map_err(explain)? {
        tell(&so_far);
        last = so_far;
    }
    Ok(last)
}

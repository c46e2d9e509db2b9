//! Prepares a database for the suite: schemas, references, and passwords for the roles that sign in.

use anyhow::Context;
use diesel_async::SimpleAsyncConnection;
use shared::config::Secret;
use shared::{database, migrate};

use crate::services::Role;

/// Brings all schemas of one database up to date, and then the foreign keys between them.
///
/// # Errors
/// When a migration is refused or fails.
pub async fn migrate_all(admin_url: &Secret) -> anyhow::Result<usize> {
    let mut steps = 0;
    for set in &migrate::SERVICES {
        steps += migrate::up(admin_url, set).await?;
    }
    Ok(steps + migrate::up(admin_url, &migrate::REFERENCES).await?)
}

/// Sets the password with which the services' roles sign in.
///
/// # Errors
/// When the database does not answer.
pub async fn set_passwords(admin_url: &Secret, password: &Secret) -> anyhow::Result<()> {
    anyhow::ensure!(
        password.expose().chars().all(|c| c.is_ascii_alphanumeric()),
        "the password of the services' roles must be letters and digits"
    );
    let mut conn = database::connect(admin_url).await?;
    for role in Role::ALL {
        let statement = format!("ALTER ROLE {} PASSWORD '{}'", role.name(), password.expose());
        conn.batch_execute(&statement)
            .await
            .with_context(|| format!("cannot set a password for {}", role.name()))?;
    }
    Ok(())
}

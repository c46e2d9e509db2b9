//! Prepares databases for the suite: schemas, references, who may enter, and passwords for the roles that sign in.

use anyhow::Context;
use diesel_async::SimpleAsyncConnection;
use shared::config::Secret;
use shared::migrate::Set;
use shared::{database, migrate};

use crate::role_passwords::RolePasswords;
use crate::suite::Role;

/// Brings all schemas of one database up to date, and then the foreign keys between them. Returns how many
/// migrations ran.
///
/// # Errors
/// When a migration is refused or fails.
pub async fn migrate_all(admin_url: &Secret, services: &[&Set], references: &Set) -> anyhow::Result<usize> {
    let mut steps = 0;
    for set in services.iter().copied().chain([references]) {
        steps += migrate::up(admin_url, set).await?;
    }
    Ok(steps)
}

/// Brings the schema of a service with a database of its own up to date, and closes that database to everybody but
/// the service and those who administer it.
///
/// # Errors
/// When a migration is refused or fails.
pub async fn migrate_apart(admin_url: &Secret, set: &Set) -> anyhow::Result<usize> {
    let steps = migrate::up(admin_url, set).await?;
    let [requests, work] = Role::of(set.name).map(Role::name);
    let mut conn = database::connect(admin_url).await?;
    conn.batch_execute(&format!(
        "DO $$ BEGIN \
            EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); \
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO {requests}, {work}', current_database()); \
         END $$"
    ))
    .await
    .with_context(|| format!("cannot close the database of {} to others", set.name))?;
    Ok(steps)
}

/// Sets the passwords with which these roles sign in, where they are given.
///
/// # Errors
/// When the database does not answer.
pub async fn set_passwords(
    admin_url: &Secret,
    passwords: &RolePasswords,
    roles: &[Role],
) -> anyhow::Result<()> {
    let mut conn = database::connect(admin_url).await?;
    for name in roles.iter().map(|role| role.name()) {
        let Some(password) = passwords.of(&name) else { continue };
        // Letters and digits alone, see `RolePasswords`.
        conn.batch_execute(&format!("ALTER ROLE {name} PASSWORD '{}'", password.expose()))
            .await
            .with_context(|| format!("cannot set a password for {name}"))?;
    }
    Ok(())
}

//! `dafnck migrate`: the migrations of a database that others run.

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use shared::command_line;
use shared::config::Secret;
use shared::database;
use shared::migrate::{self, Set};

use crate::progress::print_line;
use crate::services::REFERENCES;

use crate::administration::{is_of_each, with_service};
use local_servers::prepare;
use local_servers::role_passwords::RolePasswords;
use local_servers::suite::Role;

/// UserSelector database, and what to do with it.
#[derive(Args, Debug)]
pub struct MigrateOptions {
    /// PostgreSQL URL with a role that may create roles and schemas. With `{service}` in it, as in
    /// `postgres://admin@{service}-db/{service}`, each service has a database of its own, closed to the others
    #[arg(long, env = "DAFNCK_ADMIN_URL", hide_env_values = true, global = true)]
    admin_url: Option<Secret>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Apply what is missing (the default)
    Up(UpOptions),
    /// Take the newest migrations of a set back
    Down {
        /// Whose migrations
        #[arg(long)]
        set: SetName,
        /// The version that remains; 0 is nothing
        #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i32).range(0..))]
        to: i32,
    },
    /// Show what is applied and what is missing
    Status,
    /// Name the rows that the missing migrations would stumble over, and change nothing
    Check,
}

#[derive(Args, Clone, Debug, Default)]
struct UpOptions {
    /// Only these sets. Default: all, and in one database the foreign keys between them
    #[arg(long)]
    set: Vec<SetName>,
    /// Passwords with which the services' roles sign in, of letters and digits, as
    /// `identity_service:PASSWORD,identity_worker:PASSWORD`. Default: not changed
    #[arg(long, env = "DAFNCK_ROLE_PASSWORDS", hide_env_values = true)]
    role_passwords: Option<RolePasswords>,
}

/// A set of migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SetName {
    /// The identity service's schema
    Identity,
    /// The project service's schema
    Project,
    /// The task service's schema
    Task,
    /// The content service's schema
    Content,
    /// Foreign keys between schemas that share a database
    References,
}

impl SetName {
    fn set(self) -> &'static Set {
        match self {
            Self::Identity => &identity::MIGRATIONS,
            Self::Project => &project::MIGRATIONS,
            Self::Task => &task::MIGRATIONS,
            Self::Content => &content::MIGRATIONS,
            Self::References => &REFERENCES,
        }
    }
}

/// Does what the options say and prints what was done.
///
/// # Errors
/// When a migration is refused or fails.
pub async fn command(options: MigrateOptions) -> anyhow::Result<()> {
    let url = AdminUrl(options.admin_url.context("give --admin-url or DAFNCK_ADMIN_URL")?);
    let action = options.action.map_or_else(|| UpOptions::from_environment().map(Action::Up), Ok)?;
    match action {
        Action::Up(options) => up(&url, options).await,
        Action::Down { set, to } => down(&url.of(set)?, set.set(), to).await,
        Action::Status => status(&url).await,
        Action::Check => check(&url).await,
    }
}

/// The administrator's URL: of one database, or with the place of a service's name in it, of each one's own.
struct AdminUrl(Secret);

impl AdminUrl {
    fn is_apart(&self) -> bool {
        is_of_each(&self.0)
    }

    fn of(&self, set: SetName) -> anyhow::Result<Secret> {
        anyhow::ensure!(
            set != SetName::References || !self.is_apart(),
            "there are no foreign keys between services with databases of their own"
        );
        Ok(with_service(&self.0, set.set().name))
    }

    /// All that belongs there, the foreign keys last.
    fn sets(&self) -> Vec<SetName> {
        let all = SetName::value_variants().iter().copied();
        all.filter(|set| *set != SetName::References || !self.is_apart()).collect()
    }
}

impl UpOptions {
    /// What `up` without flags has.
    fn from_environment() -> anyhow::Result<Self> {
        let given = command_line::secret_of("DAFNCK_ROLE_PASSWORDS")?;
        let parsed = given.map(|text| text.expose().parse::<RolePasswords>()).transpose();
        let role_passwords = parsed.map_err(|reason| anyhow::anyhow!("DAFNCK_ROLE_PASSWORDS {reason}"))?;
        Ok(Self { set: Vec::new(), role_passwords })
    }
}

async fn up(url: &AdminUrl, options: UpOptions) -> anyhow::Result<()> {
    let sets = if options.set.is_empty() { url.sets() } else { options.set };
    let mut steps = 0;
    for name in &sets {
        let (url_of_set, set) = (url.of(*name)?, name.set());
        database::wait_until_reachable(&url_of_set).await;
        steps += if url.is_apart() {
            prepare::migrate_apart(&url_of_set, set).await?
        } else {
            migrate::up(&url_of_set, set).await?
        };
    }
    print_line!("migrations applied: {steps}");
    if let Some(passwords) = options.role_passwords {
        for name in sets.into_iter().filter(|name| *name != SetName::References) {
            prepare::set_passwords(&url.of(name)?, &passwords, &Role::of(name.set().name)).await?;
        }
        print_line!("set the passwords of the services' roles");
    }
    Ok(())
}

/// Takes migrations back, and says which stay applied.
async fn down(url: &Secret, set: &Set, to: i32) -> anyhow::Result<()> {
    let known = set.migrations()?;
    anyhow::ensure!(
        to == 0 || known.iter().any(|migration| migration.version == to),
        "{} has no migration {to}: its last one is {}",
        set.name,
        known.last().map_or(0, |last| last.version)
    );
    let steps = migrate::down(url, set, to).await?;
    print_line!(
        "{}: took back {steps}, now at version {to}; the list of its migrations and the roles stay",
        set.name
    );
    for migration in known.iter().filter(|migration| migration.version <= to) {
        print_line!("  stays: {}", migration.name);
    }
    Ok(())
}

async fn status(url: &AdminUrl) -> anyhow::Result<()> {
    for name in url.sets() {
        let set = name.set();
        let applied = migrate::applied(&url.of(name)?, set).await?;
        let known = set.migrations()?;
        print_line!("{}: {} of {} applied", set.name, applied.len(), known.len());
        for migration in known.iter().skip(applied.len()) {
            print_line!("  missing: {}", migration.name);
        }
        if let Err(refusal) = migrate::Plan::up(set, &applied) {
            print_line!("  {refusal}");
        }
    }
    Ok(())
}

async fn check(url: &AdminUrl) -> anyhow::Result<()> {
    let mut is_free = true;
    for name in url.sets() {
        let set = name.set();
        for (step, offences) in migrate::preflight(&url.of(name)?, set).await? {
            match offences.as_deref() {
                Some([]) => print_line!("{}/{step}: no row is in its way", set.name),
                None => print_line!("{}/{step}: can be asked after the steps before it", set.name),
                Some(rows) => {
                    is_free = false;
                    print_line!("{}/{step}: rows are in its way:\n  {}", set.name, rows.join("\n  "));
                }
            }
        }
    }
    anyhow::ensure!(is_free, "mend the rows, then migrate");
    print_line!("nothing is in the way");
    Ok(())
}

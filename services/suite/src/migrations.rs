//! `dafnck migrate`: the migrations of a database that others run.

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use shared::command_line;
use shared::config::Secret;
use shared::migrate::{self, Set};

use crate::prepare;

/// Which database, and what to do with it.
#[derive(Args, Debug)]
pub struct MigrateOptions {
    /// PostgreSQL URL with a role that may create roles and schemas
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
}

#[derive(Args, Clone, Debug, Default)]
struct UpOptions {
    /// Only these sets, for services with databases of their own. Default: all, and the foreign keys between them
    #[arg(long)]
    set: Vec<SetName>,
    /// Password with which the services' roles sign in, letters and digits. Default: not changed
    #[arg(long, env = "DAFNCK_ROLE_PASSWORD", hide_env_values = true)]
    role_password: Option<Secret>,
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
    const fn set(self) -> Set {
        match self {
            Self::Identity => migrate::IDENTITY,
            Self::Project => migrate::PROJECT,
            Self::Task => migrate::TASK,
            Self::Content => migrate::CONTENT,
            Self::References => migrate::REFERENCES,
        }
    }
}

/// Does what the options say and prints what was done.
///
/// # Errors
/// When a migration is refused or fails.
pub async fn command(options: MigrateOptions) -> anyhow::Result<()> {
    let url = options.admin_url.context("give --admin-url or DAFNCK_ADMIN_URL")?;
    let action = options.action.map_or_else(|| UpOptions::from_environment().map(Action::Up), Ok)?;
    match action {
        Action::Up(options) => up(&url, options).await,
        Action::Down { set, to } => {
            let steps = migrate::down(&url, &set.set(), to).await?;
            println!("{}: took back {steps}, now at version {to}", set.set().name);
            Ok(())
        }
        Action::Status => status(&url).await,
    }
}

impl UpOptions {
    /// What `up` without flags has.
    fn from_environment() -> anyhow::Result<Self> {
        Ok(Self { set: Vec::new(), role_password: command_line::secret_of("DAFNCK_ROLE_PASSWORD")? })
    }
}

async fn up(url: &Secret, options: UpOptions) -> anyhow::Result<()> {
    let mut steps = 0;
    if options.set.is_empty() {
        steps = prepare::migrate_all(url).await?;
    }
    for name in options.set {
        steps += migrate::up(url, &name.set()).await?;
    }
    println!("migrations applied: {steps}");
    if let Some(password) = options.role_password {
        prepare::set_passwords(url, &password).await?;
        println!("set the password of the services' roles");
    }
    Ok(())
}

async fn status(url: &Secret) -> anyhow::Result<()> {
    for name in SetName::value_variants() {
        let set = name.set();
        let applied = migrate::applied(url, &set).await?;
        let known = set.migrations()?;
        println!("{}: {} of {} applied", set.name, applied.len(), known.len());
        for migration in known.iter().skip(applied.len()) {
            println!("  missing: {}", migration.name);
        }
        if let Err(refusal) = migrate::Plan::up(&set, &applied) {
            println!("  {refusal}");
        }
    }
    Ok(())
}

//! `dafnck migrate`: the migrations of a database that others run.

use std::fmt;

use anyhow::ensure;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use shared::command_line;
use shared::config::Secret;
use shared::database;
use shared::migrate::{self, Set};

use crate::output::{self, Confirmation, DryRun, say};
use crate::services::REFERENCES;

use crate::administration::{AdminOptions, is_of_each, with_service};
use local_servers::prepare;
use local_servers::role_passwords::RolePasswords;
use local_servers::suite::Role;

/// Which database, and what to do with it.
#[derive(Args, Debug)]
pub struct MigrateOptions {
    /// The database; with a role that may create roles and schemas.
    #[command(flatten)]
    admin: AdminOptions,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Apply what is missing (the default)
    Up(UpOptions),
    /// Take the newest migrations of a set back, with what is in their tables and columns
    Down(DownOptions),
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
    /// Name what is missing.
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Args, Clone, Debug)]
struct DownOptions {
    /// Whose migrations
    #[arg(long)]
    set: SetName,
    /// The version that remains; 0 is nothing
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i32).range(0..))]
    to: i32,
    /// Name what would be taken back.
    #[command(flatten)]
    dry_run: DryRun,
    /// What was in the tables goes.
    #[command(flatten)]
    confirmation: Confirmation,
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
    let url = AdminUrl(options.admin.url_of_any()?);
    let action = options.action.map_or_else(|| UpOptions::from_environment().map(Action::Up), Ok)?;
    match action {
        Action::Up(options) => up(&url, options).await,
        Action::Down(options) => down(&url.of(options.set)?, &options).await,
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
        ensure!(
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
        Ok(Self { role_passwords, ..Self::default() })
    }
}

/// What was applied.
#[derive(Serialize)]
struct ApplyReport {
    dry_run: bool,
    /// Migrations, with the set in front.
    applied: Vec<String>,
    role_passwords_set: bool,
}

impl fmt::Display for ApplyReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            writeln!(out, "migrations that would be applied: {}", self.applied.len())?;
            return self.applied.iter().try_for_each(|name| writeln!(out, "  {name}"));
        }
        writeln!(out, "migrations applied: {}", self.applied.len())?;
        if self.role_passwords_set {
            writeln!(out, "set the passwords of the services' roles")?;
        }
        Ok(())
    }
}

async fn up(url: &AdminUrl, options: UpOptions) -> anyhow::Result<()> {
    let sets = if options.set.is_empty() { url.sets() } else { options.set };
    let mut applied = Vec::new();
    for name in &sets {
        let (url_of_set, set) = (url.of(*name)?, name.set());
        database::wait_until_reachable(&url_of_set).await;
        let before = SetStatus::of(&url_of_set, set).await?;
        say(&format!("migrating {}…", set.name));
        let steps = match (options.dry_run.dry_run, url.is_apart()) {
            (true, _) => before.missing.len(),
            (false, true) => prepare::migrate_apart(&url_of_set, set).await?,
            (false, false) => migrate::up(&url_of_set, set).await?,
        };
        applied.extend(before.missing.iter().take(steps).map(|step| format!("{}/{step}", set.name)));
    }
    let passwords = options.role_passwords.filter(|_| !options.dry_run.dry_run);
    if let Some(passwords) = &passwords {
        for name in sets.into_iter().filter(|name| *name != SetName::References) {
            prepare::set_passwords(&url.of(name)?, passwords, &Role::of(name.set().name)).await?;
        }
    }
    let dry_run = options.dry_run.dry_run;
    output::report(&ApplyReport { dry_run, applied, role_passwords_set: passwords.is_some() })
}

/// What was taken back, and what stays.
#[derive(Serialize)]
struct TakenBack {
    dry_run: bool,
    set: &'static str,
    version: i32,
    taken_back: usize,
    staying: Vec<String>,
}

impl fmt::Display for TakenBack {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dry_run, set, version, taken_back, staying } = self;
        let (done, now) = if *dry_run { ("would take back", "then") } else { ("took back", "now") };
        writeln!(
            out,
            "{set}: {done} {taken_back}, {now} at version {version}; the list of its migrations and the roles stay"
        )?;
        staying.iter().try_for_each(|name| writeln!(out, "  stays: {name}"))
    }
}

async fn down(url: &Secret, options: &DownOptions) -> anyhow::Result<()> {
    let (set, to) = (options.set.set(), options.to);
    let known = set.migrations()?;
    ensure!(
        to == 0 || known.iter().any(|migration| migration.version == to),
        "{} has no migration {to}: its last one is {}",
        set.name,
        known.last().map_or(0, |last| last.version)
    );
    let dry_run = options.dry_run.dry_run;
    let taken_back = if dry_run {
        let applied = migrate::applied(url, set).await?;
        applied.iter().filter(|migration| migration.version > to).count()
    } else {
        options.confirmation.require(&format!("this removes what {} has in its tables", set.name)).await?;
        say("taking migrations back…");
        migrate::down(url, set, to).await?
    };
    let staying = known.iter().filter(|migration| migration.version <= to);
    let staying = staying.map(|migration| migration.name.to_string()).collect();
    output::report(&TakenBack { dry_run, set: set.name, version: to, taken_back, staying })
}

/// Where a set stands.
#[derive(Serialize)]
struct SetStatus {
    set: &'static str,
    applied: usize,
    known: usize,
    missing: Vec<String>,
    /// Why the missing ones cannot be applied.
    problem: Option<String>,
}

impl SetStatus {
    async fn of(url: &Secret, set: &'static Set) -> anyhow::Result<Self> {
        let applied = migrate::applied(url, set).await?;
        let known = set.migrations()?;
        let missing = known.iter().skip(applied.len()).map(|migration| migration.name.to_string()).collect();
        let problem = migrate::Plan::up(set, &applied).err().map(|refusal| refusal.to_string());
        Ok(Self { set: set.name, applied: applied.len(), known: known.len(), missing, problem })
    }
}

#[derive(Serialize)]
struct Statuses {
    sets: Vec<SetStatus>,
}

impl fmt::Display for Statuses {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for SetStatus { set, applied, known, missing, problem } in &self.sets {
            writeln!(out, "{set}: {applied} of {known} applied")?;
            missing.iter().try_for_each(|name| writeln!(out, "  missing: {name}"))?;
            problem.iter().try_for_each(|problem| writeln!(out, "  {problem}"))?;
        }
        Ok(())
    }
}

async fn status(url: &AdminUrl) -> anyhow::Result<()> {
    let mut sets = Vec::new();
    for name in url.sets() {
        sets.push(SetStatus::of(&url.of(name)?, name.set()).await?);
    }
    output::report(&Statuses { sets })
}

/// What is in the way of the missing migrations.
#[derive(Serialize)]
struct Obstacles {
    free: bool,
    steps: Vec<StepCheck>,
}

#[derive(Serialize)]
struct StepCheck {
    step: String,
    /// Not known before the steps before it are applied.
    rows: Option<Vec<String>>,
}

impl fmt::Display for Obstacles {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for StepCheck { step, rows } in &self.steps {
            match rows.as_deref() {
                Some([]) => writeln!(out, "{step}: no row is in its way")?,
                None => writeln!(out, "{step}: can be asked after the steps before it")?,
                Some(rows) => writeln!(out, "{step}: rows are in its way:\n  {}", rows.join("\n  "))?,
            }
        }
        if self.free { writeln!(out, "nothing is in the way") } else { Ok(()) }
    }
}

async fn check(url: &AdminUrl) -> anyhow::Result<()> {
    let mut steps = Vec::new();
    for name in url.sets() {
        let set = name.set();
        for (step, rows) in migrate::preflight(&url.of(name)?, set).await? {
            steps.push(StepCheck { step: format!("{}/{step}", set.name), rows });
        }
    }
    let free = steps.iter().all(|step| step.rows.as_ref().is_none_or(Vec::is_empty));
    output::report(&Obstacles { free, steps })?;
    ensure!(free, "mend the rows, then migrate");
    Ok(())
}

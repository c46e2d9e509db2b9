//! What a person needs to know when the suite runs.

use std::fmt;
use std::path::{Path, PathBuf};

use identity::RegistrationMode;
use local_servers::{ADMIN, LocalServers};
use serde::Serialize;

use super::certificates::DIRECTORY;
use super::{MAIL, RunOptions};
use crate::output::{OutputClosed, report};
use crate::paths::{DATABASE, FILES};
use crate::suite_settings::SuiteSettings;
use local_servers::dev_ca::AUTHORITY;
use local_servers::suite::{DatabaseTopology, NAMES};
use shared::service::GATEWAY;

/// What runs where.
#[derive(Serialize)]
struct Summary {
    /// Addresses, of the gateway first.
    services: Vec<ServiceAddress>,
    tls: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    console: Option<String>,
    postgres: String,
    redis: String,
    data_directory: PathBuf,
    #[serde(skip)]
    text: String,
}

#[derive(Serialize)]
struct ServiceAddress {
    name: &'static str,
    address: String,
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.text)
    }
}

/// Prints what runs where, how to stop it, and what to try first.
pub(super) fn print(
    options: &RunOptions,
    settings: &SuiteSettings,
    servers: &LocalServers,
) -> anyhow::Result<()> {
    let wanted = std::path::absolute(&options.data_directory)?;
    let ports = [(GATEWAY, settings.gateway_port)].into_iter().chain(NAMES.into_iter().zip(settings.ports));
    let summary = Summary {
        services: ports
            .map(|(name, port)| ServiceAddress { name, address: format!("127.0.0.1:{port}") })
            .collect(),
        tls: settings.tls,
        console: settings.console_url(),
        postgres: format!("127.0.0.1:{}", servers.postgres.port),
        redis: format!("127.0.0.1:{}", servers.redis.port),
        text: format!(
            "\n{}\n{}",
            what_runs(options, settings, servers, &wanted),
            what_to_try(options, settings, &wanted)
        ),
        data_directory: wanted,
    };
    // Nobody reads it where standard output is closed; the suite runs all the same.
    report(&summary).or_else(|error| if error.is::<OutputClosed>() { Ok(()) } else { Err(error) })
}

fn what_runs(
    options: &RunOptions,
    settings: &SuiteSettings,
    servers: &LocalServers,
    data_directory: &Path,
) -> String {
    let wire = if settings.tls { "TLS" } else { "plaintext" };
    let mut text = format!("DafnckMachine is running (gRPC and gRPC-Web, {wire}, on loopback):\n\n");
    text.push_str(&format!(
        "  {:<12}127.0.0.1:{} (all services on one port)\n",
        GATEWAY, settings.gateway_port
    ));
    for (name, port) in NAMES.into_iter().zip(settings.ports) {
        text.push_str(&format!("  {name:<12}127.0.0.1:{port}\n"));
    }
    if let Some(url) = settings.console_url() {
        let trust = if settings.tls { "; it has to trust ca.pem" } else { "" };
        text.push_str(&format!("  {:<12}{url} (for a browser{trust})\n", "console"));
    }
    let (postgres, redis) = (&servers.postgres, &servers.redis);
    let (data, kept) = (servers.data.display(), data_directory.display());
    let database = match settings.databases {
        DatabaseTopology::One => DATABASE.to_owned(),
        DatabaseTopology::Four => format!("{DATABASE}_{{{}}}", NAMES.join(",")),
    };
    text.push_str(&format!(
        "  PostgreSQL  postgres://{ADMIN}@127.0.0.1:{}/{database} (version {})\n",
        postgres.port, postgres.version
    ));
    text.push_str(&format!("  Redis       127.0.0.1:{} (version {})\n\n", redis.port, redis.version));
    text.push_str(&format!("  databases   {data}/postgres, {data}/redis\n"));
    if settings.tls {
        text.push_str(&format!("  certificates {kept}/{DIRECTORY} (of a development authority: ca.pem)\n"));
    }
    text.push_str(&format!("  passwords   {data}/secrets, {kept}/suite-secrets\n"));
    text.push_str(&format!("  logs        {data}/log (the services' own: here)\n"));
    text.push_str(&match settings.bucket(&options.bucket).storage_url {
        Some(url) => format!("  attachments {url}\n"),
        None => format!("  attachments {kept}/{FILES}\n"),
    });
    if options.mail_url.is_none() {
        text.push_str(&format!("  mail        {kept}/{MAIL} (a file for each; none is sent)\n"));
    }
    text.push('\n');
    text.push_str("Ctrl-C stops everything; the data stays, and the next start goes on with it.");
    text
}

fn what_to_try(options: &RunOptions, settings: &SuiteSettings, data_directory: &Path) -> String {
    let port = settings.gateway_port;
    let wire = match settings.tls {
        true => format!("-cacert {}/{DIRECTORY}/{AUTHORITY}.pem", data_directory.display()),
        false => "-plaintext".to_owned(),
    };
    format!(
        r#"
To try it, in another terminal (grpcurl from https://github.com/fullstorydev/grpcurl):

  grpcurl {wire} 127.0.0.1:{port} list

{sign_up} | sed -n 's/.*"sessionToken": "\(.*\)".*/\1/p')

  grpcurl {wire} -H "authorization: Bearer $TOKEN" -d '{{"project": {{"name": "Apollo"}}}}' \
    127.0.0.1:{port} dafnck.project.v1.ProjectService/CreateProject

To see how it is: {operate} doctor
To take over data from elsewhere (`import --help` says how): {operate} import FILE"#,
        sign_up = how_to_sign_up(options.registration, &wire, port),
        operate = how_to_operate(data_directory),
    )
}

/// Up to what takes the session token from the answer.
fn how_to_sign_up(registration: RegistrationMode, wire: &str, port: u16) -> String {
    let who = r#""username": "olga", "password": "correct horse battery"}'"#;
    match registration {
        RegistrationMode::Direct => format!(
            r#"  TOKEN=$(grpcurl {wire} -d '{{"email": "olga@example.org", {who} \
    127.0.0.1:{port} dafnck.identity.v1.AuthService/Register"#
        ),
        RegistrationMode::Confirmed => format!(
            r#"  grpcurl {wire} -d '{{"email": "olga@example.org"}}' 127.0.0.1:{port} dafnck.identity.v1.AuthService/BeginSignUp

  TOKEN=$(grpcurl {wire} -d '{{"code": "the one in the mail", {who} \
    127.0.0.1:{port} dafnck.identity.v1.AuthService/CompleteSignUp"#
        ),
    }
}

/// How the person can call this program from any directory, for this suite.
fn how_to_operate(data_directory: &Path) -> String {
    let program = std::env::current_exe().map(|path| path.display().to_string());
    let program = program.unwrap_or_else(|_| "dafnck".to_owned());
    format!("{program} --data-directory {}", data_directory.display())
}

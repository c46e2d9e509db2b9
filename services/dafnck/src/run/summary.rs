//! What a person needs to know when the suite runs.

use std::path::Path;

use identity::RegistrationMode;
use local_servers::{ADMIN, LocalServers};

use super::certificates::DIRECTORY;
use super::{MAIL, RunOptions};
use crate::paths::{DATABASE, FILES};
use crate::progress::{OutputClosed, write_line};
use local_servers::dev_ca::AUTHORITY;
use local_servers::suite::{DatabaseTopology, NAMES};
use shared::service::GATEWAY;

/// Prints what runs where, how to stop it, and what to try first.
pub(super) fn print(options: &RunOptions, servers: &LocalServers) -> anyhow::Result<()> {
    let wanted = std::path::absolute(&options.data_directory)?;
    let text = format!("\n{}\n{}", what_runs(options, servers, &wanted), what_to_try(options, &wanted));
    // Nobody reads it where standard output is closed; the suite runs all the same.
    write_line(format_args!("{text}"))
        .or_else(|error| if error.is::<OutputClosed>() { Ok(()) } else { Err(error) })
}

fn what_runs(options: &RunOptions, servers: &LocalServers, data_directory: &Path) -> String {
    let wire = if options.tls { "TLS" } else { "plaintext" };
    let mut text = format!("DafnckMachine is running (gRPC and gRPC-Web, {wire}, on loopback):\n\n");
    text.push_str(&format!(
        "  {:<12}127.0.0.1:{} (all services on one port)\n",
        GATEWAY, options.gateway_port
    ));
    for (name, port) in NAMES.into_iter().zip(options.ports.0) {
        text.push_str(&format!("  {name:<12}127.0.0.1:{port}\n"));
    }
    let (postgres, redis) = (&servers.postgres, &servers.redis);
    let (data, kept) = (servers.data.display(), data_directory.display());
    let database = match options.databases {
        DatabaseTopology::One => DATABASE.to_owned(),
        DatabaseTopology::Four => format!("{DATABASE}_{{{}}}", NAMES.join(",")),
    };
    text.push_str(&format!(
        "  PostgreSQL  postgres://{ADMIN}@127.0.0.1:{}/{database} (version {})\n",
        postgres.port, postgres.version
    ));
    text.push_str(&format!("  Redis       127.0.0.1:{} (version {})\n\n", redis.port, redis.version));
    text.push_str(&format!("  databases   {data}/postgres, {data}/redis\n"));
    if options.tls {
        text.push_str(&format!("  certificates {kept}/{DIRECTORY} (of a development authority: ca.pem)\n"));
    }
    text.push_str(&format!("  passwords   {data}/secrets, {kept}/suite-secrets\n"));
    text.push_str(&format!("  logs        {data}/log (the services' own: here)\n"));
    text.push_str(&format!("  attachments {kept}/{FILES}\n"));
    if options.mail_url.is_none() {
        text.push_str(&format!("  mail        {kept}/{MAIL} (a file for each; none is sent)\n"));
    }
    text.push('\n');
    text.push_str("Ctrl-C stops everything; the data stays, and the next start goes on with it.");
    text
}

fn what_to_try(options: &RunOptions, data_directory: &Path) -> String {
    let port = options.gateway_port;
    let wire = match options.tls {
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

To take over data from elsewhere (`{program} import --help` says how): {program} import FILE
"#,
        sign_up = how_to_sign_up(options.registration, &wire, port),
        program = program()
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

/// As the person can call this program.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "dafnck".to_owned())
}

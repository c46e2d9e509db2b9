//! Where mail goes, and in whose name.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use lettre::message::Mailbox;

use crate::config::Secret;

/// Where mail goes, and in whose name.
#[derive(Args, Clone, Debug)]
pub struct MailOptions {
    /// Where mail goes: `smtps://user:password@host:465` (TLS), `smtp://user:password@host:587` (STARTTLS, required),
    /// `smtp+plaintext://host:25` (for a server on this machine), `folder:PATH` (a file for each), or `log:` (for
    /// development: who gets mail about what is logged, its text is lost). No default
    #[arg(long, env = "DAFNCK_MAIL_URL", hide_env_values = true)]
    pub mail_url: Destination,
    /// The sender, as `Apollo <no-reply@example.org>`. No default
    #[arg(long, env = "DAFNCK_MAIL_FROM")]
    pub mail_from: Mailbox,
}

impl MailOptions {
    /// Whether mail is sent, and not only logged.
    pub fn is_enabled(&self) -> bool {
        !matches!(self.mail_url, Destination::Log)
    }
}

/// Where mail goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A mail server. The URL may hold a password; its scheme is one that the SMTP client knows.
    Smtp(Secret),
    /// A folder, in which each mail becomes a file `<id>.eml`; created if missing.
    Folder(PathBuf),
    /// The log, without texts: they may hold codes.
    Log,
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        let smtp = |url: String| match rest.strip_prefix("//") {
            Some(server) if !server.is_empty() && !server.contains('?') => Ok(Self::Smtp(url.into())),
            _ => Err("a mail server is named as smtps://user:password@host:port".to_owned()),
        };
        match (scheme, rest) {
            ("smtps", _) => smtp(text.to_owned()),
            ("smtp", _) => smtp(format!("{text}?tls=required")),
            ("smtp+plaintext", _) => smtp(format!("smtp:{rest}")),
            ("folder", path) if !path.is_empty() => Ok(Self::Folder(path.into())),
            ("log", "") => Ok(Self::Log),
            // Not quoted: it may hold a password.
            _ => Err("is none of smtps://…, smtp://…, smtp+plaintext://…, folder:PATH, log:".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser, Debug)]
    struct Command {
        #[command(flatten)]
        options: MailOptions,
    }

    fn parse(to: &str) -> Result<Command, clap::Error> {
        Command::try_parse_from(["x", "--mail-url", to, "--mail-from", "Apollo <a@example.org>"])
    }

    #[test]
    fn a_server_is_asked_for_encryption_unless_told_otherwise() {
        Command::command().debug_assert();
        for (given, url) in [
            ("smtps://u:p@h:465", "smtps://u:p@h:465"),
            ("smtp://u:p@h:587", "smtp://u:p@h:587?tls=required"),
            ("smtp+plaintext://127.0.0.1:25", "smtp://127.0.0.1:25"),
        ] {
            match parse(given).unwrap().options.mail_url {
                Destination::Smtp(secret) => assert_eq!(secret.expose(), url),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn passwords_are_never_printed() {
        let options = parse("smtps://u:hunter2@h:465").unwrap();
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn anything_else_is_refused() {
        for to in [
            "",
            "log",
            "log:x",
            "folder:",
            "http://h",
            "smtp://",
            "smtp://h?tls=opportunistic",
            "mailto:a@b.c",
        ] {
            assert!(parse(to).is_err(), "{to}");
        }
    }
}

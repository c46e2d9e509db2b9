//! Sends mail to a server, into a directory, or only to the log.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{Destination, Mail, MailOptions};
use crate::error::{Error, Result};

/// How long sending one mail may take.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the server may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to the server.
const MAX_CONNECTIONS: u32 = 4;
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends mail; cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

#[derive(Clone)]
enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
    Log,
}

impl Mailer {
    /// With the transport of the options. Does not connect yet.
    ///
    /// # Errors
    /// When the server's URL is malformed (without quoting it), or the folder cannot be made.
    pub fn new(options: &MailOptions) -> anyhow::Result<Self> {
        let transport = match &options.mail_url {
            Destination::Smtp(url) => Transport::Smtp(transport(url.expose())?),
            Destination::Folder(folder) => {
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
                made.with_context(|| format!("cannot make the folder for mail {}", folder.display()))?;
                Transport::Folder(folder.clone())
            }
            Destination::Log => {
                tracing::warn!("mail is not sent: who would get it is logged, its text and codes are lost");
                Transport::Log
            }
        };
        Ok(Self { from: options.mail_from.clone(), transport })
    }

    /// Sends a mail; after this returns, the mail server is responsible for it.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it was not accepted, in words that name no recipient.
    pub async fn send(&self, mail: &Mail) -> Result<()> {
        let message = mail.to_message(&self.from)?;
        let sending = async {
            match &self.transport {
                Transport::Smtp(transport) => deliver(transport, message).await,
                Transport::Folder(folder) => write(folder.clone(), format!("{}.eml", mail.id), message).await,
                Transport::Log => {
                    tracing::info!(to = %mail.to, subject = mail.subject, "a mail for development; not sent");
                    Ok(())
                }
            }
        };
        let late = |_| Error::unavailable("mail", "the mail server did not take a mail in time");
        tokio::time::timeout(SEND_TIMEOUT, sending).await.map_err(late)?
    }
}

fn transport(url: &str) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    // The library's own message may quote the URL, and with it the password.
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| {
        anyhow::anyhow!("the mail server's URL is malformed: smtps://user:password@host:port")
    })?;
    let pool = PoolConfig::new().max_size(MAX_CONNECTIONS).idle_timeout(IDLE_TIMEOUT);
    Ok(builder.timeout(Some(ANSWER_TIMEOUT)).pool_config(pool).build())
}

async fn deliver(transport: &AsyncSmtpTransport<Tokio1Executor>, message: Message) -> Result<()> {
    let refused = |error: smtp::Error| match error.status() {
        // The text of a server may quote addresses.
        Some(code) => Error::unavailable("mail", format!("the mail server answered {code}")),
        None => Error::unavailable("mail", error),
    };
    transport.send(message).await.map(drop).map_err(refused)
}

/// Writes to a temporary file first, so that readers see only whole mails.
async fn write(folder: PathBuf, name: String, message: Message) -> Result<()> {
    let written = tokio::task::spawn_blocking(move || write_whole(&folder, &name, &message.formatted()));
    written.await.map_err(Error::internal)?.map_err(|error| Error::unavailable("mail", error))
}

fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(folder.join(name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use uuid::Uuid;

    use super::*;

    fn options(mail_url: Destination) -> MailOptions {
        MailOptions { mail_url, mail_from: "no-reply@example.org".parse().unwrap() }
    }

    fn mail() -> Mail {
        Mail::new(Uuid::from_u128(1), "olga@example.org", "Hello", "Your code: 1234\n".to_owned()).unwrap()
    }

    #[tokio::test]
    async fn a_mail_in_a_folder_is_one_file_however_often_it_is_sent() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("mail");
        let mailer = Mailer::new(&options(Destination::Folder(folder.clone()))).unwrap();
        mailer.send(&mail()).await.unwrap();
        mailer.send(&mail()).await.unwrap();
        let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files, [folder.join(format!("{}.eml", Uuid::from_u128(1)))]);
        assert!(std::fs::read_to_string(&files[0]).unwrap().contains("Your code: 1234"));
        let mode = folder.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    /// Nothing listens at port 1.
    #[tokio::test]
    async fn a_server_that_is_away_is_unavailable() {
        let url = "smtp://127.0.0.1:1".into();
        let mailer = Mailer::new(&options(Destination::Smtp(url))).unwrap();
        let failure = mailer.send(&mail()).await.unwrap_err();
        assert_eq!(failure.to_string(), "mail is unavailable");
    }

    #[tokio::test]
    async fn the_log_takes_every_mail() {
        Mailer::new(&options(Destination::Log)).unwrap().send(&mail()).await.unwrap();
    }

    #[test]
    fn a_malformed_url_is_refused_without_being_shown() {
        let refusal = Mailer::new(&options(Destination::Smtp("smtps://u:hunter2@".into()))).err().unwrap();
        assert!(!format!("{refusal:#}").contains("hunter2"));
    }
}

//! Mail that a suite has sent.

use std::path::Path;
use std::time::{Duration, Instant};

use mail_parser::MessageParser;

use super::Suite;

const MAIL_TIMEOUT: Duration = Duration::from_secs(20);
/// Subdirectory of a suite's directory to which mail is written.
pub(super) const DIRECTORY: &str = "mail";

/// A received mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Name of the file without its extension.
    pub id: String,
    pub to: String,
    pub from: String,
    pub subject: String,
    pub text: String,
}

impl Mail {
    /// The code in the mail: a line indented by four spaces.
    pub fn code(&self) -> String {
        let line = self.text.lines().find_map(|line| line.strip_prefix("    "));
        line.unwrap_or_else(|| panic!("no code in {self:?}")).trim().to_owned()
    }
}

impl Suite {
    /// All mail to an address so far, oldest first.
    pub fn mails_to(&self, address: &str) -> Vec<Mail> {
        let mut mails: Vec<Mail> = self
            .files
            .path()
            .join(DIRECTORY)
            .read_dir()
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>())
            .unwrap_or_default()
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .map(|path| read(&path))
            .filter(|mail| mail.to == address)
            .collect();
        mails.sort_by(|a, b| a.id.cmp(&b.id));
        mails
    }

    /// Waits until an address has this many mails and returns the newest.
    pub async fn mail_to(&self, address: &str, count: usize) -> Mail {
        let start = Instant::now();
        loop {
            let mails = self.mails_to(address);
            match mails.last() {
                Some(last) if mails.len() >= count => return last.clone(),
                _ => assert!(start.elapsed() < MAIL_TIMEOUT, "{count} mails to {address} awaited: {mails:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn read(path: &Path) -> Mail {
    let bytes = std::fs::read(path).unwrap();
    let message = MessageParser::default().parse(&bytes).unwrap();
    let address = |addresses: Option<&mail_parser::Address>| {
        addresses.and_then(|all| all.first()).and_then(|one| one.address()).unwrap_or_default().to_owned()
    };
    Mail {
        id: path.file_stem().unwrap().to_string_lossy().into_owned(),
        to: address(message.to()),
        from: address(message.from()),
        subject: message.subject().unwrap_or_default().to_owned(),
        text: message.body_text(0).unwrap_or_default().into_owned(),
    }
}

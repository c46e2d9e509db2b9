//! A mail: plain text in UTF-8, to one recipient.

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use uuid::Uuid;

use crate::error::{Error, Result};

/// A kind of mail that is not sent: queued where the response time must not reveal that there is nothing to send.
pub const NOTHING: &str = "nothing";

/// Longest subject, in characters.
pub const MAX_SUBJECT_CHARS: usize = 200;
/// Longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A mail whose parts are in order: nothing in them can become a header or another recipient.
#[derive(Clone)]
pub struct Mail {
    pub(super) id: Uuid,
    pub(super) to: Address,
    pub(super) subject: String,
    text: String,
}

impl Mail {
    /// A mail with this id, which names it to the receiving server: the same for each try.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an address that is none (RFC 5321), for a subject with control characters or too long,
    /// and for a text that is too long.
    pub fn new(id: Uuid, to: &str, subject: &str, text: String) -> Result<Self> {
        let to = to.parse().map_err(|_| Error::invalid("to", "must be an email address"))?;
        if subject.chars().count() > MAX_SUBJECT_CHARS || subject.chars().any(char::is_control) {
            return Err(Error::invalid("subject", "must be one line of at most 200 characters"));
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(Error::invalid("text", "must have at most 64 KiB"));
        }
        Ok(Self { id, to, subject: subject.to_owned(), text })
    }

    /// As it travels (RFC 5322), marked as written by a machine (RFC 3834) so that nothing answers it.
    pub(super) fn to_message(&self, from: &Mailbox) -> Result<Message> {
        let automatic =
            HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, self.to.clone()))
            .subject(self.subject.clone())
            .message_id(Some(format!("<{}@{}>", self.id, from.email.domain())))
            .date_now()
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(self.text.clone())
            .map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str) -> Result<Mail> {
        Mail::new(Uuid::from_u128(1), to, subject, "Grüße\n.\nBcc: eve@example.org\n".to_owned())
    }

    #[test]
    fn nothing_becomes_a_header() {
        for to in
            ["", "olga", "olga@example.org\r\nBcc: eve@example.org", "a@b.org, eve@example.org", "a b@c.org"]
        {
            assert!(mail(to, "Hello").is_err(), "{to:?}");
        }
        for subject in ["Hello\r\nBcc: eve@example.org", "Hello\n", "\0", &"x".repeat(MAX_SUBJECT_CHARS + 1)]
        {
            assert!(mail("olga@example.org", subject).is_err(), "{subject:?}");
        }
        assert!(Mail::new(Uuid::nil(), "a@b.org", "", "x".repeat(MAX_TEXT_BYTES + 1)).is_err());
    }

    #[test]
    fn a_mail_is_plain_text_in_utf_8_and_keeps_its_id() {
        let from = "Dafnck <no-reply@example.org>".parse().unwrap();
        let message = mail("olga@example.org", "Grüße aus Köln").unwrap().to_message(&from).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        for header in [
            "To: olga@example.org",
            "Message-ID: <00000000-0000-0000-0000-000000000001@example.org>",
            "Content-Type: text/plain; charset=utf-8",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(headers.contains(header), "{header} in {headers}");
        }
        assert!(headers.is_ascii() && !headers.contains("Bcc"), "{headers}");
    }
}

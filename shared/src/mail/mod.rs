//! Mail: queued with a change, written and sent after its commit.
//!
//! A service queues a mail in the transaction of the change that it is about ([`Outbox::queue`]), so that either both
//! exist or neither. Background work writes it and passes it to the [`Mailer`], with retries until it is accepted, given
//! up or expired ([`Outbox::deliver`]). A queued mail names its subject and has no text: codes are derived when it is
//! written, so that no stored row holds one. A mail is sent at least once; one that is sent again after a crash has the
//! same `Message-ID`.
//!
//! Every schema that sends mail has a table `mail_outbox` of the shape that `migrations/identity` shows.

mod backlog;
mod mailer;
mod message;
mod options;
mod outbox;
mod plain_text;

pub use lettre::message::Mailbox;
pub use mailer::{Mailer, SEND_TIMEOUT};
pub use message::{MAX_SUBJECT_CHARS, MAX_TEXT_BYTES, Mail, NOTHING};
pub use options::{Destination, MailOptions};
pub use outbox::{MAX_ATTEMPTS, Outbox, QueuedMail};
pub use plain_text::plain_words;

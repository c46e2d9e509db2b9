//! What requests are about, and what they look like on their way.

/// What requests are about. A dependency and an attachment are for one caller alone: they may be deleted.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    pub project: String,
    pub owner: String,
    /// Somebody who is a member.
    pub member: String,
    pub invitation: String,
    pub transfer: String,
    pub task: String,
    pub other_task: String,
    pub task_key: String,
    pub dependency: String,
    pub document: String,
    pub attachment: String,
    pub milestone: String,
    /// A time entry of the owner's, for one caller alone.
    pub time_entry: String,
    pub webhook: String,
    pub webhook_delivery: String,
    /// A comment of the owner's.
    pub comment: String,
    /// An upload of the owner's.
    pub upload: String,
    /// When all this was there.
    pub at: Option<prost_types::Timestamp>,
}

/// The path of a method behind `/dafnck.`, and what it is sent.
pub type Sample = (&'static str, Vec<u8>);

/// An etag that is none any more.
pub fn stale() -> String {
    shared::etag::of(0)
}

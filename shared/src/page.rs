//! Keyset paging with opaque, tamper-proof tokens that belong to one caller's one query.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::config::DerivationOptions;
use crate::error::{Error, ErrorReason, Result};
use crate::keys::DerivedKey;

/// Items on a page when the client does not say.
pub const DEFAULT_PAGE_SIZE: i64 = 50;
/// Most items on a page; a larger size is reduced to it (AIP-158).
pub const MAX_PAGE_SIZE: i64 = 1_000;

const TAG_BYTES: usize = 16;

/// The position in a list ordered by time and id: after this row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterTime {
    /// The row's time.
    pub at: DateTime<Utc>,
    /// The row's id.
    pub id: Uuid,
}

/// The position in a list of matches, the best first: after this one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AfterRank {
    /// The rank of the match.
    pub rank: f32,
    /// The id of the match.
    pub id: Uuid,
}

/// Makes and reads page tokens under a derived key of the service.
#[derive(Clone)]
pub struct PageTokens {
    key: DerivedKey,
}

/// A validated request for a page.
#[derive(Debug)]
pub struct Page<P> {
    /// How many items, 1 to [`MAX_PAGE_SIZE`].
    pub size: i64,
    /// After which position; `None` for the first page.
    pub after: Option<P>,
}

/// The page size of a request.
///
/// # Errors
/// `INVALID_ARGUMENT` for a negative one.
pub fn size(requested: i32) -> Result<i64> {
    match i64::from(requested) {
        0 => Ok(DEFAULT_PAGE_SIZE),
        size if size < 0 => Err(Error::invalid("page_size", "must not be negative")),
        size => Ok(size.min(MAX_PAGE_SIZE)),
    }
}

impl PageTokens {
    /// Tokens under these secrets.
    pub fn new(secrets: &DerivationOptions) -> Self {
        Self { key: DerivedKey::new(secrets, "page tokens") }
    }

    /// Validates the request for a page of `query`, which names the list, the caller and every filter.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a negative size, and for a token that is not of this query.
    pub fn read<P: DeserializeOwned>(&self, query: &str, page_size: i32, token: &str) -> Result<Page<P>> {
        let size = size(page_size)?;
        if token.is_empty() {
            return Ok(Page { size, after: None });
        }
        let after = self.open(query, token).ok_or_else(|| Error::InvalidFor {
            reason: ErrorReason::PageTokenInvalid,
            message: "the page token does not belong to this list and its filters".to_owned(),
            metadata: Vec::new(),
        })?;
        Ok(Page { size, after: Some(after) })
    }

    /// Cuts a list that was read with one row too many, and makes the token of the next page if there is one.
    ///
    /// # Errors
    /// `INTERNAL` when the position cannot be written.
    pub fn cut<T, P: Serialize>(
        &self,
        query: &str,
        size: i64,
        rows: &mut Vec<T>,
        position: impl Fn(&T) -> P,
    ) -> Result<String> {
        let size = usize::try_from(size).unwrap_or_default();
        if rows.len() <= size {
            return Ok(String::new());
        }
        rows.truncate(size);
        rows.last().map(|last| self.seal(query, &position(last))).transpose().map(Option::unwrap_or_default)
    }

    /// The position of a resume token of `query`; `None` if there is no token.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (`RESUME_TOKEN_INVALID`) for a token of something else.
    pub fn resume<P: DeserializeOwned>(&self, query: &str, token: &str) -> Result<Option<P>> {
        if token.is_empty() {
            return Ok(None);
        }
        let position = self.open(query, token).ok_or_else(|| Error::InvalidFor {
            reason: ErrorReason::ResumeTokenInvalid,
            message: "the resume token does not belong to this watch and its filters".to_owned(),
            metadata: Vec::new(),
        })?;
        Ok(Some(position))
    }

    /// Makes the token of a position in `query`.
    ///
    /// # Errors
    /// `INTERNAL` when the position cannot be written.
    pub fn seal(&self, query: &str, position: &impl Serialize) -> Result<String> {
        let body = serde_json::to_vec(position).map_err(Error::internal)?;
        let mut token = tag(&self.key.current, query, &body);
        token.extend(body);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(token))
    }

    /// The position of a token of `query`; `None` if it belongs to another query.
    pub(crate) fn open<P: DeserializeOwned>(&self, query: &str, token: &str) -> Option<P> {
        let token = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, body) = token.split_at_checked(TAG_BYTES)?;
        let is_own = self
            .key
            .is_any(|key| subtle::ConstantTimeEq::ct_eq(self::tag(key, query, body).as_slice(), tag).into());
        is_own.then(|| serde_json::from_slice(body).ok()).flatten()
    }
}

fn tag(key: &Hmac<Sha256>, query: &str, body: &[u8]) -> Vec<u8> {
    let mut mac = key.clone();
    mac.update(&(query.len() as u64).to_be_bytes());
    mac.update(query.as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().into_iter().take(TAG_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> AfterTime {
        AfterTime { at: DateTime::UNIX_EPOCH, id: Uuid::from_u128(7) }
    }

    #[test]
    fn a_token_opens_for_its_own_query_only() {
        let tokens = PageTokens::new(&"k".into());
        let token = tokens.seal("tasks of p", &position()).unwrap();
        assert_eq!(tokens.open::<AfterTime>("tasks of p", &token), Some(position()));
        assert_eq!(tokens.open::<AfterTime>("tasks of q", &token), None);
        assert_eq!(tokens.open::<AfterTime>("tasks of p", &token.replace('A', "B")), None);
        assert_eq!(tokens.open::<AfterTime>("tasks of p", "garbage"), None);
    }

    #[test]
    fn the_last_page_has_no_token() {
        let tokens = PageTokens::new(&"k".into());
        let mut rows = vec![1, 2, 3];
        assert_eq!(tokens.cut("q", 3, &mut rows, |_| position()).unwrap(), "");
        assert_ne!(tokens.cut("q", 2, &mut rows, |_| position()).unwrap(), "");
        assert_eq!(rows, [1, 2]);
    }
}

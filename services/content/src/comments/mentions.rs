//! Mentions: `@username` in a text. Names are looked up when the text is written, and kept as ids.

use std::collections::HashMap;

use proto::identity::backend::v1::ResolveUsernamesRequest;
use shared::error::{Error, Result, from_sibling};
use shared::service::ServiceContext;
use uuid::Uuid;

/// Most names that a text mentions.
pub const MAX_MENTIONS: usize = 50;

/// The lengths of usernames, in characters.
const MIN_NAME_CHARS: usize = 3;
const MAX_NAME_CHARS: usize = 50;

/// The distinct names that a text mentions, in its order. A name may end with punctuation that belongs to the sentence.
pub fn names(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for (position, _) in text.match_indices('@') {
        let (before, after) =
            (text.get(..position).unwrap_or_default(), text.get(position + 1..).unwrap_or_default());
        let end = after.find(|c: char| !is_of_name(c)).unwrap_or(after.len());
        let name = after.get(..end).unwrap_or_default();
        let is_address = before.ends_with(|c: char| c.is_alphanumeric() || "._%+-@/".contains(c));
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let fits = (MIN_NAME_CHARS..=MAX_NAME_CHARS).contains(&without_punctuation(name).len());
        if !is_address && begins && fits && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

fn without_punctuation(name: &str) -> &str {
    name.trim_end_matches(['.', '_', '-'])
}

/// The active users whom a text mentions, each once, in the order of the text.
///
/// # Errors
/// `UNAVAILABLE` when identity does not answer.
pub(crate) async fn resolve(context: &ServiceContext, text: &str) -> Result<Vec<Uuid>> {
    let names = names(text);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut usernames: Vec<String> = Vec::with_capacity(names.len());
    for name in names.iter().flat_map(|name| [name, without_punctuation(name)]) {
        if name.len() <= MAX_NAME_CHARS && !usernames.iter().any(|known| known == name) {
            usernames.push(name.to_owned());
        }
    }
    let request = ResolveUsernamesRequest { usernames };
    let answer =
        context.siblings.user_lookup().resolve_usernames(request).await.map_err(from_sibling("identity"))?;
    let mut known: HashMap<String, Uuid> = HashMap::new();
    for user in answer.into_inner().users {
        known.insert(user.username, user.user_id.parse().map_err(Error::internal)?);
    }
    let mut mentioned: Vec<Uuid> = Vec::new();
    for name in names {
        let user = known.get(name).or_else(|| known.get(without_punctuation(name)));
        mentioned.extend(user.filter(|user| !mentioned.contains(user)));
    }
    Ok(mentioned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_begins_after_a_character_that_no_address_has() {
        assert_eq!(names("@olga, (@gus.m) **@mia** @olga"), ["olga", "gus.m", "mia"]);
        assert_eq!(names("olga@example.org a.@gus @@mia x/@mia é@mia"), [""; 0]);
        assert_eq!(names("@ @ab @_ab @…"), [""; 0]);
    }

    #[test]
    fn punctuation_after_a_name_may_be_of_the_sentence() {
        assert_eq!(names("Ask @olga."), ["olga."]);
        assert_eq!(without_punctuation("olga.-"), "olga");
        let longest = "a".repeat(MAX_NAME_CHARS);
        assert_eq!(names(&format!("@{longest}.")), [format!("{longest}.")]);
        assert_eq!(names(&format!("@{longest}a")), [""; 0]);
    }
}

//! Rejection of weak passwords (NIST SP 800-63B, section 5.1.1.2): the most common ones, and those made of the account's
//! own words.

use std::collections::HashSet;
use std::sync::LazyLock;

use shared::validation::{Violations, unicode_domain};

/// The most common passwords in lower case: the list of Django's `CommonPasswordValidator` (BSD licence), collected by
/// Royce Williams from leaks.
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common.txt").lines().collect());

/// Characters of a password beside the account's own words.
const MIN_OTHER_CHARS: usize = 6;
/// Shorter words are part of too many passwords.
const MIN_WORD_CHARS: usize = 3;

/// Username, address and names of the account of a password.
#[derive(Debug, Default)]
pub struct OwnWords(Vec<String>);

impl OwnWords {
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut own: Vec<String> = words
            .into_iter()
            .map(str::to_lowercase)
            .flat_map(|word| match word.split_once('@') {
                // The address as a whole, and its parts.
                Some((local, domain)) => {
                    vec![word.clone(), local.to_owned(), domain.to_owned(), unicode_domain(domain)]
                }
                None => vec![word],
            })
            .filter(|word| word.chars().count() >= MIN_WORD_CHARS)
            .collect();
        own.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Self(own)
    }

    /// Characters of a text beside these words.
    fn other_chars(&self, text: &str) -> usize {
        let mut rest = text.to_owned();
        for word in &self.0 {
            rest = rest.replace(word.as_str(), " ");
        }
        rest.chars().filter(|c| !c.is_whitespace()).count()
    }
}

pub fn reject_weak(v: &mut Violations, field: &str, password: &str, own: &OwnWords) {
    let lower = password.to_lowercase();
    if is_common(&lower) {
        v.add(field, "is one of the most common passwords");
    } else if own.other_chars(&lower) < MIN_OTHER_CHARS {
        v.add(field, "must not be made of the account's own name or address");
    }
}

/// Also without the digits and signs at its end, as `password2024!`.
fn is_common(lower: &str) -> bool {
    let stem = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    COMMON.contains(lower) || (!stem.is_empty() && COMMON.contains(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(password: &str) -> Option<String> {
        let own = OwnWords::new(["olga", "olga.petrowa@xn--bcher-kva.example", "Olga", "Petrowa"]);
        let mut v = Violations::new();
        reject_weak(&mut v, "password", password, &own);
        v.sentence()
    }

    #[test]
    fn common_passwords_are_rejected_in_any_case_and_with_a_year_at_the_end() {
        for password in ["1234567890", "Password123", "qwertyuiop", "Password2024!", "BASEBALL1999"] {
            assert!(refusal(password).is_some_and(|text| text.contains("common")), "{password}");
        }
    }

    #[test]
    fn passwords_made_of_the_own_name_and_address_are_rejected() {
        for password in ["olga.petrowa@bücher.example", "OlgaOlgaOlga", "PetrowaOlga12", "Bücher.Example1"]
        {
            assert!(refusal(password).is_some_and(|text| text.contains("own")), "{password}");
        }
    }

    #[test]
    fn other_passwords_are_accepted() {
        for password in ["correct horse", "the long password of olga", "tr0ub4dor&3x", "ночная смена"]
        {
            assert_eq!(refusal(password), None, "{password}");
        }
    }
}

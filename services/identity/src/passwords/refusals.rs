//! Passwords that are guessed first (NIST SP 800-63B, section 5.1.1.2): the most common ones, and what an account's
//! own words make.

use std::collections::HashSet;
use std::sync::LazyLock;

use shared::validation::{Violations, unicode_domain};

/// The most common passwords in small emails: the list of Django's `CommonPasswordValidator` (BSD licence), which
/// Royce Williams drew from leaked ones.
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common.txt").lines().collect());

/// Characters that must be left of a password without the account's own words.
const LEAST_LEFT: usize = 6;
/// Words shorter than this are in too many passwords.
const LEAST_WORD: usize = 3;

/// What is known of an account that a password is for.
#[derive(Debug, Default)]
pub struct OwnWords(Vec<String>);

impl OwnWords {
    /// Username, address and names.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
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
            .filter(|word| word.chars().count() >= LEAST_WORD)
            .collect();
        own.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Self(own)
    }

    /// How many characters are left of a text without these words.
    fn left_of(&self, text: &str) -> usize {
        let mut rest = text.to_owned();
        for word in &self.0 {
            rest = rest.replace(word.as_str(), " ");
        }
        rest.chars().filter(|c| !c.is_whitespace()).count()
    }
}

/// Adds a violation for a password that is among the first that are guessed.
pub fn refuse_weak(v: &mut Violations, field: &str, password: &str, own: &OwnWords) {
    let lower = password.to_lowercase();
    if is_common(&lower) {
        v.add(field, "is one of the most common passwords");
    } else if own.left_of(&lower) < LEAST_LEFT {
        v.add(field, "must not be made of the account's own name or address");
    }
}

/// As a whole, or but for the digits and signs behind it, as `password2024!`.
fn is_common(lower: &str) -> bool {
    let stem = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    COMMON.contains(lower) || (!stem.is_empty() && COMMON.contains(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(password: &str) -> Option<String> {
        let own = OwnWords::of(["olga", "olga.petrowa@xn--bcher-kva.example", "Olga", "Petrowa"]);
        let mut v = Violations::new();
        refuse_weak(&mut v, "password", password, &own);
        v.sentence()
    }

    #[test]
    fn common_passwords_are_refused_in_any_case_and_with_a_year_behind() {
        for password in ["1234567890", "Password123", "qwertyuiop", "Password2024!", "BASEBALL1999"] {
            assert!(refusal(password).is_some_and(|text| text.contains("common")), "{password}");
        }
    }

    #[test]
    fn the_own_name_and_address_are_refused_in_any_disguise() {
        for password in ["olga.petrowa@bücher.example", "OlgaOlgaOlga", "PetrowaOlga12", "Bücher.Example1"]
        {
            assert!(refusal(password).is_some_and(|text| text.contains("own")), "{password}");
        }
    }

    #[test]
    fn others_are_not() {
        for password in ["correct horse", "the long password of olga", "tr0ub4dor&3x", "ночная смена"]
        {
            assert_eq!(refusal(password), None, "{password}");
        }
    }
}

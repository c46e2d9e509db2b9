//! What the fields of accounts may hold, wherever they come from.

use shared::validation::Violations;

/// Longest e-mail address, in characters.
const MAX_EMAIL_CHARS: usize = 255;
/// Shortest and longest username, in characters.
const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=50;
/// Longest given or family name, in characters.
const MAX_NAME_CHARS: usize = 100;

/// An e-mail address, in lower case and without blanks around it.
pub fn email(v: &mut Violations, field: &str, value: &str) -> String {
    let value = value.trim().to_lowercase();
    v.require(value.len() <= MAX_EMAIL_CHARS, field, "must have at most 255 characters");
    v.require(is_email(&value), field, "must be an e-mail address, as olga@example.org");
    value
}

/// The same addresses as the database's `chk_email_format`.
fn is_email(text: &str) -> bool {
    let is_one_of = |text: &str, others: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
    };
    let Some((local, domain)) = text.split_once('@') else { return false };
    let Some((host, top)) = domain.rsplit_once('.') else { return false };
    is_one_of(local, b"._%+-")
        && is_one_of(host, b".-")
        && top.len() >= 2
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// A username: no '@', so that it never looks like somebody's address.
pub fn username(v: &mut Violations, field: &str, value: String) -> String {
    let valid = USERNAME_CHARS.contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    v.require(valid, field, "must have 3 to 50 letters (a to z), digits, '.', '_' or '-'");
    value
}

/// A given or family name; an empty one counts as missing.
pub fn name(v: &mut Violations, field: &str, value: Option<String>) -> Option<String> {
    value.filter(|name| !name.is_empty()).map(|name| v.line(field, name, 1, MAX_NAME_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_text() {
        for good in
            ["olga@example.org", "o.l_g%a+x-1@sub-domain.example.museum", "o@e.org", "o@-..org", "O@E.ORG"]
        {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "olga",
            "@example.org",
            "olga@",
            "olga@org",
            "olga@.org",
            "olga@example.o",
            "olga@example.0rg",
            "ol ga@example.org",
            "olga@exa mple.org",
            "o@lga@example.org",
            "olga@example.org\n",
            "ölga@example.org",
            "olga@exämple.org",
            "olga@example.org.",
            "o\0@example.org",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_any_case() {
        let mut v = Violations::new();
        assert_eq!(email(&mut v, "email", " Olga@Example.ORG "), "olga@example.org");
        v.finish().unwrap();
    }

    #[test]
    fn a_username_is_a_short_plain_word() {
        let accepts = |text: &str| {
            let mut v = Violations::new();
            username(&mut v, "username", text.to_owned());
            v.finish().is_ok()
        };
        for good in ["olga", "O.l_g-a", "123", &"x".repeat(50)] {
            assert!(accepts(good), "{good}");
        }
        for bad in ["", "ol", &"x".repeat(51), "olga@home", "ol ga", "ölga", "olga\n", "ol\0ga"] {
            assert!(!accepts(bad), "{bad}");
        }
    }
}

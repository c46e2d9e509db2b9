//! Validation of the fields of an account.

use shared::validation::Violations;
use uuid::Uuid;

pub const MAX_USERNAME_CHARS: usize = 50;
const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=MAX_USERNAME_CHARS;
const MAX_NAME_CHARS: usize = 100;
/// The usernames of erased accounts begin with this, in any case. Nobody else has such a name.
const ERASED_PREFIX: &str = "erased-";
/// The domain of the addresses of erased accounts: no mail goes there (RFC 2606), so no account can be given such.
pub const ERASED_DOMAIN: &str = "@erased.invalid";

/// A username has no `@`, so that it never looks like an email address.
pub fn username(v: &mut Violations, field: &str, value: String) -> String {
    let valid = USERNAME_CHARS.contains(&value.len())
        && value.starts_with(|first: char| first.is_ascii_alphanumeric())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    v.require(
        valid,
        field,
        "must have 3 to 50 letters (a to z), digits, '.', '_' or '-', and begin with a letter or digit",
    );
    v.require(!value.to_ascii_lowercase().starts_with(ERASED_PREFIX), field, "must not begin with erased-");
    value
}

/// Address and username of an erased account, as the database function `erase_user` sets them.
pub fn erased_login(id: Uuid) -> (String, String) {
    (format!("{ERASED_PREFIX}{id}{ERASED_DOMAIN}"), format!("{ERASED_PREFIX}{}", id.simple()))
}

/// A given or family name; an empty one counts as missing.
pub fn name(v: &mut Violations, field: &str, value: Option<String>) -> Option<String> {
    value.filter(|name| !name.is_empty()).map(|name| v.line(field, name, 1, MAX_NAME_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_has_3_to_50_plain_characters() {
        let accepts = |text: &str| {
            let mut v = Violations::new();
            username(&mut v, "username", text.to_owned());
            v.finish().is_ok()
        };
        for good in ["olga", "O.l_g-a", "123", "erased", &"x".repeat(50)] {
            assert!(accepts(good), "{good}");
        }
        for bad in [
            "",
            "ol",
            &"x".repeat(51),
            "olga@home",
            "ol ga",
            "ölga",
            "olga\n",
            "ol\0ga",
            "...",
            "-olga",
            "erased-1",
            "ERASED-1",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
    }
}

//! The passwords with which the services' roles sign in to PostgreSQL: each role has its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use rand::Rng as _;
use rand::distr::Alphanumeric;
use shared::config::Secret;

/// Letters and digits of a random password: more than 256 bits.
const LENGTH: usize = 48;

/// Passwords by name of the role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolePasswords(BTreeMap<String, Secret>);

impl RolePasswords {
    /// A random password for each of these roles.
    pub fn random(roles: impl IntoIterator<Item = String>) -> Self {
        let password =
            || -> String { rand::rng().sample_iter(Alphanumeric).take(LENGTH).map(char::from).collect() };
        Self(roles.into_iter().map(|role| (role, password().into())).collect())
    }

    /// The password of a role, if it is given.
    pub fn of(&self, role: &str) -> Option<&Secret> {
        self.0.get(role)
    }

    /// As they are parsed.
    pub fn to_text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (role, password)| {
            let comma = if text.is_empty() { "" } else { "," };
            let _infallible = write!(text, "{comma}{role}:{}", password.expose());
            text
        })
    }
}

impl FromStr for RolePasswords {
    type Err = &'static str;

    /// `role:password` pairs between commas or white space, the passwords of letters and digits, so that they need no
    /// quotes in SQL and no escapes in a URL.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pairs = text.split([',', ' ', '\n', '\r', '\t']).filter(|pair| !pair.is_empty());
        let passwords = pairs.map(|pair| {
            let (role, password) = pair.split_once(':')?;
            let is_plain = !password.is_empty() && password.bytes().all(|byte| byte.is_ascii_alphanumeric());
            is_plain.then(|| (role.to_owned(), password.into()))
        });
        passwords
            .collect::<Option<_>>()
            .map(Self)
            .ok_or("must be `role:password` pairs of letters and digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_a_password_of_its_own_which_survives_text() {
        let made = RolePasswords::random(["task_service", "task_worker"].map(str::to_owned));
        assert_ne!(made.of("task_service"), made.of("task_worker"));
        assert_eq!(made.to_text().parse(), Ok(made.clone()));
        assert!(!format!("{made:?}").contains(made.of("task_service").unwrap().expose()));
    }

    #[test]
    fn what_would_need_quotes_is_refused() {
        for text in ["hunter2", "task_service:", "task_service:a'b", "a:b,c"] {
            assert!(text.parse::<RolePasswords>().is_err(), "{text}");
        }
    }
}

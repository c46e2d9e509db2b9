//! The services' users in Redis, with the rights of `deploy/redis/users.acl`.

use rand::Rng as _;
use rand::distr::Alphanumeric;
use shared::config::Secret;

const RIGHTS: &str = include_str!("../../../deploy/redis/users.acl");
/// What the keys of a suite begin with there.
const DEPLOYED_PREFIX: &str = "dafnck:";
const PASSWORD_LENGTH: usize = 48;

/// A password for each service, made again each time that Redis is started.
#[derive(Clone, Debug)]
pub struct RedisUsers(Vec<(&'static str, Secret)>);

impl RedisUsers {
    /// With random passwords.
    pub fn random() -> Self {
        let password = || -> String {
            rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LENGTH).map(char::from).collect()
        };
        Self(rights().map(|(name, _)| (name, password().into())).collect())
    }

    /// Lines for Redis' configuration. A server of several suites holds keys of several prefixes.
    pub fn configuration(&self) -> String {
        let lines = rights().filter_map(|(name, rights)| {
            let (_, password) = self.0.iter().find(|(user, _)| *user == name)?;
            let rights = rights.replace(DEPLOYED_PREFIX, "*:");
            Some(format!("user {name} on >{} {rights}\n", password.expose()))
        });
        lines.collect()
    }

    /// The URL of the same server for a service's user instead of the administrator, `:password@`.
    pub fn url_of(&self, service: &str, administrators: &Secret) -> Secret {
        let own = self.0.iter().find(|(user, _)| *user == service);
        let replaced = administrators.expose().split_once("://").and_then(|(scheme, rest)| {
            let (_, place) = rest.rsplit_once('@')?;
            let (user, password) = own?;
            Some(format!("{scheme}://{user}:{}@{place}", password.expose()).into())
        });
        replaced.unwrap_or_else(|| administrators.clone())
    }
}

/// The names of the users, each with its rights.
fn rights() -> impl Iterator<Item = (&'static str, &'static str)> {
    RIGHTS.lines().filter_map(|line| line.strip_prefix("user ")?.split_once(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::NAMES;

    #[test]
    fn every_service_has_a_user_and_a_url() {
        let users = RedisUsers::random();
        let configuration = users.configuration();
        assert_eq!(configuration.lines().count(), NAMES.len());
        for url in ["redis://:root@h:1", "redis-cluster://:root@a:1,b:2"] {
            let own = users.url_of("task", &url.into());
            let (credentials, place) = own.expose().split_once('@').unwrap();
            assert_eq!(place, url.split_once('@').unwrap().1);
            let password = credentials.rsplit(':').next().unwrap();
            assert!(configuration.contains(&format!("user task on >{password} resetkeys ~*:{{session:*")));
        }
        assert_eq!(users.url_of("task", &"redis://h:1".into()).expose(), "redis://h:1");
    }
}

//! What an API token may do.
//!
//! A scope is `<service>:read` (the methods that only read), `<service>:write` (all others), `<service>:*`, or
//! `<service>:<Service>.<Method>`. A token acts as its user, so that no scope gives what the user may not do.

use crate::error::{Error, ErrorReason, Result};
use proto::common::Audience;
use proto::{MethodRule, MethodRules};

/// Scopes that a token has at most.
pub const MAX_SCOPES: usize = 50;

const SERVICES: [&str; 4] = ["identity", "project", "task", "content"];

/// The scopes of a token.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Scopes(pub Vec<String>);

impl Scopes {
    /// Whether the methods of the suite know this scope, and an API token may have it.
    pub fn is_known(scope: &str, rules: &MethodRules) -> bool {
        let Some((service, what)) = scope.split_once(':') else { return false };
        SERVICES.contains(&service)
            && (matches!(what, "read" | "write" | "*")
                || rules.get(&format!("/dafnck.{service}.v1.{}", what.replace('.', "/"))).is_some_and(
                    |rule| {
                        rule.is_open_to_api_tokens
                            && matches!(rule.audience, Audience::User | Audience::Anyone)
                    },
                ))
    }

    /// Refuses a call of a method that these scopes do not cover.
    pub(super) fn check(&self, path: &str, rule: MethodRule) -> Result<()> {
        if !rule.is_open_to_api_tokens {
            return Err(refused(
                ErrorReason::SessionOnly,
                "the method is not open to API tokens; sign in",
                Vec::new(),
            ));
        }
        let (service, method) = parts_of(path);
        let verb = if rule.is_reading { "read" } else { "write" };
        let covers = |scope: &String| match scope.split_once(':') {
            Some((of, what)) => of == service && (what == verb || what == "*" || is_method(what, method)),
            None => false,
        };
        if self.0.iter().any(covers) {
            return Ok(());
        }
        let wanted = format!("{service}:{verb}");
        Err(refused(ErrorReason::ScopeMissing, "the API token lacks the scope", vec![("scope", wanted)]))
    }
}

/// Service and method of a path, as `task` and `TaskService/GetTask` of `/dafnck.task.v1.TaskService/GetTask`.
fn parts_of(path: &str) -> (&str, &str) {
    let rest = path.strip_prefix("/dafnck.").unwrap_or_default();
    let (service, rest) = rest.split_once('.').unwrap_or_default();
    (service, rest.strip_prefix("v1.").unwrap_or_default())
}

fn is_method(what: &str, method: &str) -> bool {
    what.split_once('.').is_some_and(|wanted| method.split_once('/') == Some(wanted))
}

fn refused(reason: ErrorReason, message: &str, metadata: Vec<(&'static str, String)>) -> Error {
    Error::PermissionDenied { reason, message: message.to_owned(), metadata }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> &'static MethodRules {
        MethodRules::suite()
    }

    fn outcome(scope: &str, path: &str) -> String {
        let scopes = Scopes(vec![scope.to_owned()]);
        match scopes.check(path, rules().get(path).unwrap()) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{:?}", error.reason()),
        }
    }

    #[test]
    fn a_scope_covers_its_service_and_its_verb() {
        let (get, create) = ("/dafnck.task.v1.TaskService/GetTask", "/dafnck.task.v1.TaskService/CreateTask");
        let table = [
            ("task:read", "ok", "ScopeMissing"),
            ("task:write", "ScopeMissing", "ok"),
            ("task:*", "ok", "ok"),
            ("task:TaskService.CreateTask", "ScopeMissing", "ok"),
            ("task:TaskService.Create", "ScopeMissing", "ScopeMissing"),
            ("project:*", "ScopeMissing", "ScopeMissing"),
            ("task", "ScopeMissing", "ScopeMissing"),
        ];
        for (scope, reading, writing) in table {
            assert_eq!(
                (outcome(scope, get), outcome(scope, create)),
                (reading.into(), writing.into()),
                "{scope}"
            );
        }
    }

    /// The whole list of identity's methods that an API token may call: where accounts, passwords, second factors,
    /// sessions and tokens are, nothing is open that is not named here.
    #[test]
    fn few_methods_of_identity_and_none_of_admins_and_backends_are_open_to_api_tokens() {
        let open: std::collections::BTreeSet<_> = rules()
            .iter()
            .filter(|(path, rule)| path.starts_with("/dafnck.identity.") && rule.is_open_to_api_tokens)
            .map(|(path, _)| path.trim_start_matches("/dafnck.identity.v1.").to_owned())
            .collect();
        let expected = [
            "AccountService/GetUser",
            "AccountService/GetUserProfile",
            "AccountService/UpdateUserProfile",
            "AuthService/WhoAmI",
            "UserService/LookupUser",
        ];
        assert_eq!(open.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        assert_eq!(outcome("identity:*", "/dafnck.identity.v1.AccountService/ListSessions"), "SessionOnly");
        assert!(rules().iter().all(|(path, rule)| !(path.contains(".admin.") || path.contains(".backend."))
            || !rule.is_open_to_api_tokens));
    }

    #[test]
    fn unknown_scopes_are_told() {
        let rules = rules();
        for good in ["task:read", "identity:*", "content:write", "task:TaskService.CreateTask"] {
            assert!(Scopes::is_known(good, rules), "{good}");
        }
        for bad in [
            "",
            "task",
            "task:",
            "task:delete",
            "mail:read",
            "*:read",
            "task:TaskService.Nothing",
            "task:TaskService/CreateTask/x",
            "identity:AccountService.CreateApiToken",
        ] {
            assert!(!Scopes::is_known(bad, rules), "{bad}");
        }
    }
}

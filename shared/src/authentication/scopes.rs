//! What an API token may do.
//!
//! A scope is `<resource>:<verb>`, as `tasks:read`, or `<resource>:*` for all verbs of a resource. A method needs the
//! one scope that its rule in the proto names. A token acts as its user, so that no scope gives what the user may not do.

use crate::error::{Error, ErrorReason, Result};
use proto::MethodRules;

/// Scopes that a token has at most.
pub const MAX_SCOPES: usize = 50;

/// The verb for all verbs of a resource.
const ANY_VERB: &str = "*";

/// The scopes of a token.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Scopes(pub Vec<String>);

impl Scopes {
    /// Whether some method needs this scope, or it covers one that some method needs.
    pub fn is_known(scope: &str, rules: &MethodRules) -> bool {
        rules.scopes().any(|needed| covers(scope, needed))
    }

    /// Refuses a call of a method that needs this scope, if no scope of the token covers it.
    pub(super) fn check(&self, needed: Option<&str>) -> Result<()> {
        let Some(needed) = needed else {
            return Err(refused(
                ErrorReason::SessionOnly,
                "the method is not open to API tokens; sign in",
                Vec::new(),
            ));
        };
        if self.has(needed) {
            return Ok(());
        }
        let metadata = vec![("scope", needed.to_owned())];
        Err(refused(ErrorReason::ScopeMissing, "the API token lacks the scope", metadata))
    }

    /// Whether a scope of the token covers this one.
    pub fn has(&self, needed: &str) -> bool {
        self.0.iter().any(|scope| covers(scope, needed))
    }
}

fn covers(scope: &str, needed: &str) -> bool {
    let any_verb = || {
        let (resource, _verb) = needed.split_once(':')?;
        scope.strip_prefix(resource)?.strip_prefix(':').filter(|verb| *verb == ANY_VERB)
    };
    scope == needed || any_verb().is_some()
}

fn refused(reason: ErrorReason, message: &str, metadata: Vec<(&'static str, String)>) -> Error {
    Error::PermissionDenied { reason, message: message.to_owned(), metadata }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(scope: &str, path: &str) -> String {
        let scopes = Scopes(vec![scope.to_owned()]);
        match scopes.check(MethodRules::suite().get(path).unwrap().scope.as_deref()) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{:?}", error.reason()),
        }
    }

    #[test]
    fn a_scope_covers_its_resource_and_its_verb() {
        let (get, create) = ("/dafnck.task.v1.TaskService/GetTask", "/dafnck.task.v1.TaskService/CreateTask");
        let table = [
            ("tasks:read", "ok", "ScopeMissing"),
            ("tasks:write", "ScopeMissing", "ok"),
            ("tasks:*", "ok", "ok"),
            ("projects:*", "ScopeMissing", "ScopeMissing"),
            ("tasks", "ScopeMissing", "ScopeMissing"),
            ("*", "ScopeMissing", "ScopeMissing"),
            ("*:*", "ScopeMissing", "ScopeMissing"),
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
    fn of_identity_little_is_open_to_api_tokens() {
        let open: std::collections::BTreeSet<_> = MethodRules::suite()
            .iter()
            .filter(|(path, rule)| path.starts_with("/dafnck.identity.") && rule.scope.is_some())
            .map(|(path, _)| path.trim_start_matches("/dafnck.identity.v1.").to_owned())
            .collect();
        let expected = [
            "AccountService/GetUser",
            "AccountService/GetUserProfile",
            "AccountService/UpdateUserProfile",
            "AuthService/WhoAmI",
            "UserService/BatchGetUsers",
            "UserService/LookupUser",
        ];
        assert_eq!(open.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        assert_eq!(outcome("account:*", "/dafnck.identity.v1.AccountService/ListSessions"), "SessionOnly");
    }

    #[test]
    fn scopes_that_no_method_needs_are_unknown() {
        let rules = MethodRules::suite();
        for good in ["tasks:read", "account:*", "documents:write", "users:read"] {
            assert!(Scopes::is_known(good, rules), "{good}");
        }
        for bad in
            ["", "tasks", "tasks:", "tasks:delete", "users:write", "*", "*:read", "task:read", "tasks:read:x"]
        {
            assert!(!Scopes::is_known(bad, rules), "{bad}");
        }
    }
}

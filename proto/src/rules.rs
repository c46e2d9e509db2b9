//! Who each method is open to, read from the option `dafnck.common.v1.authorization` in the protos.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor};

use crate::common::{Audience, AuthorizationRule, Permission, Principal};

const OPTION_NAME: &str = "dafnck.common.v1.authorization";

/// What the server enforces for one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodRule {
    /// Who may call it at all; `Unspecified` is nobody.
    pub audience: Audience,
    /// What the caller must be allowed to do in the project that the call touches; the handler checks it.
    pub permission: Permission,
    /// The scope that an API token needs, as `tasks:read`; `None` if API tokens may not call the method.
    pub scope: Option<String>,
    /// The service principals that may call a method for [`Audience::Service`].
    pub principals: Vec<Principal>,
    /// Whether either side sends a stream.
    pub is_streaming: bool,
    /// Whether the client sends a stream, and not exactly one message.
    pub is_client_streaming: bool,
    /// Whether it only reads (`idempotency_level = NO_SIDE_EFFECTS`); one that does not say so counts as a write.
    pub is_reading: bool,
    /// Whether few such calls of one caller run at a time.
    pub is_costly: bool,
}

/// The rules of all methods of a descriptor set.
#[derive(Clone, Debug)]
pub struct MethodRules {
    /// By path (as `/package.Service/Method`).
    by_path: HashMap<String, MethodRule>,
    /// The scopes that some method needs.
    scopes: BTreeSet<String>,
}

impl MethodRules {
    /// The rules of the whole suite, read once per process. A method without a rule is closed to everyone.
    pub fn suite() -> &'static Self {
        static RULES: LazyLock<MethodRules> = LazyLock::new(|| MethodRules::read(crate::descriptor_pool()));
        &RULES
    }

    #[allow(clippy::expect_used, reason = "authorization.proto defines the option")]
    fn read(pool: &DescriptorPool) -> Self {
        let option = pool.get_extension_by_name(OPTION_NAME).expect("authorization.proto defines the option");
        let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let by_path: HashMap<_, _> =
            methods.map(|method| (path_of(&method), rule_of(&method, &option))).collect();
        let scopes = by_path.values().filter_map(|rule| rule.scope.clone()).collect();
        Self { by_path, scopes }
    }

    /// The rule of the method at `path`; `None` if there is no such method.
    pub fn get(&self, path: &str) -> Option<&MethodRule> {
        self.by_path.get(path)
    }

    /// Every path with its rule, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MethodRule)> {
        self.by_path.iter().map(|(path, rule)| (path.as_str(), rule))
    }

    /// The scopes that some method needs, in alphabetical order.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }
}

fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

#[allow(clippy::expect_used, reason = "authorization.proto defines the option with this type")]
fn rule_of(method: &MethodDescriptor, option: &ExtensionDescriptor) -> MethodRule {
    let options = method.options();
    let value = options.get_extension(option);
    let rule = value
        .as_message()
        .map(|message| message.transcode_to::<AuthorizationRule>().expect("the option has this type"))
        .unwrap_or_default();
    MethodRule {
        audience: rule.audience(),
        permission: rule.permission(),
        principals: rule.principals().collect(),
        is_costly: rule.costly,
        scope: Some(rule.scope).filter(|scope| !scope.is_empty()),
        is_streaming: method.is_client_streaming() || method.is_server_streaming(),
        is_client_streaming: method.is_client_streaming(),
        is_reading: is_reading(method),
    }
}

fn is_reading(method: &MethodDescriptor) -> bool {
    let options = method.method_descriptor_proto().options.as_ref();
    options.is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths_of(service: &str) -> Vec<(&str, &MethodRule)> {
        MethodRules::suite().iter().filter(|(path, _)| path.contains(service)).collect()
    }

    #[test]
    fn every_method_of_the_suite_has_a_rule() {
        let rules = MethodRules::suite();
        let closed: Vec<_> =
            rules.iter().filter(|(_, rule)| rule.audience == Audience::Unspecified).collect();
        assert_eq!(closed, []);
        assert!(rules.iter().count() > 30);
    }

    #[test]
    fn methods_of_admin_and_backend_packages_are_for_services_and_others_are_not() {
        for (path, rule) in MethodRules::suite().iter() {
            let is_privileged = path.contains(".admin.v1.") || path.contains(".backend.v1.");
            assert_eq!(rule.audience == Audience::Service, is_privileged, "{path}");
            assert_eq!(rule.principals.is_empty(), !is_privileged, "{path}");
            assert!(!is_privileged || rule.scope.is_none(), "{path}");
        }
    }

    #[test]
    fn admin_methods_are_for_operators_alone() {
        for (path, rule) in paths_of(".admin.v1.") {
            assert_eq!(rule.principals, [Principal::Operator], "{path}");
        }
    }

    #[test]
    fn the_verb_of_a_scope_is_read_exactly_for_methods_without_side_effects() {
        for (path, rule) in MethodRules::suite().iter() {
            let Some(scope) = &rule.scope else { continue };
            let (resource, verb) = scope.split_once(':').unwrap();
            let resources = [
                "account",
                "users",
                "projects",
                "members",
                "tasks",
                "documents",
                "attachments",
                "comments",
                "notifications",
                "webhooks",
            ];
            assert!(resources.contains(&resource), "{path}: {scope}");
            assert_eq!(verb, if rule.is_reading { "read" } else { "write" }, "{path}");
        }
    }

    #[test]
    fn a_rule_says_what_the_proto_says() {
        let rules = MethodRules::suite();
        let upload = rules.get("/dafnck.content.v1.AttachmentService/UploadAttachment").unwrap();
        assert_eq!((upload.audience, upload.permission), (Audience::User, Permission::AttachmentWrite));
        assert_eq!(upload.scope.as_deref(), Some("attachments:write"));
        assert!(upload.is_streaming && !upload.is_reading);
        let download = rules.get("/dafnck.content.v1.AttachmentService/DownloadAttachment").unwrap();
        assert!(download.is_streaming && download.is_reading);
        let resolve = rules.get("/dafnck.task.backend.v1.TaskLookupService/ResolveTask").unwrap();
        assert_eq!(resolve.principals, [Principal::Project, Principal::Content]);
        assert_eq!(rules.get("/dafnck.content.v1.AttachmentService/Nothing"), None);
    }
}

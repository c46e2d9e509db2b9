//! Who each method is open to, read from the option `dafnck.common.v1.authorization` in the protos.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor};

use crate::common::{Audience, AuthorizationRule, Permission};

const OPTION_NAME: &str = "dafnck.common.v1.authorization";

/// What the server enforces for one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodRule {
    /// Who may call it at all; `Unspecified` is nobody.
    pub audience: Audience,
    /// What the caller must be allowed to do in the project that the call touches; the handler checks it.
    pub permission: Permission,
    /// Whether either side sends a stream.
    pub is_streaming: bool,
    /// Whether it only reads (`idempotency_level = NO_SIDE_EFFECTS`); one that does not say so counts as a write.
    pub is_reading: bool,
    /// Whether API tokens may call it, within their scopes: not in identity, unless its rule says so.
    pub is_open_to_api_tokens: bool,
}

/// The rules of all methods of a descriptor set, by path (as `/package.Service/Method`).
#[derive(Clone, Debug)]
pub struct MethodRules(HashMap<String, MethodRule>);

impl MethodRules {
    /// The rules of the whole suite, read once per process. A method without a rule is closed to everyone.
    pub fn suite() -> &'static Self {
        static RULES: LazyLock<MethodRules> = LazyLock::new(|| MethodRules::read(crate::descriptor_pool()));
        &RULES
    }

    fn read(pool: &DescriptorPool) -> Self {
        let option = pool.get_extension_by_name(OPTION_NAME).expect("authorization.proto defines the option");
        let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        Self(methods.map(|method| (path_of(&method), rule_of(&method, &option))).collect())
    }

    /// The rule of the method at `path`; `None` if there is no such method.
    pub fn get(&self, path: &str) -> Option<MethodRule> {
        self.0.get(path).copied()
    }

    /// Every path with its rule, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, MethodRule)> {
        self.0.iter().map(|(path, rule)| (path.as_str(), *rule))
    }
}

fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

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
        is_streaming: method.is_client_streaming() || method.is_server_streaming(),
        is_reading: is_reading(method),
        is_open_to_api_tokens: rule.open_to_api_tokens || !is_for_sessions_by_default(method),
    }
}

fn is_for_sessions_by_default(method: &MethodDescriptor) -> bool {
    let service = method.parent_service();
    let package = service.full_name();
    package.starts_with("dafnck.identity.") || is_privileged(package)
}

/// Whether the package of a service is one of operators (`admin`) or of trusted back ends and siblings (`backend`).
fn is_privileged(service: &str) -> bool {
    service.contains(".admin.v1.") || service.contains(".backend.v1.")
}

fn is_reading(method: &MethodDescriptor) -> bool {
    let options = method.method_descriptor_proto().options.as_ref();
    options.is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(rule.audience == Audience::Service, is_privileged(path), "{path}");
        }
    }

    #[test]
    fn a_rule_says_what_the_proto_says() {
        let rules = MethodRules::suite();
        let upload = rules.get("/dafnck.content.v1.AttachmentService/UploadAttachment").unwrap();
        assert_eq!((upload.audience, upload.permission), (Audience::User, Permission::AttachmentWrite));
        assert!(upload.is_streaming && !upload.is_reading);
        let download = rules.get("/dafnck.content.v1.AttachmentService/DownloadAttachment").unwrap();
        assert!(download.is_streaming && download.is_reading);
        assert_eq!(rules.get("/dafnck.content.v1.AttachmentService/Nothing"), None);
    }
}

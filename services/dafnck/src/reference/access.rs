//! The page about who may call what: audiences, roles and permissions, scopes.

use std::collections::BTreeMap;
use std::fmt::Write;

use prost_reflect::DescriptorPool;
use proto::common::{Audience, Permission};
use proto::{MethodRule, MethodRules};
use shared::access::{Permissions, permission_name};
use shared::schema::ProjectRole;

use super::Page;
use super::comments::Commented;
use super::fields::cell;
use super::symbols::{ACCESS_PAGE, Symbols};

const PERMISSION: &str = "dafnck.common.v1.Permission";
/// What one may do without a role in a project that one sees, and with each role.
const ROLES: [(&str, Option<ProjectRole>); 5] = [
    ("visitor", None),
    ("viewer", Some(ProjectRole::Viewer)),
    ("member", Some(ProjectRole::Member)),
    ("admin", Some(ProjectRole::Admin)),
    ("owner", Some(ProjectRole::Owner)),
];

pub(super) fn page(pool: &DescriptorPool, symbols: &Symbols) -> Page {
    let parts = [introduction(symbols), permissions(pool, symbols), scopes(pool, symbols)];
    Page { name: ACCESS_PAGE.to_owned(), title: "Access".to_owned(), text: parts.concat() }
}

fn introduction(symbols: &Symbols) -> String {
    let text = "# Access\n\nEach method says who may call it (Audience), which permission the caller needs in the project that \
                the call is about (Permission), which scope an API token needs, and which service principals may call it \
                (Principal); see AuthorizationRule. What the caller may not see is `NOT_FOUND`; what the caller sees but may \
                not do is `PERMISSION_DENIED` (PERMISSION_MISSING). A token without the scope is refused with \
                `PERMISSION_DENIED` (SCOPE_MISSING).\n";
    let names = ["Audience", "Permission", "Principal"];
    let linked = names.iter().fold(text.to_owned(), |text, name| {
        let link = symbols.link(name, &format!("dafnck.common.v1.{name}"));
        text.replacen(&format!("({name})"), &format!("({link})"), 1)
    });
    let name = "AuthorizationRule";
    linked.replacen(name, &symbols.link(name, &format!("dafnck.common.v1.{name}")), 1)
}

/// Who may call a method, in words.
pub(super) fn callers(rule: &MethodRule) -> String {
    match rule.audience {
        Audience::Unspecified => "nobody".to_owned(),
        Audience::Anyone => "anyone, with or without a session".to_owned(),
        Audience::User => "signed-in users".to_owned(),
        Audience::Service => {
            let names = rule.principals.iter().map(|principal| {
                let name = principal.as_str_name().trim_start_matches("PRINCIPAL_").to_lowercase();
                if name == "operator" || name == "backend" {
                    format!("{name}s")
                } else {
                    format!("the {name} service")
                }
            });
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

fn permissions(pool: &DescriptorPool, symbols: &Symbols) -> String {
    let mut methods = BTreeMap::new();
    for (rule, link) in methods_with_links(pool, symbols) {
        methods.entry(rule.permission.as_str_name()).or_insert_with(Vec::new).push(link);
    }
    let roles = ROLES.map(|(name, _)| name).join(" | ");
    let mut text = format!(
        "\n## Roles and permissions\n\nA visitor has no role, in a project whose visibility lets them read it.\n\n| permission \
         | {roles} | methods |\n| --- |{} --- |\n",
        " --- |".repeat(ROLES.len())
    );
    let declared = pool.get_enum_by_name(PERMISSION).into_iter();
    let values: Vec<_> = declared.flat_map(|declared| declared.values().collect::<Vec<_>>()).collect();
    for value in values.iter().filter(|value| value.number() != 0) {
        let permission = Permission::try_from(value.number()).unwrap_or_default();
        let marks =
            ROLES.map(|(_, role)| if Permissions::of(role, None).contains(permission) { "yes" } else { "" });
        let name = symbols.link(&format!("`{}`", permission_name(permission)), value.full_name());
        let methods = methods.get(value.name()).map(|links| links.join(", ")).unwrap_or_default();
        let name = format!("{name}: {}", value.comment());
        let _ = writeln!(text, "| {} | {} | {methods} |", cell(&name), marks.join(" | "));
    }
    text
}

fn scopes(pool: &DescriptorPool, symbols: &Symbols) -> String {
    let mut methods = BTreeMap::new();
    for (rule, link) in methods_with_links(pool, symbols) {
        if let Some(scope) = &rule.scope {
            methods.entry(scope.clone()).or_insert_with(Vec::new).push(link);
        }
    }
    let sections = methods.iter().map(|(scope, links)| format!("\n### {scope}\n\n{}\n", links.join(", ")));
    format!("\n## Scopes of API tokens\n{}", sections.collect::<String>())
}

/// The rules of all methods, each with a link to its method.
fn methods_with_links(pool: &DescriptorPool, symbols: &Symbols) -> Vec<(&'static MethodRule, String)> {
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let linked = methods.filter_map(|method| {
        let service = method.parent_service();
        let rule = MethodRules::suite().get(&format!("/{}/{}", service.full_name(), method.name()))?;
        let name = format!("{}.{}", service.name(), method.name());
        Some((rule, symbols.link(&name, method.full_name())))
    });
    let mut linked: Vec<_> = linked.collect();
    linked.sort_by(|(_, left), (_, right)| left.cmp(right));
    linked
}

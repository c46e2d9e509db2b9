//! Where each name of the API is described, and links to it in texts.

use std::collections::HashMap;

use prost_reflect::DescriptorPool;

use super::names::{ERROR_REASON, ERRORS_PAGE, PACKAGE_PREFIX, REASON_PREFIX, anchor, method_heading};

/// The names of the API with the links to their descriptions.
pub(super) struct Symbols {
    /// By name without `dafnck.`, as `task.v1.Task`, and by each shorter form that is unambiguous.
    links: HashMap<String, String>,
}

impl Symbols {
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        let mut links = HashMap::new();
        for (name, link) in full_names(pool) {
            let mut short = name.strip_prefix(PACKAGE_PREFIX).unwrap_or(&name);
            // An ambiguous form has no link.
            while let Some((_, shorter)) = short.split_once('.') {
                let form = links.entry(shorter.to_owned()).or_insert_with(|| Some(link.clone()));
                *form = form.take().filter(|other| *other == link);
                short = shorter;
            }
        }
        for (name, link) in full_names(pool) {
            links.insert(name.strip_prefix(PACKAGE_PREFIX).unwrap_or(&name).to_owned(), Some(link));
        }
        Self { links: links.into_iter().filter_map(|(name, link)| Some((name, link?))).collect() }
    }

    /// The link to a name as it is written in a comment of a package.
    pub(super) fn find(&self, name: &str, package: &str) -> Option<&str> {
        let package = package.strip_prefix(PACKAGE_PREFIX).unwrap_or(package);
        let name = name.strip_prefix(PACKAGE_PREFIX).unwrap_or(name);
        let found = self.links.get(&format!("{package}.{name}")).or_else(|| self.links.get(name));
        found.map(String::as_str)
    }

    /// A name as a link to its description if there is one.
    pub(super) fn link(&self, name: &str, full_name: &str) -> String {
        match self.find(full_name, "") {
            Some(link) => format!("[{name}]({link})"),
            None => format!("`{name}`"),
        }
    }

    /// A comment of a package with the names in it as links. What is in back quotes stays as it is unless it is a name.
    pub(super) fn linked(&self, comment: &str, package: &str) -> String {
        let parts = comment.split('`').enumerate();
        let parts = parts.map(|(index, part)| match index % 2 {
            0 => self.link_words(part, package),
            _ => match self.find(part, package) {
                Some(link) => format!("[`{part}`]({link})"),
                None => format!("`{part}`"),
            },
        });
        parts.collect()
    }

    fn link_words(&self, text: &str, package: &str) -> String {
        let mut linked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find(is_of_name) {
            let (before, from) = rest.split_at(begin);
            let (word, after) = from.split_at(from.find(|c| !is_of_name(c)).unwrap_or(from.len()));
            // The dot at the end of a sentence.
            let name = word.trim_end_matches('.');
            let link = Some(name).filter(|name| is_distinct(name)).and_then(|name| self.find(name, package));
            linked.push_str(&before.replace('<', "\\<"));
            match link {
                Some(link) => linked.push_str(&format!("[{name}]({link}){}", word.trim_start_matches(name))),
                None => linked.push_str(word),
            }
            rest = after;
        }
        linked + &rest.replace('<', "\\<")
    }
}

/// All names with their links.
fn full_names(pool: &DescriptorPool) -> Vec<(String, String)> {
    let mut names = Vec::new();
    let mut add = |name: &str, package: &str, heading: &str| {
        if package.starts_with(PACKAGE_PREFIX) {
            names.push((name.to_owned(), format!("{package}.md#{}", anchor(heading))));
        }
    };
    for service in pool.services() {
        add(service.full_name(), service.package_name(), service.name());
        for method in service.methods() {
            add(method.full_name(), service.package_name(), &method_heading(service.name(), method.name()));
        }
    }
    for message in pool.all_messages().filter(|message| !message.is_map_entry()) {
        add(message.full_name(), message.package_name(), message.name());
        for field in message.fields() {
            add(field.full_name(), message.package_name(), message.name());
        }
    }
    for declared in pool.all_enums() {
        add(declared.full_name(), declared.package_name(), declared.name());
        for value in declared.values() {
            add(value.full_name(), declared.package_name(), declared.name());
        }
    }
    let reasons = pool
        .get_enum_by_name(ERROR_REASON)
        .into_iter()
        .flat_map(|reasons| reasons.values().map(|value| value.name().to_owned()).collect::<Vec<_>>());
    for name in reasons {
        let reason = name.trim_start_matches(REASON_PREFIX);
        names.push((format!("common.v1.{reason}"), format!("{ERRORS_PAGE}.md#{}", anchor(reason))));
    }
    names
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.')
}

/// Whether a word is a name and cannot be one of the language, as `Task` at the beginning of a sentence.
fn is_distinct(word: &str) -> bool {
    let capitals = word.chars().filter(char::is_ascii_uppercase).count();
    capitals > 1 && word.contains(|c: char| c.is_ascii_lowercase() || c == '_') || word.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_comments_become_links() {
        let symbols = Symbols::of(proto::descriptor_pool());
        let linked = |text: &str| symbols.linked(text, "dafnck.task.v1");
        assert_eq!(linked("See TaskFilter."), "See [TaskFilter](dafnck.task.v1.md#taskfilter).");
        assert_eq!(
            linked("see TaskService.LookupTask and `Task`"),
            "see [TaskService.LookupTask](dafnck.task.v1.md#taskservicelookuptask) and [`Task`](dafnck.task.v1.md#task)"
        );
        assert_eq!(linked("(TASK_BLOCKED)"), "([TASK_BLOCKED](errors.md#task_blocked))");
        assert_eq!(
            linked("identity.v1.ApiToken.scopes"),
            "[identity.v1.ApiToken.scopes](dafnck.identity.v1.md#apitoken)"
        );
    }

    #[test]
    fn other_words_stay_as_they_are() {
        let symbols = Symbols::of(proto::descriptor_pool());
        for text in ["Task and User, e.g. NOT_FOUND", "`due_at` of `Nothing`", "AIP-134", "version 1.2"] {
            assert_eq!(symbols.linked(text, "dafnck.task.v1"), text);
        }
        assert_eq!(symbols.linked("a <b>", "dafnck.task.v1"), "a \\<b>");
    }
}

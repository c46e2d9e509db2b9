//! The reference of the API and the descriptor set, as the commands write them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::dafnck::dafnck;
use prost_reflect::DescriptorPool;
use proto::MethodRules;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use regex::Regex;
use tempfile::TempDir;

/// The pages of a form, by the name of their files.
fn pages(directory: &Path, extension: &str) -> BTreeMap<String, String> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|found| found == extension));
    files
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect()
}

async fn reference() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let ran = dafnck(&["reference", directory.path().to_str().unwrap()], &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    directory
}

/// The anchors and the links of a page.
#[derive(Default)]
struct Links {
    anchors: Vec<String>,
    targets: Vec<String>,
}

/// Anchors as GitHub makes them from headings.
fn links_of_markdown(text: &str) -> Links {
    let mut links = Links::default();
    let mut heading = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let text = heading.take().unwrap().to_lowercase().replace(' ', "-");
                links
                    .anchors
                    .push(text.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect());
            }
            Event::Start(Tag::Link { dest_url, .. }) => links.targets.push(dest_url.into_string()),
            Event::Text(text) | Event::Code(text) => {
                heading.iter_mut().for_each(|heading| heading.push_str(&text));
            }
            _ => {}
        }
    }
    links
}

fn links_of_html(text: &str) -> Links {
    let all = |pattern: &str| {
        let pattern = Regex::new(pattern).unwrap();
        pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
    };
    Links { anchors: all(r#"\bid="([^"]*)""#), targets: all(r#"\bhref="([^"]*)""#) }
}

/// The links that lead nowhere, and the anchors that a page has twice.
fn dead_links(pages: &BTreeMap<String, String>, read: impl Fn(&str) -> Links) -> Vec<String> {
    let links: BTreeMap<_, _> = pages.iter().map(|(name, text)| (name.as_str(), read(text))).collect();
    let mut dead = Vec::new();
    for (name, page) in &links {
        let unique: BTreeSet<_> = page.anchors.iter().collect();
        if unique.len() != page.anchors.len() {
            dead.push(format!("{name} has an anchor twice"));
        }
        for target in page.targets.iter().filter(|target| !target.starts_with("https://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { name } else { file };
            let is_there = links
                .get(file)
                .is_some_and(|page| anchor.is_empty() || page.anchors.iter().any(|found| found == anchor));
            if !is_there {
                dead.push(format!("{name}: {target}"));
            }
        }
    }
    dead
}

#[tokio::test]
async fn no_link_of_the_reference_is_dead() {
    let directory = reference().await;
    let (markdown, html) = (pages(directory.path(), "md"), pages(directory.path(), "html"));
    assert_eq!(markdown.len(), html.len());
    assert_eq!(dead_links(&markdown, links_of_markdown), [""; 0]);
    assert_eq!(dead_links(&html, links_of_html), [""; 0]);
    let count: usize = markdown.values().map(|text| links_of_markdown(text).targets.len()).sum();
    assert!(count > 1_000, "{count}");
}

#[test]
fn a_dead_link_is_found() {
    let page = |text: &str| BTreeMap::from([("a.md".to_owned(), text.to_owned())]);
    assert_eq!(dead_links(&page("# Some one\n[x](#some-one) [y](a.md)"), links_of_markdown), [""; 0]);
    assert_eq!(dead_links(&page("[x](#gone) [y](b.md)"), links_of_markdown), ["a.md: #gone", "a.md: b.md"]);
    let html = page("<h1 id=\"x\">X</h1><a href=\"#x\"></a><a href=\"#y\"></a>");
    assert_eq!(dead_links(&html, links_of_html), ["a.md: #y"]);
}

#[tokio::test]
async fn the_reference_has_everything() {
    let directory = reference().await;
    let markdown = pages(directory.path(), "md");
    let of_package = |package: &str| &markdown[&format!("{package}.md")];
    let rules = MethodRules::suite();
    for (path, _) in rules.iter() {
        let package = path[1..].split('/').next().unwrap().rsplit_once('.').unwrap().0;
        assert!(of_package(package).contains(&format!("`{path}`")), "{path}");
    }
    rules
        .scopes()
        .for_each(|scope| assert!(markdown["access.md"].contains(&format!("### {scope}\n")), "{scope}"));
    let is_own = |name: &str| name.starts_with("dafnck.");
    let messages = proto::descriptor_pool().all_messages().filter(|message| !message.is_map_entry());
    for message in messages.filter(|message| is_own(message.full_name())) {
        let text = of_package(message.package_name());
        let section = text.split(&format!("\n### {}\n", message.name())).nth(1).unwrap();
        let section = section.split("\n### ").next().unwrap();
        message.fields().for_each(|field| {
            assert!(section.contains(&format!("| `{}` |", field.name())), "{}", field.full_name())
        });
    }
    for declared in proto::descriptor_pool().all_enums().filter(|declared| is_own(declared.full_name())) {
        let text = of_package(declared.package_name());
        declared.values().for_each(|value| {
            assert!(text.contains(&format!("| `{}` |", value.name())), "{}", value.full_name())
        });
    }
}

#[tokio::test]
async fn the_reference_of_a_method_tells_how_to_call_it() {
    let directory = reference().await;
    let text = &pages(directory.path(), "md")["dafnck.task.v1.md"];
    let section = text.split("### TaskService.CreateTask\n").nth(1).unwrap().split("\n### ").next().unwrap();
    expect_test::expect![[r#"

        Creates a task in a project.

        Errors: NOT_FOUND (project, parent task, assignee or milestone), PERMISSION_DENIED, INVALID_ARGUMENT, [ALREADY_EXISTS](errors.md#already_exists) (id),
        FAILED_PRECONDITION ([PROJECT_READ_ONLY](errors.md#project_read_only), [REQUEST_ID_REUSED](errors.md#request_id_reused)).

        - **Path:** `/dafnck.task.v1.TaskService/CreateTask`
        - **Request:** [CreateTaskRequest](dafnck.task.v1.md#createtaskrequest)
        - **Response:** [Task](dafnck.task.v1.md#task)
        - **Callers:** signed-in users
        - **Permission:** [PERMISSION_TASK_WRITE](dafnck.common.v1.md#permission)
        - **Scope of an API token:** [`tasks:write`](access.md#taskswrite)
        - **Retry:** with the same `request_id`
        - **Deadline:** 5 s unless the client sends another, at most 30 s
    "#]]
    .assert_eq(section);
}

#[tokio::test]
async fn the_descriptor_set_is_complete_in_a_file_and_on_standard_output() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dafnck.binpb");
    let ran = dafnck(&["descriptors", file.to_str().unwrap()], &[]).await;
    let told = format!("the API is described in {}\n", file.display());
    assert_eq!((ran.code, ran.out), (Some(0), told));
    let set = fs::read(&file).unwrap();
    let pool = DescriptorPool::decode(set.as_slice()).unwrap();
    assert_eq!(pool.services().count(), proto::descriptor_pool().services().count());
    assert!(pool.get_extension_by_name("buf.validate.field").is_some());
    let task = pool.get_file_by_name("dafnck/task/v1/task.proto").unwrap();
    let info = task.file_descriptor_proto().source_code_info.as_ref().unwrap();
    assert!(info.location.iter().any(|location| location.leading_comments() == " A task.\n"));

    let output =
        tokio::process::Command::new(env!("CARGO_BIN_EXE_dafnck")).arg("descriptors").output().await.unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, set);
}

//! Pages as HTML.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::Page;
use super::symbols::anchor;

/// With `{title}`, `{navigation}` and `{content}` to be filled in.
const TEMPLATE: &str = include_str!("page.html");

/// A page as HTML, with links to all pages beside it.
pub(super) fn render(page: &Page, pages: &[Page]) -> String {
    let links = pages.iter().map(|other| {
        let current = if other.name == page.name { " aria-current=\"page\"" } else { "" };
        format!("<li><a href=\"{0}.html\"{current}>{1}</a></li>\n", other.name, other.title)
    });
    TEMPLATE
        .replace("{title}", &page.title)
        .replace("{navigation}", &links.collect::<String>())
        .replace("{content}", &content(&page.text))
}

fn content(markdown: &str) -> String {
    let events: Vec<_> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    let headings = headings(&events);
    let mut headings = headings.into_iter();
    let events = events.into_iter().map(|event| match event {
        Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
            Event::Start(Tag::Heading { level, id: headings.next().map(CowStr::from), classes, attrs })
        }
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = dest_url.replace(".md", ".html").into();
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        other => other,
    });
    let mut rendered = String::new();
    html::push_html(&mut rendered, events);
    rendered
}

/// The anchors of the headings, in order.
fn headings(events: &[Event<'_>]) -> Vec<String> {
    let mut anchors = Vec::new();
    let mut heading: Option<String> = None;
    for event in events {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|text| anchor(&text))),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(text);
                }
            }
            _ => {}
        }
    }
    anchors
}

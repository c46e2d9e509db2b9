//! Labels, and how Mermaid and DOT quote them.

use crate::plan::GraphTask;
use crate::schema::TaskStatus;

/// Signs that mean nothing to Mermaid inside of a label.
const PLAIN_SIGNS: &str = " -_.,()@/+=!?'";
/// With these Mermaid marks entities while it draws. They are kept apart by a character without a width.
const MERMAID_MARKS: [(&str, &str); 2] = [("ﬂ°", "ﬂ\u{200c}°"), ("¶ß", "¶\u{200c}ß")];

pub(super) fn label_of(task: Option<&GraphTask>) -> String {
    let Some(task) = task else { return "hidden".to_owned() };
    let mark = if task.status == TaskStatus::Blocked { " (blocked)" } else { "" };
    format!("{} {}{mark}", task.key(), task.short_title())
}

/// As Mermaid shows it unchanged, whatever it is: what may have a meaning in some of its diagrams is written as an entity.
pub(super) fn mermaid(text: &str) -> String {
    let mut quoted = String::new();
    for letter in text.chars() {
        let is_plain = letter.is_ascii_alphanumeric()
            || PLAIN_SIGNS.contains(letter)
            || !(letter.is_ascii() || letter.is_control());
        match is_plain {
            true => quoted.push(letter),
            false => quoted.push_str(&format!("#{};", u32::from(letter))),
        }
    }
    MERMAID_MARKS.iter().fold(quoted, |text, (mark, apart)| text.replace(mark, apart))
}

/// As the content of a quoted string of DOT, where `&` begins an entity.
pub(super) fn dot(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}

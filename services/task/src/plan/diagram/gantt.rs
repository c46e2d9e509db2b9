//! Mermaid Gantt charts: when each task can start first, in working hours.

use std::fmt::Write;

use chrono::NaiveDateTime;

use crate::plan::work_calendar::WorkCalendar;
use crate::plan::{GraphTask, ProjectPlan};
use crate::schedule::Times;
use crate::schema::TaskStatus;

use super::excerpt::Excerpt;
use super::text::{label_of, mermaid};

const TIME_FORMAT: &str = "%Y-%m-%dT%H:%M";
/// Words at the start of a line that mean something to Mermaid, even before a hyphen.
const KEYWORDS: [&str; 3] = ["gantt", "topaxis", "inclusiveenddates"];
/// Digits of an assignee's UUID: the random end of it.
const ASSIGNEE_DIGITS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    CriticalPath,
    Started,
    Blocked,
    Pending,
    /// What the caller may not see.
    Hidden,
}

impl Section {
    fn of(excerpt: &Excerpt<'_>, node: usize) -> Self {
        match excerpt.task(node).map(|task| task.status) {
            _ if excerpt.is_critical(node) => Self::CriticalPath,
            None => Self::Hidden,
            Some(TaskStatus::InProgress | TaskStatus::Review) => Self::Started,
            Some(TaskStatus::Blocked) => Self::Blocked,
            // A plan has no closed task.
            Some(TaskStatus::Pending | TaskStatus::Done | TaskStatus::Cancelled) => Self::Pending,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::CriticalPath => "Critical path",
            Self::Started => "Started",
            Self::Blocked => "Blocked",
            Self::Pending => "Pending",
            Self::Hidden => "Hidden",
        }
    }
}

/// A task of the chart.
struct Bar<'a> {
    section: Section,
    node: usize,
    task: Option<&'a GraphTask>,
    times: Times,
    minutes: u64,
}

pub(super) fn write(text: &mut String, excerpt: &Excerpt<'_>, plan: &ProjectPlan) -> std::fmt::Result {
    writeln!(text, "gantt")?;
    if let Some(omission) = excerpt.omission() {
        writeln!(text, "    title {omission}")?;
    }
    writeln!(text, "    dateFormat YYYY-MM-DDTHH:mm\n    axisFormat %Y-%m-%d")?;
    let calendar = &plan.calendar;
    let mut section = None;
    for bar in bars(excerpt, plan) {
        if section.replace(bar.section) != Some(bar.section) {
            writeln!(text, "    section {}", bar.section.title())?;
        }
        write_bar(text, &bar, calendar)?;
    }
    let finish = calendar.end(plan.schedule.finish).format(TIME_FORMAT);
    writeln!(text, "    section Finish")?;
    writeln!(text, "        Finish ({}) :milestone, finish, {finish}, 0m", work(plan.schedule.finish))
}

/// By section, and in it by time.
fn bars<'a>(excerpt: &Excerpt<'a>, plan: &ProjectPlan) -> Vec<Bar<'a>> {
    let planned = plan.minutes.iter().zip(&plan.schedule.times).enumerate();
    let shown = planned.filter(|(node, _)| excerpt.nodes.contains(node));
    let mut bars: Vec<Bar<'a>> = shown
        .map(|(node, (minutes, times))| Bar {
            section: Section::of(excerpt, node),
            node,
            task: excerpt.task(node),
            times: *times,
            minutes: *minutes,
        })
        .collect();
    bars.sort_by_key(|bar| (bar.section, bar.times.earliest_start, bar.times.earliest_finish, bar.node));
    bars
}

/// A task without work of its own, as a parent, is a milestone; so is the time at which a task is due.
fn write_bar(text: &mut String, bar: &Bar<'_>, calendar: &WorkCalendar) -> std::fmt::Result {
    let Bar { section, node, task, times, minutes } = bar;
    let end = calendar.end(times.earliest_finish);
    let (mut tags, mut name) = (Vec::new(), label_of(*task));
    if *section == Section::CriticalPath {
        tags.push("crit");
    }
    if task.is_some_and(|task| matches!(task.status, TaskStatus::InProgress | TaskStatus::Review)) {
        tags.push("active");
    }
    let begin = match minutes {
        0 => {
            tags.push("milestone");
            end
        }
        _ => {
            name.push_str(&format!(", {}", work(*minutes)));
            calendar.start(times.earliest_start)
        }
    };
    if let Some(assignee) = task.and_then(|task| task.assignee_id) {
        let digits = assignee.simple().to_string();
        name.push_str(&format!(", @{}", digits.get(digits.len() - ASSIGNEE_DIGITS..).unwrap_or_default()));
    }
    let [begin, until] = [begin, end].map(|time| time.format(TIME_FORMAT));
    writeln!(text, "        {} :{}n{node}, {begin}, {until}", line_start(&name), tag_list(&tags))?;
    match task.and_then(|task| Some((task, task.due_date?))) {
        Some((task, due)) => write_due(text, *node, task, due.naive_utc(), end),
        None => Ok(()),
    }
}

/// The time at which a task is due, marked if the task cannot be finished by then.
fn write_due(
    text: &mut String,
    node: usize,
    task: &GraphTask,
    due: NaiveDateTime,
    end: NaiveDateTime,
) -> std::fmt::Result {
    let is_late = due < end;
    let (tags, mark) =
        if is_late { (&["crit", "milestone"][..], ", late") } else { (&["milestone"][..], "") };
    let name = format!("{} due{mark}", task.key());
    let due = due.format(TIME_FORMAT);
    writeln!(text, "        {} :{}d{node}, {due}, {due}", line_start(&name), tag_list(tags))
}

fn tag_list(tags: &[&str]) -> String {
    tags.iter().map(|tag| format!("{tag}, ")).collect()
}

fn line_start(name: &str) -> String {
    let quoted = mermaid(name);
    let lower = quoted.to_lowercase();
    match quoted.chars().next().filter(|_| KEYWORDS.iter().any(|word| lower.starts_with(word))) {
        Some(first) => {
            format!("#{};{}", u32::from(first), quoted.get(first.len_utf8()..).unwrap_or_default())
        }
        None => quoted,
    }
}

/// An amount of work in hours, or in minutes if it is less than one.
fn work(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

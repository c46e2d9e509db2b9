//! What follows from one proposal alone.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::id;
use super::input::Proposal;

/// Longest titles that the services take.
pub(super) const MAX_TITLE_CHARS: usize = 255;

pub(super) fn category(proposal: &Proposal) -> &str {
    proposal.category.as_deref().or(proposal.kind.as_deref()).unwrap_or("Other")
}

pub(super) fn task_id(number: u32) -> Uuid {
    id("task", &number.to_string())
}

pub(super) fn document_id(number: u32) -> Uuid {
    id("document", &number.to_string())
}

pub(super) fn title(proposal: &Proposal) -> String {
    format!("EIP-{}: {}", proposal.number, proposal.title).chars().take(MAX_TITLE_CHARS).collect()
}

pub(super) fn task_status(status: &str) -> &'static str {
    match status {
        "Draft" => "TASK_STATUS_IN_PROGRESS",
        "Review" | "Last Call" => "TASK_STATUS_REVIEW",
        "Final" | "Living" => "TASK_STATUS_DONE",
        "Stagnant" => "TASK_STATUS_BLOCKED",
        "Withdrawn" | "Moved" => "TASK_STATUS_CANCELLED",
        _ => "TASK_STATUS_PENDING",
    }
}

pub(super) fn document_status(status: &str) -> &'static str {
    match status {
        "Review" | "Last Call" => "DOCUMENT_STATUS_REVIEW",
        "Final" | "Living" => "DOCUMENT_STATUS_PUBLISHED",
        "Stagnant" | "Withdrawn" | "Moved" => "DOCUMENT_STATUS_ARCHIVED",
        _ => "DOCUMENT_STATUS_DRAFT",
    }
}

pub(super) fn metadata(proposal: &Proposal) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("eip".to_owned(), proposal.number.into());
    fields.insert("status".to_owned(), proposal.status.clone().into());
    let optional = [("type", &proposal.kind), ("discussions_to", &proposal.discussions_to)];
    for (name, value) in optional {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value.clone().into());
        }
    }
    fields
}

//! Conversions of time entries and reports from and to proto.

use chrono::{DateTime, Utc};
use prost_types::{Duration, Timestamp};
use proto::task::v1 as pb;
use shared::error::Result;
use shared::etag;
use shared::idempotency::RequestKey;
use shared::json::{to_duration, to_timestamp};
use shared::validation::{Mask, ProtoEnum, Violations};
use uuid::Uuid;

use super::report::ReportRow;
use super::{
    ENDS_TOO_EARLY, MAX_NOTE_CHARS, MAX_REPORT_ROWS, NewTimeEntry, ReportGroup, TimeEntry, TimeEntryChange,
    TimeEntryFilter,
};
use crate::lists::wire::ids;

/// The fields that an update mask may name.
const CHANGEABLE: &[&str] = &["started_at", "ended_at", "note"];

/// A validated request to create a time entry.
#[derive(Debug)]
pub(super) struct CreateTimeEntryInput {
    pub(super) key: Option<RequestKey>,
    pub(super) entry: NewTimeEntry,
}

impl CreateTimeEntryInput {
    pub(super) fn read(request: pb::CreateTimeEntryRequest, user_id: Uuid) -> Result<Self> {
        let mut outer = Violations::new();
        let key = RequestKey::of(&mut outer, &request.request_id, &request);
        let entry = outer.message("time_entry", request.time_entry);
        let mut v = Violations::within("time_entry.");
        let entry = NewTimeEntry {
            id: v.uuid_or_new("id", &entry.id),
            task_id: v.uuid("task_id", &entry.task_id),
            user_id,
            started_at: past(&mut v, "started_at", entry.started_at),
            ended_at: past(&mut v, "ended_at", entry.ended_at),
            note: note(&mut v, entry.note),
        };
        v.require(
            entry.ended_at.is_none() || entry.started_at.is_some(),
            "started_at",
            "must be given with ended_at",
        );
        check_span(&mut v, entry.started_at, entry.ended_at);
        outer.absorb(v);
        outer.finish()?;
        Ok(Self { key, entry })
    }
}

/// A validated update of a time entry.
#[derive(Debug)]
pub(super) struct UpdateTimeEntryInput {
    pub(super) id: Uuid,
    pub(super) etag: String,
    /// `None` if nothing changes.
    pub(super) change: Option<TimeEntryChange>,
}

impl TryFrom<pb::UpdateTimeEntryRequest> for UpdateTimeEntryInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::UpdateTimeEntryRequest) -> Result<Self> {
        let mut v = Violations::within("time_entry.");
        let entry = v.message("time_entry", request.time_entry);
        let id = v.resource_uuid("id", &entry.id);
        v.optional_uuid("task_id", &entry.task_id);
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let change = TimeEntryChange {
            started_at: mask.pick("started_at", entry.started_at, |value| v.past_time("started_at", value)),
            ended_at: mask.pick("ended_at", entry.ended_at, |value| past(&mut v, "ended_at", value)),
            note: mask.pick("note", entry.note, |value| note(&mut v, value)),
        };
        v.finish()?;
        Ok(Self { id, etag: entry.etag, change: mask.has_changes().then_some(change) })
    }
}

/// A time that is not in the future; missing is `None`.
pub(crate) fn past(v: &mut Violations, field: &str, value: Option<Timestamp>) -> Option<DateTime<Utc>> {
    let time = v.optional_time(field, value);
    v.require(time.is_none_or(|time| time <= Utc::now()), field, "must not be in the future");
    time
}

pub(crate) fn note(v: &mut Violations, value: Option<String>) -> Option<String> {
    v.optional_text("note", value, MAX_NOTE_CHARS)
}

pub(crate) fn check_span(v: &mut Violations, start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) {
    let is_span = start.zip(end).is_none_or(|(start, end)| start < end);
    v.require(is_span, "ended_at", ENDS_TOO_EARLY);
}

#[derive(Debug)]
pub(super) struct ListTimeEntriesInput {
    pub(super) filter: TimeEntryFilter,
    pub(super) running: bool,
    pub(super) page_size: i32,
    pub(super) page_token: String,
}

impl TryFrom<pb::ListTimeEntriesRequest> for ListTimeEntriesInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::ListTimeEntriesRequest) -> Result<Self> {
        let pb::ListTimeEntriesRequest { filter: given, running, page_size, page_token } = request;
        let mut v = Violations::new();
        let filter = filter(&mut v, given.unwrap_or_default());
        v.require(page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { filter, running, page_size, page_token })
    }
}

#[derive(Debug)]
pub(super) struct GetTimeReportInput {
    pub(super) filter: TimeEntryFilter,
    pub(super) groups: Vec<ReportGroup>,
}

impl TryFrom<pb::GetTimeReportRequest> for GetTimeReportInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::GetTimeReportRequest) -> Result<Self> {
        let mut v = Violations::new();
        let filter = filter(&mut v, request.filter.unwrap_or_default());
        let groups: Vec<ReportGroup> = v.enums("groups", &request.groups);
        let is_each_once = request
            .groups
            .iter()
            .enumerate()
            .all(|(i, one)| !request.groups.iter().take(i).any(|other| other == one));
        v.require(is_each_once, "groups", "must have each group once");
        v.finish()?;
        Ok(Self { filter, groups })
    }
}

fn filter(outer: &mut Violations, filter: pb::TimeEntryFilter) -> TimeEntryFilter {
    let mut v = Violations::within("filter.");
    let read = TimeEntryFilter {
        project_ids: ids(&mut v, "project_ids", &filter.project_ids),
        task_ids: ids(&mut v, "task_ids", &filter.task_ids),
        user_ids: ids(&mut v, "user_ids", &filter.user_ids),
        worked_at: v.time_range("worked_at", filter.worked_at),
    };
    outer.absorb(v);
    read
}

impl ProtoEnum for ReportGroup {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        Some(Some(match pb::TimeReportGroup::try_from(value).ok()? {
            pb::TimeReportGroup::Unspecified => return Some(None),
            pb::TimeReportGroup::Project => Self::Project,
            pb::TimeReportGroup::User => Self::User,
            pb::TimeReportGroup::Task => Self::Task,
        }))
    }
}

impl From<TimeEntry> for pb::TimeEntry {
    fn from(entry: TimeEntry) -> Self {
        let length = |end: DateTime<Utc>| {
            let length = end - entry.started_at;
            Duration { seconds: length.num_seconds(), nanos: length.subsec_nanos() }
        };
        Self {
            id: entry.id.to_string(),
            task_id: entry.task_id.to_string(),
            project_id: entry.project_id.to_string(),
            user_id: entry.user_id.to_string(),
            started_at: Some(to_timestamp(entry.started_at)),
            ended_at: entry.ended_at.map(to_timestamp),
            note: entry.note,
            duration: entry.ended_at.map(length),
            created_at: Some(to_timestamp(entry.created_at)),
            updated_at: Some(to_timestamp(entry.updated_at)),
            etag: etag::of(entry.version),
        }
    }
}

/// Without groups, only the totals.
pub(super) fn report(mut rows: Vec<ReportRow>, groups: &[ReportGroup]) -> pb::TimeReport {
    let totals = rows.first().map(|row| (row.total_seconds, row.total_entries)).unwrap_or_default();
    if groups.is_empty() {
        rows.clear();
    }
    let truncated = rows.len() > MAX_REPORT_ROWS;
    rows.truncate(MAX_REPORT_ROWS);
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let row = |row: ReportRow| pb::TimeReportRow {
        project_id: id(row.project_id),
        user_id: id(row.user_id),
        task_id: id(row.task_id),
        duration: Some(to_duration(row.seconds)),
        count: row.entries,
    };
    pb::TimeReport {
        total_duration: Some(to_duration(totals.0)),
        total_count: totals.1,
        rows: rows.into_iter().map(row).collect(),
        truncated,
    }
}

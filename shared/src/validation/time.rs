//! Times, durations and ranges of them.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};
use prost_types::{Duration, Timestamp};

use super::Violations;
use crate::json::MAX_DURATION_SECONDS;
use proto::common as pb;

/// A range of time that is open where an end is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub struct TimeRange {
    /// From this time on.
    pub start: Option<DateTime<Utc>>,
    /// Before this time.
    pub end: Option<DateTime<Utc>>,
}

/// A range of durations that is open where an end is missing; both ends belong to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DurationRange {
    /// This long or longer.
    pub min: Option<TimeDelta>,
    /// This long or shorter.
    pub max: Option<TimeDelta>,
}

impl Violations {
    /// A time between the years 1 and 9999 (google.protobuf.Timestamp), cut to the microseconds that PostgreSQL stores:
    /// rounded, the last of year 9999 would become one that no message can hold. Missing is `None`.
    pub fn optional_time(&mut self, field: &str, value: Option<Timestamp>) -> Option<DateTime<Utc>> {
        const FIRST: i64 = -62_135_596_800;
        const LAST: i64 = 253_402_300_799;
        let value = value?;
        let time = u32::try_from(value.nanos)
            .ok()
            .filter(|nanos| *nanos < 1_000_000_000 && (FIRST..=LAST).contains(&value.seconds))
            .and_then(|nanos| DateTime::from_timestamp(value.seconds, nanos - nanos % 1_000));
        if time.is_none() {
            self.add(field, "must be a time between the years 1 and 9999");
        }
        time
    }

    /// A required time that is not in the future.
    pub fn past_time(&mut self, field: &str, value: Option<Timestamp>) -> DateTime<Utc> {
        self.require(value.is_some(), field, "must be given");
        let time = self.optional_time(field, value).unwrap_or_default();
        self.require(time <= Utc::now(), field, "must not be in the future");
        time
    }

    /// A range of time that is not empty; missing is the range that is open at both ends.
    pub fn time_range(&mut self, field: &str, value: Option<pb::TimeRange>) -> TimeRange {
        let Some(pb::TimeRange { start_time, end_time }) = value else { return TimeRange::default() };
        let has_end = start_time.is_some() || end_time.is_some();
        self.require(has_end, field, "must have start_time or end_time");
        let start = self.optional_time(&format!("{field}.start_time"), start_time);
        let end_field = format!("{field}.end_time");
        let end = self.optional_time(&end_field, end_time);
        if let (Some(start), Some(end)) = (start, end) {
            self.require(start < end, &end_field, "must be later than start_time");
        }
        TimeRange { start, end }
    }

    /// A duration within bounds; missing is `None`.
    pub fn optional_duration(
        &mut self,
        field: &str,
        value: Option<Duration>,
        bounds: RangeInclusive<TimeDelta>,
    ) -> Option<TimeDelta> {
        let duration = self.any_duration(field, value)?;
        if !bounds.contains(&duration) {
            let (min, max) = (bounds.start().num_seconds(), bounds.end().num_seconds());
            self.add(field, format!("must be {min} to {max} seconds"));
        }
        Some(duration)
    }

    /// A range of durations; missing is the range that is open at both ends.
    pub fn duration_range(&mut self, field: &str, value: Option<pb::DurationRange>) -> DurationRange {
        let Some(pb::DurationRange { min_duration, max_duration }) = value else {
            return DurationRange::default();
        };
        let has_end = min_duration.is_some() || max_duration.is_some();
        self.require(has_end, field, "must have min_duration or max_duration");
        let min = self.any_duration(&format!("{field}.min_duration"), min_duration);
        let max_field = format!("{field}.max_duration");
        let max = self.any_duration(&max_field, max_duration);
        if let (Some(min), Some(max)) = (min, max) {
            self.require(min <= max, &max_field, "must not be shorter than min_duration");
        }
        DurationRange { min, max }
    }

    /// A well-formed duration (google.protobuf.Duration), of either sign.
    fn any_duration(&mut self, field: &str, value: Option<Duration>) -> Option<TimeDelta> {
        let Duration { seconds, nanos } = value?;
        let has_one_sign = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0);
        let is_well_formed = has_one_sign
            && seconds.unsigned_abs() <= MAX_DURATION_SECONDS.unsigned_abs()
            && nanos.unsigned_abs() < 1_000_000_000;
        self.require(is_well_formed, field, "must be a duration of at most 315,576,000,000 seconds");
        is_well_formed.then(|| TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(nanos.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn violations(v: Violations) -> Vec<String> {
        let Err(Error::Invalid(found)) = v.finish() else { return Vec::new() };
        found.into_iter().map(|violation| violation.field).collect()
    }

    fn seconds(seconds: i64) -> Option<Duration> {
        Some(Duration { seconds, nanos: 0 })
    }

    #[test]
    fn a_range_of_time_has_an_end_and_is_not_empty() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let read = |start_time, end_time| {
            let mut v = Violations::within("filter.");
            let range = v.time_range("due_at", Some(pb::TimeRange { start_time, end_time }));
            (range.start.is_some(), range.end.is_some(), violations(v))
        };
        assert_eq!(read(at(1), None), (true, false, vec![]));
        assert_eq!(read(at(1), at(2)), (true, true, vec![]));
        assert_eq!(read(None, None).2, ["filter.due_at"]);
        for end in [1, 0] {
            assert_eq!(read(at(1), at(end)).2, ["filter.due_at.end_time"]);
        }
        assert_eq!(read(at(i64::MAX), None).2, ["filter.due_at.start_time"]);
    }

    #[test]
    fn times_are_cut_to_microseconds_and_stay_in_their_year() {
        let read = |seconds, nanos| {
            let mut v = Violations::new();
            (v.optional_time("due_at", Some(Timestamp { seconds, nanos })), violations(v).len())
        };
        let last = DateTime::parse_from_rfc3339("9999-12-31T23:59:59.999999Z").unwrap();
        assert_eq!(read(253_402_300_799, 999_999_900), (Some(last.into()), 0));
        assert_eq!(read(253_402_300_799, 999_999_999), (Some(last.into()), 0));
        assert_eq!(read(253_402_300_800, 0), (None, 1));
    }

    #[test]
    fn a_range_of_durations_has_an_end_and_is_in_order() {
        let read = |min_duration, max_duration| {
            let mut v = Violations::within("filter.");
            v.duration_range("cost", Some(pb::DurationRange { min_duration, max_duration }));
            violations(v)
        };
        assert_eq!(read(seconds(60), seconds(60)), [""; 0]);
        assert_eq!(read(None, None), ["filter.cost"]);
        assert_eq!(read(seconds(60), seconds(59)), ["filter.cost.max_duration"]);
    }

    #[test]
    fn durations_outside_of_their_bounds_are_violations() {
        let read = |value| {
            let mut v = Violations::new();
            let bounds = TimeDelta::minutes(1)..=TimeDelta::hours(1);
            let read = v.optional_duration("lifetime", value, bounds);
            (read, violations(v).len())
        };
        assert_eq!(read(None), (None, 0));
        assert_eq!(read(seconds(60)), (Some(TimeDelta::minutes(1)), 0));
        assert_eq!(read(seconds(3_600)), (Some(TimeDelta::hours(1)), 0));
        for bad in [seconds(59), Some(Duration { seconds: 3_600, nanos: 1 }), seconds(-60)] {
            assert_eq!(read(bad).1, 1, "{bad:?}");
        }
        for malformed in [seconds(i64::MAX), Some(Duration { seconds: 60, nanos: -1 })] {
            assert_eq!(read(malformed), (None, 1), "{malformed:?}");
        }
    }
}

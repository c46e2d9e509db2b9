//! When work happens: eight hours a day, Monday to Friday, from 9:00 to 17:00 UTC.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

/// The length of a working day.
const DAY_MINUTES: u64 = 8 * 60;
const DAY_START_HOUR: u32 = 9;
const DAYS_PER_WEEK: u64 = 5;
/// A plan may be longer than there are years with four digits.
const LAST_YEAR: i32 = 9999;

/// Converts between minutes of work since the start of a plan and times.
#[derive(Clone, Debug)]
pub(super) struct WorkCalendar {
    /// The Monday of the week in which the work starts.
    monday: NaiveDate,
    /// Working minutes from that Monday to the start.
    offset: u64,
}

impl WorkCalendar {
    /// The work starts at this time, or with the next working day.
    pub(super) fn starting_at(start: DateTime<Utc>) -> Self {
        let weekday = u64::from(start.weekday().num_days_from_monday());
        let monday = start.date_naive().checked_sub_days(Days::new(weekday)).unwrap_or(NaiveDate::MIN);
        let minute_of_day = u64::from(start.hour() * 60 + start.minute());
        let worked = minute_of_day.saturating_sub(u64::from(DAY_START_HOUR) * 60).min(DAY_MINUTES);
        Self { monday, offset: (weekday * DAY_MINUTES + worked).min(DAYS_PER_WEEK * DAY_MINUTES) }
    }

    /// The work that fits between the start and a later time; none before the start.
    pub(super) fn minutes_until(&self, time: DateTime<Utc>) -> u64 {
        let other = Self::starting_at(time);
        let weeks = other.monday.signed_duration_since(self.monday).num_weeks();
        let week_minutes =
            weeks.saturating_mul(i64::try_from(DAYS_PER_WEEK * DAY_MINUTES).unwrap_or_default());
        let [from, to] = [self.offset, other.offset].map(|offset| i64::try_from(offset).unwrap_or_default());
        u64::try_from(week_minutes.saturating_add(to - from)).unwrap_or_default()
    }

    /// When work starts that has this much work before it: the morning of a day, not the evening before.
    pub(super) fn start(&self, minutes: u64) -> NaiveDateTime {
        let total = self.offset.saturating_add(minutes);
        self.at(total / DAY_MINUTES, total % DAY_MINUTES)
    }

    /// When work ends: the evening of a day, not the morning after.
    pub(super) fn end(&self, minutes: u64) -> NaiveDateTime {
        if minutes == 0 {
            return self.start(0);
        }
        let before = self.offset.saturating_add(minutes - 1);
        self.at(before / DAY_MINUTES, before % DAY_MINUTES + 1)
    }

    fn at(&self, working_day: u64, minute: u64) -> NaiveDateTime {
        let days = working_day / DAYS_PER_WEEK * 7 + working_day % DAYS_PER_WEEK;
        let last = NaiveDate::from_ymd_opt(LAST_YEAR, 12, 31).unwrap_or(NaiveDate::MAX);
        let day = self.monday.checked_add_days(Days::new(days)).map_or(last, |day| day.min(last));
        let morning = NaiveTime::from_hms_opt(DAY_START_HOUR, 0, 0).unwrap_or_default();
        day.and_time(morning) + TimeDelta::minutes(i64::try_from(minute).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the first ten hours of work start and end.
    fn ten_hours_from(start: &str) -> [String; 2] {
        let calendar = WorkCalendar::starting_at(start.parse().unwrap());
        [calendar.start(0), calendar.end(600)].map(|time| time.format("%a %d %H:%M").to_string())
    }

    #[test]
    fn work_happens_in_working_hours() {
        assert_eq!(ten_hours_from("2026-11-30T09:00:00Z"), ["Mon 30 09:00", "Tue 01 11:00"]);
        assert_eq!(ten_hours_from("2026-11-30T03:00:00Z"), ["Mon 30 09:00", "Tue 01 11:00"]);
        assert_eq!(ten_hours_from("2026-12-01T16:59:59Z"), ["Tue 01 16:59", "Thu 03 10:59"]);
        assert_eq!(ten_hours_from("2026-12-01T22:00:00Z"), ["Wed 02 09:00", "Thu 03 11:00"]);
        assert_eq!(ten_hours_from("2026-12-04T17:00:00Z"), ["Mon 07 09:00", "Tue 08 11:00"]);
        assert_eq!(ten_hours_from("2026-12-05T12:00:00Z"), ["Mon 07 09:00", "Tue 08 11:00"]);
        assert_eq!(ten_hours_from("2026-12-06T12:00:00Z"), ["Mon 07 09:00", "Tue 08 11:00"]);
    }

    #[test]
    fn a_day_of_work_ends_in_the_evening_and_the_next_starts_in_the_morning() {
        let calendar = WorkCalendar::starting_at("2026-12-04T09:00:00Z".parse().unwrap());
        let shown = |time: NaiveDateTime| time.format("%a %H:%M").to_string();
        assert_eq!(
            (shown(calendar.end(480)), shown(calendar.start(480))),
            ("Fri 17:00".into(), "Mon 09:00".into())
        );
        assert_eq!(
            (shown(calendar.end(0)), shown(calendar.start(0))),
            ("Fri 09:00".into(), "Fri 09:00".into())
        );
    }

    #[test]
    fn work_until_a_time_counts_working_hours() {
        let calendar = WorkCalendar::starting_at("2026-12-04T16:00:00Z".parse().unwrap());
        let until = |time: &str| calendar.minutes_until(time.parse().unwrap());
        assert_eq!(until("2026-12-04T17:30:00Z"), 60);
        assert_eq!(until("2026-12-06T12:00:00Z"), 60);
        assert_eq!(until("2026-12-07T09:30:00Z"), 90);
        assert_eq!(until("2026-12-14T09:00:00Z"), 60 + 5 * 480);
        assert_eq!(until("2026-12-04T15:00:00Z"), 0);
        assert_eq!(until("2020-01-01T00:00:00Z"), 0);
        assert_eq!(calendar.start(until("2026-12-07T09:30:00Z")).to_string(), "2026-12-07 09:30:00");
    }

    #[test]
    fn times_stay_within_years_of_four_digits() {
        for start in ["0001-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            let calendar = WorkCalendar::starting_at(start.parse().unwrap());
            assert_eq!(calendar.end(u64::MAX).to_string().get(..10), Some("9999-12-31"), "{start}");
        }
    }
}

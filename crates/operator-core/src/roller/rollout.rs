//! When nodes may be restarted.

use serde::{Deserialize, Serialize};

use crate::model::Fingerprint;

/// When nodes may be restarted. What needs no restart is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rollout {
    /// As soon as it is safe.
    #[default]
    Auto,
    /// While one of these is open. A node that is down anyway is replaced outside of them too.
    Window(Vec<Window>),
    /// Once the plan was approved: this is the [`Plan::fingerprint`](super::Plan) that somebody wrote down.
    Manual {
        /// What was approved.
        approved: Option<Fingerprint>,
    },
}

/// A time of the week, in UTC. It may reach over midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days it opens on; none means every day.
    pub days: Vec<Weekday>,
    /// The minute of the day it opens at, 0 to 1439.
    pub from_minute: u32,
    /// How long it stays open.
    pub length_minutes: u32,
}

/// A day of the week.
#[expect(missing_docs, reason = "they speak for themselves")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

const MINUTE_MS: u64 = 60_000;
const DAY_MINUTES: u64 = 24 * 60;
const WEEK_MINUTES: u64 = 7 * DAY_MINUTES;
/// 1 January 1970 was a Thursday, three days after Monday.
const EPOCH_MINUTE_OF_WEEK: u64 = 3 * DAY_MINUTES;

impl Window {
    /// It is open at this time, in milliseconds since 1970.
    pub fn is_open(&self, unix_ms: u64) -> bool {
        let minute = (unix_ms / MINUTE_MS + EPOCH_MINUTE_OF_WEEK) % WEEK_MINUTES;
        (0..7).filter(|day| self.opens_on(*day)).any(|day| {
            let from = day * DAY_MINUTES + u64::from(self.from_minute);
            let since = (minute + WEEK_MINUTES - from % WEEK_MINUTES) % WEEK_MINUTES;
            since < u64::from(self.length_minutes)
        })
    }

    fn opens_on(&self, day: u64) -> bool {
        self.days.is_empty() || self.days.iter().any(|known| *known as u64 == day)
    }
}

impl Rollout {
    pub(super) fn is_open(&self, spec: &Fingerprint, node_is_down: bool, now_ms: u64) -> bool {
        match self {
            Self::Auto => true,
            Self::Window(windows) => node_is_down || windows.iter().any(|w| w.is_open(now_ms)),
            Self::Manual { approved } => approved.as_ref() == Some(spec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wednesday, 25 November 2026, 00:00 UTC.
    const WEDNESDAY_MS: u64 = 1_795_564_800_000;
    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn window_opens_on_its_days_and_reaches_over_midnight() {
        let tuesday_night =
            Window { days: vec![Weekday::Tuesday], from_minute: 23 * 60, length_minutes: 120 };
        assert!(tuesday_night.is_open(WEDNESDAY_MS - HOUR_MS));
        assert!(tuesday_night.is_open(WEDNESDAY_MS + HOUR_MS - 1));
        assert!(!tuesday_night.is_open(WEDNESDAY_MS + HOUR_MS));
        assert!(!tuesday_night.is_open(WEDNESDAY_MS + 23 * HOUR_MS));
    }

    #[test]
    fn sunday_night_reaches_into_monday() {
        let sunday = Window { days: vec![Weekday::Sunday], from_minute: 1439, length_minutes: 2 };
        let monday_ms = WEDNESDAY_MS + 5 * 24 * HOUR_MS;
        assert!(sunday.is_open(monday_ms));
        assert!(!sunday.is_open(monday_ms + MINUTE_MS));
    }

    #[test]
    fn every_day_without_days() {
        let nightly = Window { days: Vec::new(), from_minute: 0, length_minutes: 1 };
        assert!((0..7).all(|day| nightly.is_open(WEDNESDAY_MS + day * 24 * HOUR_MS)));
    }
}

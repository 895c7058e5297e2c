//! Seconds since 1970, and what certificates make of them.

/// A day, in seconds.
pub(super) const DAY_S: u64 = 24 * 60 * 60;

/// How far back a certificate begins: for nodes and clients whose clock is behind the operator's.
pub(super) const BACKDATE_S: u64 = 5 * 60;

/// 9999-12-31T23:59:59Z, the last moment that RFC 5280 section 4.1.2.5 has a form for.
const LAST_S: u64 = 253_402_300_799;

/// Of the type that rcgen takes; later than `LAST_S` is `LAST_S`.
macro_rules! moment {
    ($at_s:expr) => {
        rcgen::date_time_ymd(1970, 1, 1) + $crate::ca::time::since_1970($at_s)
    };
}
pub(super) use moment;

pub(super) fn since_1970(at_s: u64) -> std::time::Duration {
    std::time::Duration::from_secs(at_s.min(LAST_S))
}

/// `2026-11-25`, in UTC.
pub fn date(at_s: u64) -> String {
    let at = moment!(at_s);
    format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
}

/// `3 d`, `5 h`, `20 s`: the largest unit that gives a whole number.
pub(super) fn span(length_s: u64) -> String {
    match length_s {
        s if s >= DAY_S && s % DAY_S == 0 => format!("{} d", s / DAY_S),
        s if s >= 3600 && s % 3600 == 0 => format!("{} h", s / 3600),
        s if s >= 60 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_spans_are_readable_and_have_an_end() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(1_709_210_096), "2024-02-29");
        assert_eq!(date(u64::MAX), "9999-12-31");
        assert_eq!([span(3 * DAY_S), span(7200), span(90)], ["3 d", "2 h", "90 s"]);
    }
}

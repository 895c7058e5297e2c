//! What to do about a lease, and for how long one leads: pure.

/// How long things last, in milliseconds of the local clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A write of another's that stays the last one for so long has no leader behind it any more.
    pub duration_ms: u64,
    /// A leader that has not renewed for so long leads no more. Less than the duration, by more than clocks differ in speed.
    pub deadline_ms: u64,
    /// Between two renewals.
    pub renew_ms: u64,
    /// Between two looks of a contender.
    pub look_ms: u64,
}

impl Default for Timing {
    /// client-go's numbers; a contender looks twice as often, because a look is one small read.
    fn default() -> Self {
        Self { duration_ms: 15_000, deadline_ms: 10_000, renew_ms: 2_000, look_ms: 1_000 }
    }
}

/// A duration that somebody stored is believed up to here (5 minutes), or a slip of the hand would keep everybody out for ever.
const DURATION_MS_MAX: u64 = 300_000;

/// The lease as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Who has it; empty once it was released.
    pub holder: String,
    /// How long its holder's write counts, in milliseconds.
    pub duration_ms: u64,
    /// Another one after every write: the resource version.
    pub version: String,
}

/// A record, and since when it was seen unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sighting {
    record: Record,
    since_ms: u64,
}

/// What to do about the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Write one's own name: nobody has it, or who had it is gone.
    Acquire,
    /// Write it again: it is one's own.
    Renew,
    /// Leave it: another one has it.
    Yield,
}

/// What `me` does about a lease whose last write was first seen `seen_ms` ago; there is none without a record.
pub fn evaluate(record: Option<&Record>, me: &str, seen_ms: u64, timing: &Timing) -> Verdict {
    match record {
        None => Verdict::Acquire,
        Some(record) if record.holder.is_empty() => Verdict::Acquire,
        Some(record) if record.holder == me => Verdict::Renew,
        Some(record) => {
            let theirs_ms = record.duration_ms.min(DURATION_MS_MAX);
            if seen_ms >= theirs_ms.max(timing.duration_ms) {
                Verdict::Acquire
            } else {
                Verdict::Yield
            }
        }
    }
}

/// One process that would lead, or does.
#[derive(Debug)]
pub struct Candidate {
    me: String,
    timing: Timing,
    seen: Option<Sighting>,
    leads_until_ms: Option<u64>,
}

impl Candidate {
    /// A contender; `me` is no other process's name.
    pub fn new(me: String, timing: Timing) -> Self {
        Self { me, timing, seen: None, leads_until_ms: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.me
    }

    /// How long things last for it.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Takes what was read from the API server, and says what to do about it.
    pub fn handle_record(&mut self, record: Option<Record>, now_ms: u64) -> Verdict {
        let same = self.seen.as_ref().map(|seen| &seen.record) == record.as_ref();
        if !same {
            self.seen = record.map(|record| Sighting { record, since_ms: now_ms });
        }
        let seen_ms = self.seen.as_ref().map_or(0, |seen| now_ms.saturating_sub(seen.since_ms));
        let record = self.seen.as_ref().map(|seen| &seen.record);
        let verdict = evaluate(record, &self.me, seen_ms, &self.timing);
        if verdict == Verdict::Yield {
            self.leads_until_ms = None;
        }
        verdict
    }

    /// The API server took one's name; the request was sent at `sent_ms`. What is not known to have been taken must not be told here.
    pub fn handle_written(&mut self, sent_ms: u64) {
        self.leads_until_ms = Some(sent_ms + self.timing.deadline_ms);
    }

    /// The API server gave it back.
    pub fn handle_released(&mut self) {
        self.leads_until_ms = None;
    }

    /// Until when it leads if nothing else happens, or none.
    pub fn leads_until_ms(&self) -> Option<u64> {
        self.leads_until_ms
    }

    /// Whether it leads now.
    pub fn leads(&self, now_ms: u64) -> bool {
        self.leads_until_ms.is_some_and(|until| now_ms < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: &str, version: &str) -> Record {
        Record { holder: holder.into(), duration_ms: 15_000, version: version.into() }
    }

    #[test]
    fn lease_that_nobody_has_is_taken() {
        let mut me = Candidate::new("a".into(), Timing::default());
        assert_eq!(me.handle_record(None, 0), Verdict::Acquire);
        assert_eq!(me.handle_record(Some(record("", "1")), 0), Verdict::Acquire);
        assert!(!me.leads(0), "wanting is not leading");
    }

    #[test]
    fn lease_of_another_is_left_while_it_moves() {
        let mut me = Candidate::new("a".into(), Timing::default());
        for now in 0..100 {
            let verdict = me.handle_record(Some(record("b", &now.to_string())), now * 14_999);
            assert_eq!(verdict, Verdict::Yield);
        }
    }

    #[test]
    fn lease_of_another_that_stands_still_is_taken_after_its_duration() {
        let mut me = Candidate::new("a".into(), Timing::default());
        assert_eq!(me.handle_record(Some(record("b", "1")), 1_000), Verdict::Yield);
        assert_eq!(me.handle_record(Some(record("b", "1")), 15_999), Verdict::Yield);
        assert_eq!(me.handle_record(Some(record("b", "1")), 16_000), Verdict::Acquire);
    }

    #[test]
    fn longer_duration_of_another_is_respected_and_a_senseless_one_is_not() {
        let mut me = Candidate::new("a".into(), Timing::default());
        let long = |duration_ms| Some(Record { duration_ms, ..record("b", "1") });
        me.handle_record(long(60_000), 0);
        assert_eq!(me.handle_record(long(60_000), 59_999), Verdict::Yield);
        assert_eq!(me.handle_record(long(60_000), 60_000), Verdict::Acquire);
        me.handle_record(long(u64::MAX), 0);
        assert_eq!(me.handle_record(long(u64::MAX), 300_000), Verdict::Acquire);
    }

    #[test]
    fn leader_leads_for_the_deadline_counted_from_before_it_wrote() {
        let mut me = Candidate::new("a".into(), Timing::default());
        me.handle_written(5_000);
        assert!(me.leads(14_999) && !me.leads(15_000));
        assert_eq!(me.handle_record(Some(record("a", "2")), 16_000), Verdict::Renew);
        assert!(!me.leads(16_000), "a name in the lease is no renewal");
    }

    #[test]
    fn leader_that_reads_another_name_leads_no_more() {
        let mut me = Candidate::new("a".into(), Timing::default());
        me.handle_written(0);
        me.handle_record(Some(record("b", "3")), 1_000);
        assert!(!me.leads(1_000));
    }
}

//! What a load tells.

use std::collections::BTreeMap;
use std::fmt;

use crate::end::{End, Outcome};

/// What happened in a stretch of time.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// How long it was.
    pub length_ms: u64,
    /// Records acknowledged in it.
    pub acknowledged: u64,
    /// Records that readers saw in it.
    pub consumed: u64,
    /// Produce requests that had to be sent again.
    pub retries: u64,
    /// The longest time that one partition had no acknowledgement.
    pub produce_stop_ms: u64,
    /// The longest time that one partition's reader saw nothing.
    pub consume_stop_ms: u64,
}

/// The cluster by its metadata.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// Brokers that are there (not fenced), and where they say they are.
    pub brokers: BTreeMap<i32, String>,
    /// The leader of each partition of the load's topic.
    pub leaders: Vec<i32>,
    /// Partitions of any topic with a replica that is not in sync.
    pub under: Vec<String>,
    /// Why nothing could be learned.
    pub error: Option<String>,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&i32> = self.brokers.keys().collect();
        write!(f, "brokers {ids:?}, not in sync: {:?}", self.under)?;
        self.error.iter().try_for_each(|error| write!(f, ", {error}"))
    }
}

/// What a load comes to when everything has been read back.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// Records acknowledged.
    pub acknowledged: u64,
    /// Records found.
    pub stored: u64,
    /// Acknowledged and not there.
    pub lost: u64,
    /// There more than once.
    pub twice: u64,
    /// After one with a larger number.
    pub out_of_order: u64,
    /// Not at the offset that was acknowledged.
    pub moved: u64,
    /// A reader was given something else at an offset than lies there, or never got what lies there.
    pub misread: u64,
    /// Words of brokers that mean that acknowledged records are gone.
    pub contradictions: Vec<String>,
    /// The longest time that one partition had no acknowledgement.
    pub produce_stop_ms: u64,
    /// The longest time that one partition's reader saw nothing.
    pub consume_stop_ms: u64,
}

impl Verdict {
    /// That everything acknowledged is there once, in order, and was read as it is.
    ///
    /// # Errors
    /// When it is not.
    pub fn nothing_lost(&self) -> Outcome {
        let bad = self.lost + self.twice + self.out_of_order + self.moved + self.misread;
        let good = bad == 0 && self.contradictions.is_empty() && self.acknowledged > 0;
        End::unless(good, || format!("the load's verdict: {self:?}"))
    }
}

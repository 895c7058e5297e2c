//! When requests are due, what became of them, and how that is shown.

use anstream::println;
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;

use super::Load;

/// Latencies are kept in microseconds up to this; anything slower counts as this slow.
const LATENCY_US_MAX: u64 = 120_000_000; // two minutes: beyond every time limit of the clients

/// When the messages of one client are due.
#[derive(Debug)]
pub struct Pacer {
    start: Instant,
    end: Instant,
    /// Nanoseconds between two; `None` for as fast as possible.
    gap_ns: Option<u64>,
    taken: u64,
}

impl Pacer {
    /// `each` messages go out together, whenever they are due.
    pub fn new(load: &Load, start: Instant, each: u64) -> Self {
        let gap_ns =
            (load.rate > 0).then(|| 1_000_000_000 * each * u64::from(load.clients) / load.rate);
        Self { start, end: start + Duration::from_secs(load.seconds), gap_ns, taken: 0 }
    }

    /// The time at which the next is due; `None` after the end.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due = match self.gap_ns {
            Some(gap_ns) => self.start + Duration::from_nanos(gap_ns * self.taken),
            None => now,
        };
        (due < self.end).then_some(due)
    }

    /// It was sent.
    pub fn take(&mut self) {
        self.taken += 1;
    }
}

/// What came of a load.
#[derive(Debug)]
pub struct Tally {
    latency_us: Histogram<u64>,
    pub messages: u64,
    pub bytes: u64,
    pub failed: u64,
    failure: Option<String>,
}

impl Default for Tally {
    fn default() -> Self {
        let latency_us =
            Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("bounds that can be");
        Self { latency_us, messages: 0, bytes: 0, failed: 0, failure: None }
    }
}

impl Tally {
    /// Counts `messages` that were due together and done now.
    pub fn done(&mut self, messages: u64, bytes: u64, due: Instant, now: Instant) {
        let us = u64::try_from((now - due).as_micros()).unwrap_or(LATENCY_US_MAX);
        self.latency_us.saturating_record_n(us.clamp(1, LATENCY_US_MAX), messages);
        self.messages += messages;
        self.bytes += bytes;
    }

    /// Counts messages without a latency of their own.
    pub fn count(&mut self, messages: u64, bytes: u64) {
        self.messages += messages;
        self.bytes += bytes;
    }

    /// Counts failures; the first is told.
    pub fn fail(&mut self, messages: u64, why: &impl ToString) {
        self.failed += messages;
        self.failure.get_or_insert_with(|| why.to_string());
    }

    /// Puts another client's into this.
    pub fn add(&mut self, other: &Self) {
        self.latency_us.add(&other.latency_us).expect("the same bounds");
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.failed += other.failed;
        if self.failure.is_none() {
            self.failure.clone_from(&other.failure);
        }
    }

    /// Prints it; an error when nothing but failures came of it.
    pub fn report(
        &self,
        what: &str,
        unit: &str,
        elapsed: Duration,
        as_json: bool,
    ) -> Result<(), String> {
        let seconds = elapsed.as_secs_f64();
        let rate = self.messages as f64 / seconds;
        let mb = self.bytes as f64 / 1e6 / seconds;
        let ms = |quantile| self.latency_us.value_at_quantile(quantile) as f64 / 1e3;
        let timed = !self.latency_us.is_empty();
        if as_json {
            let latency = timed.then(|| {
                json!({ "p50": ms(0.5), "p90": ms(0.9), "p99": ms(0.99), "p999": ms(0.999),
                        "max": self.latency_us.max() as f64 / 1e3 })
            });
            let object = json!({ "what": what, "seconds": seconds, unit: self.messages,
                "failed": self.failed, "per_second": rate, "megabytes_per_second": mb,
                "latency_ms": latency });
            println!("{object}");
        } else {
            println!("{what}: {} {unit} in {seconds:.2} s", self.messages);
            println!("  {rate:.0} {unit}/s   {mb:.1} MB/s   {} failed", self.failed);
            if timed {
                let max = self.latency_us.max() as f64 / 1e3;
                println!(
                    "  latency ms   p50 {:.2}   p90 {:.2}   p99 {:.2}   p99.9 {:.2}   max {max:.2}",
                    ms(0.5),
                    ms(0.9),
                    ms(0.99),
                    ms(0.999)
                );
            }
        }
        match &self.failure {
            Some(why) if self.messages == 0 => Err(format!("every message failed: {why}")),
            Some(why) => {
                eprintln!("first failure: {why}");
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A bar that fills with time; hidden when standard error is no terminal.
pub fn progress(load: &Load) -> tokio::task::JoinHandle<()> {
    let bar = ProgressBar::new(load.seconds * 10);
    let style =
        ProgressStyle::with_template("{bar:40} {elapsed_precise}").expect("a good template");
    bar.set_style(style);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while bar.position() < bar.length().unwrap_or_default() {
            tick.tick().await;
            bar.inc(1);
        }
        bar.finish_and_clear();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rate: u64) -> Load {
        Load { clients: 2, rate, size: 1, seconds: 1, json: false }
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_due_at_the_rate_whatever_the_server_does() {
        let start = Instant::now();
        let mut pacer = Pacer::new(&load(1000), start, 1);
        let mut due = Vec::new();
        while let Some(at) = pacer.due(start + Duration::from_secs(9)) {
            due.push((at - start).as_millis());
            pacer.take();
        }
        assert_eq!((due.len(), due[1], due[499]), (500, 2, 998));
    }

    #[tokio::test(start_paused = true)]
    async fn latency_counts_from_when_it_was_due() {
        let due = Instant::now();
        let mut tally = Tally::default();
        tally.done(3, 30, due, due + Duration::from_millis(5));
        assert_eq!(tally.messages, 3);
        assert!(tally.latency_us.value_at_quantile(0.5).abs_diff(5000) <= 5);
    }
}

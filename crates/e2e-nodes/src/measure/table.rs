//! What was measured, as Markdown.

use std::fmt;
use std::time::Duration;

/// Rows, in the order in which they came, and how busy the machine was.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(String, String)>,
    loads: Vec<String>,
}

impl Table {
    /// Something measured; told at once, too.
    pub fn row(&mut self, what: &str, value: String) {
        eprintln!("{what}: {value}");
        self.rows.push((what.to_owned(), value));
    }

    /// The load average of the last minute.
    pub fn load(&mut self, when: &str) {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        self.loads.push(format!("{when}: {load}"));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | |\n|---|---|")?;
        for (what, value) in &self.rows {
            writeln!(f, "| {what} | {value} |")?;
        }
        write!(f, "\nLoad average of the machine: {}.", self.loads.join("; "))
    }
}

/// The middle one.
pub fn median(times: &[Duration]) -> Duration {
    quantile(times, 0.5)
}

/// The smallest that is not exceeded by this part of them.
pub fn quantile(times: &[Duration], part: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let times: Vec<Duration> = (1..=50).rev().map(Duration::from_secs).collect();
        assert_eq!(median(&times), Duration::from_secs(25));
        assert_eq!(quantile(&times, 0.99), Duration::from_secs(50));
        assert_eq!(quantile(&times[..1], 0.5), Duration::from_secs(50));
        assert_eq!(median(&[]), Duration::ZERO);
    }
}

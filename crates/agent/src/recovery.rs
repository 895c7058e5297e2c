//! How many logs Kafka has to read yet after a hard stop, from what its LogManager writes.
//!
//! ```text
//! Recovering 12 logs from /d0/log since no clean shutdown file was found
//! Completed load of Log(dir=/d0/log/a-0, ...) with 1 segments, ... in 5ms (1/12 completed in /d0/log)
//! Loaded 12 logs in 80ms (unclean log dirs = ...)
//! ```

use std::collections::BTreeMap;

/// Directories that are followed. Kafka names each of its log directories once; whoever writes more such lines is not believed.
const DIRS_MAX: usize = 256;

/// What was read so far.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Logs left, by directory.
    left: BTreeMap<String, u64>,
}

impl Recovery {
    /// Takes a line that Kafka wrote; gives how many logs are left if it told.
    pub fn handle_line(&mut self, line: &str) -> Option<u64> {
        if let Some((dir, logs)) = begun(line) {
            if self.left.len() < DIRS_MAX {
                self.left.insert(dir.to_owned(), logs);
            }
        } else if let Some((rest, left)) = completed(line) {
            // What follows the directory depends on the layout of the log. One with a clean end is loaded in no time, and
            // not named before.
            let is_it =
                |dir: &str| rest.strip_prefix(dir).is_some_and(|rest| rest.starts_with(')'));
            *self.left.iter_mut().find(|(dir, _)| is_it(dir))?.1 = left;
        } else if is_end(line) {
            self.left.clear();
        } else {
            return None;
        }
        Some(self.left.values().fold(0, |sum, left| sum.saturating_add(*left)))
    }
}

fn begun(line: &str) -> Option<(&str, u64)> {
    let (_, rest) = line.split_once("Recovering ")?;
    let (logs, rest) = rest.split_once(" logs from ")?;
    let (dir, _) = rest.split_once(" since no clean shutdown file was found")?;
    Some((dir, logs.parse().ok()?))
}

/// Loaded, or found broken, which Kafka goes on after or not; it is not left either way. Gives the text from the directory on.
fn completed(line: &str) -> Option<(&str, u64)> {
    let named = ["Completed load of ", "Error while loading logs in "];
    named.iter().find(|words| line.contains(**words))?;
    let (before, rest) = line.rsplit_once(" completed in ")?;
    let (_, counts) = before.rsplit_once('(')?;
    let (done, of) = counts.split_once('/')?;
    let (done, of) = (done.parse::<u64>().ok()?, of.parse::<u64>().ok()?);
    Some((rest, of.saturating_sub(done)))
}

fn is_end(line: &str) -> bool {
    let logs = line.split_once("Loaded ").and_then(|(_, rest)| rest.split_once(" logs in "));
    logs.is_some_and(|(logs, _)| logs.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "[2026-11-25 03:20:11,105] INFO ";

    fn told(lines: &[&str]) -> Vec<Option<u64>> {
        let mut recovery = Recovery::default();
        lines.iter().map(|line| recovery.handle_line(&format!("{PREFIX}{line}"))).collect()
    }

    #[test]
    fn number_of_logs_falls_to_none() {
        let told = told(&[
            "Loading logs from log dirs ArrayBuffer(/d 0/log) (kafka.log.LogManager)",
            "Recovering 2 logs from /d 0/log since no clean shutdown file was found (kafka.log.LogManager)",
            "Completed load of UnifiedLog(dir=/d 0/log/a(b)-0, topicId=x, topic=a, partition=0, highWatermark=0) with 1 \
             segments, local-log-start-offset 0 and log-end-offset 3 in 5ms (1/2 completed in /d 0/log) (kafka.log.LogManager)",
            "Error while loading logs in /d 0/log/b-0 in 2ms (2/2 completed in /d 0/log) (kafka.log.LogManager)",
            "Loaded 2 logs in 20ms (unclean log dirs = ArrayBuffer(/d 0/log)) (kafka.log.LogManager)",
        ]);
        assert_eq!(told, [None, Some(2), Some(1), Some(0), Some(0)]);
    }

    #[test]
    fn directories_are_added_up_and_those_with_a_clean_end_are_not_counted() {
        let told = told(&[
            "Recovering 2 logs from /d0 since no clean shutdown file was found",
            "Skipping recovery of 7 logs from /d1 since clean shutdown file was found",
            "Completed load of x with 1 segments in 1ms (1/7 completed in /d1)",
            "Recovering 3 logs from /d2 since no clean shutdown file was found",
            "Completed load of x with 1 segments in 1ms (1/2 completed in /d0)",
            "Loaded 12 logs in 9ms",
        ]);
        assert_eq!(told, [Some(2), None, None, Some(5), Some(4), Some(0)]);
    }

    #[test]
    fn nonsense_is_passed_over() {
        let told = told(&[
            "",
            "Recovering x logs from /d0 since no clean shutdown file was found",
            "Completed load of (99999999999999999999/1 completed in /d)",
            "Completed load of 1/1 completed in /d)",
            "Completed load of (1/1 completed in /d",
            "Loaded plugins logs in",
        ]);
        assert_eq!(told, [None; 6]);
    }

    #[test]
    fn flood_of_directories_is_bounded() {
        let mut recovery = Recovery::default();
        for dir in 0..2 * DIRS_MAX {
            let line = format!(
                "Recovering {} logs from /{dir} since no clean shutdown file was found",
                u64::MAX
            );
            recovery.handle_line(&line);
        }
        assert_eq!(recovery.left.len(), DIRS_MAX);
    }
}

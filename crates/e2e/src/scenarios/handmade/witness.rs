//! Who runs with which broker id, by every process of the machine: a second owner would run for seconds, and a look is taken
//! every 50 ms. It needs the machines to be this one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::end::{End, Outcome};

/// Between two looks, each of which reads a line of every process.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until it is stopped.
#[derive(Debug)]
pub(super) struct Witness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) looks: u64,
    /// Each id's owners (uids of pods), in the order they came.
    held: BTreeMap<u32, Vec<String>>,
    /// Looks that found an id with more than one.
    conflicts: Vec<String>,
}

impl Witness {
    pub(super) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                seen.look(&owners());
                std::thread::sleep(PAUSE);
            }
            seen
        });
        Self { stop, thread }
    }

    pub(super) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

impl Seen {
    fn look(&mut self, owners: &BTreeSet<(u32, String)>) {
        self.looks += 1;
        for (id, pod) in owners {
            let held = self.held.entry(*id).or_default();
            if held.last() != Some(pod) {
                held.push(pod.clone());
            }
            if owners.iter().filter(|(other, _)| other == id).count() > 1 {
                self.conflicts.push(format!("id {id} at look {}: pod {pod}", self.looks));
            }
        }
    }

    pub(super) fn owners(&self) -> usize {
        self.held.values().map(Vec::len).sum()
    }

    pub(super) fn ids_of(&self, pod: &str) -> BTreeSet<u32> {
        let has = |held: &Vec<String>| held.iter().any(|owner| owner == pod);
        self.held.iter().filter(|(_, held)| has(held)).map(|(id, _)| *id).collect()
    }

    /// No look found two, no pod came back to an id that another had in between, and somebody was seen with every id.
    pub(super) fn one_owner_at_a_time(&self) -> Outcome {
        End::unless(self.conflicts.is_empty(), || format!("two owners: {:?}", self.conflicts))?;
        for (id, held) in &self.held {
            let once: BTreeSet<&String> = held.iter().collect();
            End::unless(once.len() == held.len(), || format!("id {id} went to and fro: {held:?}"))?;
        }
        End::unless(self.held.len() == 3, || format!("owners were seen of {:?}", self.held.keys()))
    }
}

/// `(id, pod)` of every process that `klamm-operator broker-id` became.
fn owners() -> BTreeSet<(u32, String)> {
    let Ok(processes) = fs::read_dir("/proc") else { return BTreeSet::new() };
    processes.flatten().filter_map(|entry| owner(&entry.path())).collect()
}

/// Nothing of a process that is no owner, or that ended while it was looked at.
fn owner(process: &std::path::Path) -> Option<(u32, String)> {
    let command = fs::read_to_string(process.join("comm")).ok()?;
    if !["java", "sh"].contains(&command.trim()) {
        return None;
    }
    let environment = fs::read(process.join("environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let id = variables.find_map(|variable| variable.strip_prefix(b"KLAMM_BROKER_ID="))?;
    let id = std::str::from_utf8(id).ok()?.parse().ok().filter(|id| *id < 100)?;
    let groups = fs::read_to_string(process.join("cgroup")).ok()?;
    let pod = groups.split(['/', '\n']).find_map(|part| part.strip_prefix("pod"))?;
    Some((id, pod.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(looks: &[&[(u32, &str)]]) -> Seen {
        let mut seen = Seen::default();
        for look in looks {
            seen.look(&look.iter().map(|(id, pod)| (*id, (*pod).to_owned())).collect());
        }
        seen
    }

    const ALL: [(u32, &str); 3] = [(1, "a"), (2, "b"), (3, "c")];

    #[test]
    fn owners_one_after_the_other_are_good() {
        let seen = seen(&[&ALL, &[(2, "b"), (3, "c")], &[(1, "d"), (2, "b"), (3, "c")]]);
        assert!(seen.one_owner_at_a_time().is_ok());
        assert_eq!(seen.owners(), 4);
        assert_eq!(seen.ids_of("d"), BTreeSet::from([1]));
    }

    #[test]
    fn two_owners_in_one_look_are_noticed() {
        let seen = seen(&[&ALL, &[(1, "a"), (1, "d"), (2, "b"), (3, "c")]]);
        assert!(seen.one_owner_at_a_time().is_err());
    }

    #[test]
    fn id_that_goes_to_and_fro_is_noticed() {
        let seen = seen(&[&ALL, &[(1, "d")], &[(1, "a")]]);
        assert!(seen.one_owner_at_a_time().is_err());
    }
}

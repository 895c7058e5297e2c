//! Partitions whose replicas changed a moment ago.
//!
//! Which reassignments go on is asked of the active controller, which replicas a partition has of a broker, and a broker's metadata lag behind.
//! So a move that has just ended shows up as one that is not going on, of a partition that has both its old and its new replicas, and
//! looks like a partition with more replicas than it has. A change counts as going on until it was seen to stay.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::model::{Metadata, NodeId};
use crate::packed::Packed;

/// A broker that lags further behind than this has lost its session.
const SETTLED_AFTER_MS: u64 = 10_000;

/// In order.
type Nodes = Box<[NodeId]>;

/// Of each topic the partitions by number, each with its replicas: one allocation for a topic's name.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Replicas(HashMap<String, Vec<(u32, Nodes)>>);

impl Replicas {
    fn take(&mut self, topic: &str, index: u32) -> Option<Nodes> {
        let partitions = self.0.get_mut(topic)?;
        let at = partitions.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(std::mem::take(&mut partitions[at].1))
    }

    fn put(&mut self, topic: &str, index: u32, replicas: Nodes) {
        if !self.0.contains_key(topic) {
            self.0.insert(topic.to_owned(), Vec::new());
        }
        let Some(partitions) = self.0.get_mut(topic) else { return };
        match partitions.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(at) => partitions[at].1 = replicas,
            Err(at) => partitions.insert(at, (index, replicas)),
        }
    }
}

/// The replicas of each partition when they were last known not to be on the move.
#[derive(Debug, Default)]
pub struct Settling {
    settled: Option<Packed<Replicas>>,
    changed: HashMap<(String, u32), (Nodes, u64)>,
}

impl Settling {
    /// Marks changes that may not be over as going on.
    pub fn mark(&mut self, metadata: &mut Metadata, now_ms: u64) {
        let mut settled_before = self.settled.take().and_then(|settled| settled.value());
        let mut settled = Replicas::default();
        let mut changed = HashMap::new();
        for partition in &mut metadata.partitions {
            let (topic, index) = (partition.topic.as_str(), partition.index);
            let mut now: Nodes = partition.replicas.as_slice().into();
            now.sort_unstable();
            let before = settled_before.as_mut().and_then(|settled| settled.take(topic, index));
            let known = partition.is_moving();
            let is_new = before.as_ref() != Some(&now);
            if !known && !is_new {
                settled.put(topic, index, now);
                continue;
            }
            let key = (topic.to_owned(), index);
            // The last change counts, whether it was one of the replicas or the end of a move.
            let since_ms = match self.changed.remove(&key) {
                Some((seen, since_ms)) if seen == now && !known => since_ms,
                _ => now_ms,
            };
            if !known && now_ms.saturating_sub(since_ms) >= SETTLED_AFTER_MS {
                settled.put(&key.0, key.1, now);
                continue;
            }
            if !known {
                // A partition that was never seen before is as it was made, and counts as on the move as a whole.
                let had = before.as_deref().unwrap_or_default();
                let joined = partition.replicas.iter().filter(|node| !had.contains(node));
                partition.adding =
                    if had.is_empty() { Vec::new() } else { joined.copied().collect() };
                if partition.adding.is_empty() {
                    partition.removing =
                        had.iter().filter(|node| !now.contains(node)).copied().collect();
                }
            }
            if let Some(before) = before {
                settled.put(&key.0, key.1, before);
            }
            changed.insert(key, (now, since_ms));
        }
        (self.settled, self.changed) = (Some(Packed::new(&settled)), changed);
    }

    /// Partitions that may still be on the move although nothing marks them: those that were not known a moment ago.
    pub fn is_settled(&self, topic: &str, index: u32) -> bool {
        !self.changed.contains_key(&(topic.to_owned(), index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Partition;

    fn seen(settling: &mut Settling, replicas: &[u32], adding: &[u32], now_ms: u64) -> Partition {
        let nodes = |ids: &[u32]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        let (replicas, adding) = (nodes(replicas), nodes(adding));
        let partition = Partition { topic: "t".into(), replicas, adding, ..Partition::default() };
        let mut metadata = Metadata { partitions: vec![partition], ..Metadata::default() };
        settling.mark(&mut metadata, now_ms);
        metadata.partitions.remove(0)
    }

    #[test]
    fn move_that_ended_at_the_controller_and_not_at_the_broker_asked_goes_on() {
        let mut settling = Settling::default();
        seen(&mut settling, &[0, 1, 2], &[], 0);
        assert!(!settling.is_settled("t", 0));
        seen(&mut settling, &[0, 1, 2], &[], SETTLED_AFTER_MS);
        assert!(settling.is_settled("t", 0));
        let late = seen(&mut settling, &[3, 2, 1, 0], &[], 12_000);
        assert_eq!((late.replication_factor(), late.adding.clone()), (3, vec![NodeId(3)]));
        let ended = seen(&mut settling, &[3, 2, 1], &[], 13_000);
        assert!(ended.is_moving() && !settling.is_settled("t", 0));
        let stays = seen(&mut settling, &[3, 2, 1], &[], 23_000);
        assert!(!stays.is_moving() && settling.is_settled("t", 0));
    }

    #[test]
    fn move_that_is_known_is_left_as_it_is_told() {
        let mut settling = Settling::default();
        seen(&mut settling, &[0, 1], &[], 0);
        seen(&mut settling, &[0, 1], &[], SETTLED_AFTER_MS);
        let told = seen(&mut settling, &[0, 1, 2], &[2], 39_000);
        assert_eq!(told.adding, [NodeId(2)]);
        // It ends with three replicas: somebody wanted one more.
        assert_eq!(seen(&mut settling, &[0, 1, 2], &[], 40_000).replication_factor(), 2);
        assert_eq!(seen(&mut settling, &[0, 1, 2], &[], 50_000).replication_factor(), 3);
    }

    #[test]
    fn another_order_is_no_change() {
        let mut settling = Settling::default();
        seen(&mut settling, &[0, 1, 2], &[], 0);
        seen(&mut settling, &[0, 1, 2], &[], SETTLED_AFTER_MS);
        assert!(!seen(&mut settling, &[2, 0, 1], &[], 20_000).is_moving());
    }
}

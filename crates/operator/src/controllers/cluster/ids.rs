//! Which node ids a pool has.
//!
//! ```text
//!   status.nodeIds + what lives --> more than replicas? --> the surplus leaves: those that were named, then the highest
//!                                        |
//!                                        +-- fewer? --> the lowest free ones from firstNodeId on
//! ```
//!
//! An id that leaves keeps its place in the status until its StatefulSet and its pod are gone, so nobody else gets it meanwhile;
//! and a pool that is scaled up again before takes it back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A pool as far as its ids are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// How many nodes it should have.
    pub replicas: u32,
    /// Where new ids begin.
    pub first_node_id: u32,
    /// `status.nodeIds`.
    pub stored: BTreeSet<u32>,
    /// Ids that have a StatefulSet or a pod.
    pub live: BTreeSet<u32>,
    /// Ids that have a PersistentVolumeClaim. They count only for a pool of which nothing else is known, which was deleted and
    /// came back: it gets the ids of its disks.
    pub disks: BTreeSet<u32>,
    /// Ids that are to leave before others.
    pub remove: BTreeSet<u32>,
}

/// The ids of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// Those it should have.
    pub staying: BTreeSet<u32>,
    /// Those it should not have and still has.
    pub leaving: BTreeSet<u32>,
}

impl Ids {
    /// What `status.nodeIds` must hold before any of it is used.
    pub fn stored(&self) -> Vec<u32> {
        self.staying.union(&self.leaving).copied().collect()
    }
}

/// The ids of each pool of one cluster. `taken` has those of nodes whose pool is gone.
pub fn assign(pools: &[Pool], taken: &BTreeSet<u32>) -> BTreeMap<String, Ids> {
    let mut taken = taken.clone();
    taken.extend(pools.iter().flat_map(|pool| pool.stored.union(&pool.live)));
    let mut returning: Vec<&Pool> = pools.iter().collect();
    // Disks first: no new pool may take the ids of one that comes back.
    returning.sort_by_key(|pool| (!pool.comes_back(), &pool.name));
    returning.into_iter().map(|pool| (pool.name.clone(), pool.assign(&mut taken))).collect()
}

impl Pool {
    fn comes_back(&self) -> bool {
        self.stored.is_empty() && self.live.is_empty() && !self.disks.is_empty()
    }

    fn assign(&self, taken: &mut BTreeSet<u32>) -> Ids {
        let wanted = self.replicas as usize;
        let mut staying: BTreeSet<u32> = self.stored.union(&self.live).copied().collect();
        let surplus = staying.len().saturating_sub(wanted);
        let mut order: Vec<u32> = staying.iter().copied().collect();
        order.sort_by_key(|id| Reverse((self.remove.contains(id), *id)));
        let leaving: BTreeSet<u32> = order.into_iter().take(surplus).collect();
        staying.retain(|id| !leaving.contains(id));
        let disks = self.disks.iter().filter(|_| self.comes_back()).copied();
        for id in disks.chain(self.first_node_id..=u32::MAX) {
            if staying.len() >= wanted {
                break;
            }
            if taken.insert(id) {
                staying.insert(id);
            }
        }
        // One without StatefulSet and pod has left.
        Ids { staying, leaving: leaving.intersection(&self.live).copied().collect() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(ids: &[u32]) -> BTreeSet<u32> {
        ids.iter().copied().collect()
    }

    fn pool(replicas: u32, ids: &[u32]) -> Pool {
        let (stored, live) = (set(ids), set(ids));
        Pool { name: "p".into(), replicas, stored, live, ..Pool::default() }
    }

    #[track_caller]
    fn check(pools: &[Pool], name: &str, staying: &[u32], leaving: &[u32]) {
        let ids = assign(pools, &BTreeSet::new()).remove(name).unwrap();
        assert_eq!(ids, Ids { staying: set(staying), leaving: set(leaving) });
    }

    #[test]
    fn new_ids_are_the_lowest_free_ones() {
        let other = Pool { name: "other".into(), ..pool(2, &[1, 3]) };
        check(&[pool(3, &[]), other.clone()], "p", &[0, 2, 4], &[]);
        check(&[Pool { first_node_id: 3, ..pool(2, &[]) }, other], "p", &[4, 5], &[]);
    }

    #[test]
    fn highest_ids_leave_unless_others_are_named() {
        check(&[pool(2, &[0, 1, 2, 3])], "p", &[0, 1], &[2, 3]);
        check(&[Pool { remove: set(&[0, 9]), ..pool(2, &[0, 1, 2, 3]) }], "p", &[1, 2], &[0, 3]);
        check(&[Pool { remove: set(&[0]), ..pool(4, &[0, 1, 2, 3]) }], "p", &[0, 1, 2, 3], &[]);
    }

    #[test]
    fn id_that_leaves_is_given_to_nobody_and_may_be_taken_back() {
        let other = Pool { name: "other".into(), ..pool(1, &[]) };
        check(&[pool(1, &[0, 1]), other], "other", &[2], &[]);
        check(&[pool(2, &[0, 1])], "p", &[0, 1], &[]);
    }

    #[test]
    fn id_that_has_left_is_free() {
        let left = Pool { live: set(&[0]), ..pool(1, &[0, 1]) };
        check(&[left], "p", &[0], &[]);
    }

    #[test]
    fn nodes_that_live_are_known_when_the_status_is_lost() {
        check(&[Pool { stored: set(&[]), ..pool(2, &[4, 7]) }], "p", &[4, 7], &[]);
    }

    #[test]
    fn pool_that_comes_back_gets_the_ids_of_its_disks() {
        let back = Pool { name: "z".into(), disks: set(&[0, 2]), ..pool(3, &[]) };
        let new = pool(1, &[]);
        check(&[new.clone(), back.clone()], "z", &[0, 1, 2], &[]);
        check(&[new, back], "p", &[3], &[]);
    }

    fn any_ids() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(0..24u32, 0..6)
    }

    prop_compose! {
        fn any_pool()(
            replicas in 0..8u32, first_node_id in 0..12u32, stored in any_ids(), live in any_ids(), disks in any_ids(),
            remove in any_ids(),
        ) -> Pool {
            Pool { name: String::new(), replicas, first_node_id, stored, live, disks, remove }
        }
    }

    /// Pools whose ids do not overlap, as they come from this function and nobody's editor.
    fn any_pools() -> impl Strategy<Value = Vec<Pool>> {
        prop::collection::vec(any_pool(), 1..5).prop_map(|mut pools| {
            let mut seen = BTreeSet::new();
            for (index, pool) in pools.iter_mut().enumerate() {
                pool.name = format!("p{index}");
                let known: BTreeSet<u32> = pool.stored.union(&pool.live).copied().collect();
                let own: BTreeSet<u32> = known.into_iter().filter(|id| seen.insert(*id)).collect();
                pool.stored.retain(|id| own.contains(id));
                pool.live.retain(|id| own.contains(id));
            }
            pools
        })
    }

    proptest! {
        #[test]
        fn every_pool_gets_its_number_and_no_id_is_given_twice(pools in any_pools(), taken in any_ids()) {
            let known: BTreeSet<u32> = pools.iter().flat_map(|p| p.stored.union(&p.live)).copied().collect();
            let taken: BTreeSet<u32> = taken.difference(&known).copied().collect();
            let ids = assign(&pools, &taken);
            let mut seen = taken;
            for pool in &pools {
                let of = &ids[&pool.name];
                prop_assert_eq!(of.staying.len(), pool.replicas as usize);
                prop_assert!(of.stored().into_iter().all(|id| seen.insert(id)));
                prop_assert!(of.leaving.is_subset(&pool.live));
                // Nobody leaves while somebody new comes.
                let grown = of.staying.iter().any(|id| !pool.stored.contains(id) && !pool.live.contains(id));
                prop_assert!(!grown || of.leaving.is_empty());
            }
        }

        #[test]
        fn what_is_stored_is_what_is_given_next_time(pools in any_pools()) {
            let first = assign(&pools, &BTreeSet::new());
            let again: Vec<Pool> = pools
                .into_iter()
                .map(|pool| {
                    let stored: BTreeSet<u32> = first[&pool.name].stored().into_iter().collect();
                    Pool { live: stored.clone(), stored, ..pool }
                })
                .collect();
            prop_assert_eq!(assign(&again, &BTreeSet::new()), first);
        }
    }
}

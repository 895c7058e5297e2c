//! Where the replicas of a partition go when it gets more of them or fewer.

use std::collections::{BTreeMap, BTreeSet};

/// The brokers that are in service, and those on their way out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Brokers {
    /// Racks by broker.
    pub(crate) racks: BTreeMap<i32, Option<String>>,
    /// They get nothing new.
    pub(crate) leaving: BTreeSet<i32>,
}

/// How many replicas each broker has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Load(pub(crate) BTreeMap<i32, usize>);

impl Load {
    pub(crate) fn add(&mut self, replicas: &[i32]) {
        for id in replicas {
            *self.0.entry(*id).or_default() += 1;
        }
    }

    fn of(&self, id: i32) -> usize {
        self.0.get(&id).copied().unwrap_or_default()
    }
}

impl Brokers {
    fn serves(&self, id: i32) -> bool {
        self.racks.contains_key(&id) && !self.leaving.contains(&id)
    }

    /// How many brokers could have a replica.
    pub(crate) fn count(&self) -> usize {
        self.racks.keys().filter(|id| self.serves(**id)).count()
    }

    /// How many of `others` lie in the rack of `id`. Brokers without a rack share none.
    fn shared(&self, id: i32, others: &[i32]) -> usize {
        let rack = |id: i32| self.racks.get(&id).and_then(Option::as_deref);
        let own = rack(id);
        others.iter().filter(|other| **other != id && own.is_some() && rack(**other) == own).count()
    }
}

/// `current` with more or fewer replicas: new ones in racks that have none, then where the least is; taken from brokers that are
/// out of service, then from racks that have several, then where the most is. The preferred leader stays while it is in service.
/// None if there are too few brokers.
pub(crate) fn assign(
    current: &[i32],
    count: usize,
    brokers: &Brokers,
    load: &mut Load,
) -> Option<Vec<i32>> {
    let mut replicas = current.to_vec();
    while replicas.len() < count {
        let free = brokers.racks.keys().copied();
        let free = free.filter(|id| brokers.serves(*id) && !replicas.contains(id));
        let best = free.min_by_key(|id| (brokers.shared(*id, &replicas), load.of(*id), *id))?;
        replicas.push(best);
        load.add(&[best]);
    }
    while replicas.len() > count.max(1) {
        let worth = |index: &usize| {
            let id = replicas[*index];
            let serves = brokers.serves(id);
            let crowd = brokers.shared(id, &replicas);
            (!serves, *index != 0, crowd, load.of(id), *index)
        };
        let worst = (0..replicas.len()).max_by_key(worth)?;
        let id = replicas.remove(worst);
        let carried = load.0.entry(id).or_default();
        *carried = carried.saturating_sub(1);
    }
    Some(replicas)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Broker n lies in rack n modulo 3.
    fn brokers(count: i32, leaving: &[i32]) -> Brokers {
        let racks = (0..count).map(|id| (id, Some(format!("rack-{}", id % 3)))).collect();
        Brokers { racks, leaving: leaving.iter().copied().collect() }
    }

    #[track_caller]
    fn check(current: &[i32], count: usize, brokers: &Brokers, expected: Option<&[i32]>) {
        let assigned = assign(current, count, brokers, &mut Load::default());
        assert_eq!(assigned.as_deref(), expected);
    }

    #[test]
    fn new_replica_goes_to_another_rack() {
        check(&[0], 3, &brokers(6, &[]), Some(&[0, 1, 2]));
        check(&[0, 3], 3, &brokers(6, &[1]), Some(&[0, 3, 2]));
    }

    #[test]
    fn of_equal_racks_the_emptier_broker_is_taken() {
        let mut load = Load([(1, 5), (2, 7), (4, 1), (5, 9)].into());
        assert_eq!(assign(&[0], 2, &brokers(6, &[]), &mut load), Some(vec![0, 4]));
    }

    #[test]
    fn replica_is_taken_from_the_rack_with_two() {
        check(&[0, 1, 3], 2, &brokers(6, &[]), Some(&[0, 1]));
    }

    #[test]
    fn replica_on_a_broker_that_is_down_is_the_first_to_go() {
        check(&[9, 1, 3], 2, &brokers(6, &[]), Some(&[1, 3]));
    }

    #[test]
    fn too_few_brokers_are_not_made_up_for() {
        check(&[0], 3, &brokers(3, &[2]), None);
    }

    proptest! {
        #[test]
        fn assignments_are_spread_distinct_and_move_no_more_than_they_must(
            count in 1usize..6,
            wanted in 1usize..6,
            first in 0i32..9,
        ) {
            let brokers = brokers(9, &[]);
            let mut load = Load::default();
            let current = assign(&[first], count, &brokers, &mut load).unwrap();
            let next = assign(&current, wanted, &brokers, &mut load).unwrap();
            prop_assert_eq!(next.len(), wanted);
            prop_assert_eq!(next.iter().collect::<BTreeSet<_>>().len(), wanted);
            prop_assert_eq!(next[0], current[0]);
            let kept = next.iter().filter(|id| current.contains(id)).count();
            prop_assert_eq!(kept, count.min(wanted));
            let racks: BTreeSet<_> = next.iter().map(|id| id % 3).collect();
            prop_assert_eq!(racks.len(), wanted.min(3));
        }

        #[test]
        fn many_partitions_lie_evenly(partitions in 1usize..60) {
            let brokers = brokers(6, &[]);
            let mut load = Load::default();
            let mut all = Load::default();
            for index in 0..partitions {
                let leader = i32::try_from(index % 6).unwrap();
                load.add(&[leader]);
                all.add(&assign(&[leader], 3, &brokers, &mut load).unwrap());
            }
            let (least, most) = (0..6).fold((usize::MAX, 0), |(least, most), id| {
                (least.min(all.of(id)), most.max(all.of(id)))
            });
            prop_assert!(most - least <= 3, "{:?}", all);
        }
    }
}

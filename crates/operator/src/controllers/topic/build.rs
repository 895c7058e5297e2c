//! What differs between a topic as it should be and as it is. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::admin::{Creation, Found, Move};
use super::assign::{Brokers, Load, assign};
use super::validate::Wanted;
use crate::controllers::status::Told;

/// What is to be done for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is none.
    Create(Creation),
    /// There is one.
    Change(Change),
    /// It cannot become what is wanted.
    Refuse(Told),
}

/// Everything empty if the topic is as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) grow_to: Option<u32>,
    /// Values to set, or to take away.
    pub(crate) config: BTreeMap<String, Option<String>>,
}

/// `set` are the topic's own values of the properties named now or before.
pub(crate) fn diff(wanted: &Wanted, found: Option<&Found>, set: &BTreeMap<String, String>) -> Step {
    let Some(found) = found else {
        return Step::Create(Creation {
            name: wanted.name.clone(),
            partitions: wanted.partitions,
            replicas: wanted.replicas,
            config: wanted.config.clone(),
        });
    };
    let count = u32::try_from(found.partitions.len()).unwrap_or(u32::MAX);
    if let Some(fewer) = wanted.partitions.filter(|partitions| *partitions < count) {
        let message = format!(
            "topic '{}' has {count} partitions, and Kafka cannot take any away: spec.partitions is {fewer}, and must be {count} or more",
            wanted.name
        );
        return Step::Refuse(Told::no("FewerPartitions", message));
    }
    let differs = |(key, value): &(&String, &String)| {
        !set.get(*key).is_some_and(|there| is_same_value(there, value))
    };
    let values = wanted.config.iter().filter(differs);
    let values = values.map(|(key, value)| (key.clone(), Some(value.clone())));
    let is_over = |key: &&String| !wanted.config.contains_key(*key) && set.contains_key(*key);
    let over = wanted.named_before.iter().filter(is_over).map(|key| (key.clone(), None));
    Step::Change(Change {
        grow_to: wanted.partitions.filter(|partitions| *partitions > count),
        config: values.chain(over).collect(),
    })
}

/// Kafka tells values in its own spelling: numbers and truths are parsed, blanks around the items of lists are gone.
fn is_same_value(there: &str, wanted: &str) -> bool {
    let items = |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>();
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let truth = |text: &str| text.trim().to_ascii_lowercase().parse::<bool>().ok();
    items(there) == items(wanted)
        || number(there).is_some_and(|value| number(wanted) == Some(value))
        || truth(there).is_some_and(|value| truth(wanted) == Some(value))
}

/// The controller takes no request whose topics have more than 10,000 partitions together, and writes a record for each
/// topic, property and partition as one batch of 10,000 at most: half of it leaves room.
const CREATION_RECORDS_MAX: usize = 5_000;

/// Topics in groups that one request bears.
pub(crate) fn chunks(creations: &[Creation]) -> Vec<&[Creation]> {
    let mut chunks = Vec::new();
    let (mut start, mut records) = (0, 0);
    for (index, creation) in creations.iter().enumerate() {
        let partitions = usize::try_from(creation.partitions.unwrap_or(1)).unwrap_or(usize::MAX);
        let own = partitions.saturating_add(creation.config.len() + 1);
        if index > start && own.saturating_add(records) > CREATION_RECORDS_MAX {
            chunks.push(&creations[start..index]);
            (start, records) = (index, 0);
        }
        records = own.saturating_add(records);
    }
    if start < creations.len() {
        chunks.push(&creations[start..]);
    }
    chunks
}

/// A topic whose replicas are to be more or fewer.
#[derive(Debug)]
pub(crate) struct Resize<'a> {
    pub(crate) topic: &'a str,
    pub(crate) replicas: usize,
    pub(crate) found: &'a Found,
}

/// Which partitions move where now, no more together than `count_max`; and how many of each topic have yet to arrive.
pub(crate) fn moves(
    resizes: &[Resize<'_>],
    moving: &BTreeMap<(String, usize), Vec<i32>>,
    brokers: &Brokers,
    load: &mut Load,
    count_max: usize,
) -> (Vec<Move>, BTreeMap<String, usize>) {
    let mut room = count_max.saturating_sub(moving.len());
    let (mut moves, mut left) = (Vec::new(), BTreeMap::new());
    for resize in resizes {
        for (partition, replicas) in resize.found.partitions.iter().enumerate() {
            let on_its_way = moving.get(&(resize.topic.to_owned(), partition));
            if on_its_way.is_none() && replicas.len() == resize.replicas {
                continue;
            }
            *left.entry(resize.topic.to_owned()).or_default() += 1;
            if on_its_way.is_some() || room == 0 {
                continue;
            }
            if let Some(replicas) = assign(replicas, resize.replicas, brokers, load) {
                room -= 1;
                moves.push(Move { topic: resize.topic.to_owned(), partition, replicas });
            }
        }
    }
    (moves, left)
}

/// A topic has another number of replicas than it should, once all that moves has arrived.
pub(crate) fn is_resized(
    wanted: &Wanted,
    found: &Found,
    moving: &BTreeMap<(String, usize), Vec<i32>>,
) -> bool {
    let Some(count) = wanted.replicas.and_then(|count| usize::try_from(count).ok()) else {
        return false;
    };
    found.partitions.iter().enumerate().any(|(partition, replicas)| {
        let target = moving.get(&(wanted.name.clone(), partition)).unwrap_or(replicas);
        target.len() != count
    })
}

/// The properties that the topics' configurations are compared in.
pub(crate) fn compared<'a>(wanted: impl IntoIterator<Item = &'a Wanted>) -> BTreeSet<&'a str> {
    let keys = wanted.into_iter().flat_map(|w| w.config.keys().chain(&w.named_before));
    keys.map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn wanted(pairs: &[(&str, &str)], named_before: &[&str]) -> Wanted {
        let named_before = named_before.iter().map(ToString::to_string).collect();
        Wanted { name: "t".into(), config: config(pairs), named_before, ..Wanted::default() }
    }

    fn found(partitions: usize) -> Found {
        Found { id: "id".into(), partitions: vec![vec![0]; partitions] }
    }

    #[track_caller]
    fn check(wanted: &Wanted, set: &[(&str, &str)], expected: &[(&str, Option<&str>)]) {
        let Step::Change(change) = diff(wanted, Some(&found(1)), &config(set)) else {
            panic!("the topic is there");
        };
        let changes: Vec<_> =
            change.config.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        assert_eq!(changes, expected);
    }

    #[test]
    fn only_named_properties_are_changed() {
        check(&wanted(&[("a", "1")], &[]), &[("a", "2"), ("b", "2")], &[("a", Some("1"))]);
        check(&wanted(&[("a", "1")], &["a"]), &[("a", "1"), ("b", "2")], &[]);
    }

    #[test]
    fn property_named_before_goes_back_to_the_brokers_value() {
        check(&wanted(&[], &["a", "gone"]), &[("a", "1"), ("b", "2")], &[("a", None)]);
    }

    #[test]
    fn spelling_is_no_difference() {
        let set = [("list", "compact,delete"), ("number", "1000"), ("truth", "true")];
        let spelled = [("list", "compact, delete"), ("number", "1000.0"), ("truth", "TRUE")];
        check(&wanted(&spelled, &[]), &set, &[]);
        check(&wanted(&[("list", "delete")], &[]), &set, &[("list", Some("delete"))]);
    }

    #[test]
    fn fewer_partitions_are_refused_and_more_are_made() {
        let want = |partitions| Wanted { partitions: Some(partitions), ..wanted(&[], &[]) };
        let refused = diff(&want(2), Some(&found(3)), &BTreeMap::new());
        assert!(matches!(refused, Step::Refuse(told) if told.reason == "FewerPartitions"));
        let Step::Change(change) = diff(&want(5), Some(&found(3)), &BTreeMap::new()) else {
            panic!("more partitions can be had");
        };
        assert_eq!(change.grow_to, Some(5));
        assert!(matches!(diff(&want(5), None, &BTreeMap::new()), Step::Create(_)));
    }

    #[test]
    fn moves_wait_for_room_and_for_what_moves() {
        let found =
            Found { id: "id".into(), partitions: vec![vec![0], vec![1], vec![2], vec![0, 1]] };
        let resizes = [Resize { topic: "t", replicas: 2, found: &found }];
        let racks = (0..3).map(|id| (id, None)).collect();
        let brokers = Brokers { racks, ..Brokers::default() };
        let moving = [(("t".to_owned(), 0), vec![0, 1])].into();
        let (moves, left) = moves(&resizes, &moving, &brokers, &mut Load::default(), 2);
        assert_eq!(moves.iter().map(|m| m.partition).collect::<Vec<_>>(), [1]);
        assert_eq!(left["t"], 3);
    }

    #[test]
    fn replica_that_a_drain_moves_is_not_one_too_many() {
        let found = Found { id: "id".into(), partitions: vec![vec![0, 1]] };
        let wanted = Wanted { replicas: Some(1), ..wanted(&[], &[]) };
        assert!(is_resized(&wanted, &found, &BTreeMap::new()));
        assert!(!is_resized(&wanted, &found, &[(("t".to_owned(), 0), vec![1])].into()));
    }

    proptest! {
        #[test]
        fn change_makes_named_properties_as_wanted_and_leaves_others(
            set in prop::collection::btree_map("[a-e]", "[0-9]", 0..5),
            config in prop::collection::btree_map("[a-e]", "[0-9]", 0..5),
            named_before in prop::collection::btree_set("[a-e]", 0..5),
        ) {
            let wanted = Wanted { config, named_before, ..Wanted::default() };
            let Step::Change(change) = diff(&wanted, Some(&found(1)), &set) else { unreachable!() };
            let mut after = set.clone();
            for (key, value) in change.config {
                match value {
                    Some(value) => after.insert(key, value),
                    None => after.remove(&key),
                };
            }
            for key in ["a", "b", "c", "d", "e"] {
                let expected = match wanted.config.get(key) {
                    Some(value) => Some(value),
                    None if wanted.named_before.contains(key) => None,
                    None => set.get(key),
                };
                prop_assert_eq!(after.get(key), expected);
            }
        }

        #[test]
        fn chunks_hold_all_and_none_is_too_large(
            counts in prop::collection::vec(prop::option::of(1u32..9_000), 0..40),
        ) {
            let creation = |partitions: &Option<u32>| Creation { partitions: *partitions, ..Creation::default() };
            let creations: Vec<Creation> = counts.iter().map(creation).collect();
            let chunks = chunks(&creations);
            prop_assert_eq!(chunks.concat(), creations.clone());
            for chunk in chunks {
                let records: u32 = chunk.iter().map(|c| c.partitions.unwrap_or(1) + 1).sum();
                prop_assert!(chunk.len() == 1 || records <= 5_000);
            }
        }
    }
}

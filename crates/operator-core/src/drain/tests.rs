//! Decisions about replicas on clusters small enough to see through.

use super::*;
use crate::model::{Desired, NodeId, Observed, Partition, Roles};
use crate::testing::{as_is, cluster, ids, partition};

struct Story {
    observed: Observed,
    desired: Desired,
    limits: Limits,
    spread: bool,
}

impl Story {
    /// Racks: 10, 13; 11, 14; 12, 15.
    fn new(brokers: u32, partitions: Vec<Partition>) -> Self {
        let brokers = (10..10 + brokers).map(|id| (id, Roles::BROKER));
        let mut observed = cluster(&brokers.chain([(0, Roles::CONTROLLER)]).collect::<Vec<_>>());
        observed.metadata.as_mut().unwrap().partitions = partitions;
        let desired = as_is(&observed);
        Self { observed, desired, limits: Limits::default(), spread: false }
    }

    fn leave(&mut self, id: u32) {
        self.desired.leaving.extend(self.desired.nodes.remove_entry(&NodeId(id)));
    }

    fn decide(&self) -> Decision {
        let Self { observed, desired, limits, spread } = self;
        decide(&Situation { observed, desired, limits, spread: *spread })
    }

    fn partitions(&mut self) -> &mut Vec<Partition> {
        &mut self.observed.metadata.as_mut().unwrap().partitions
    }

    /// Does what was decided at once, until nothing is; how many rounds it took.
    fn finish(&mut self) -> usize {
        for round in 0..1_000 {
            let actions = self.decide().actions;
            if actions.is_empty() {
                return round;
            }
            for action in actions {
                let metadata = self.observed.metadata.as_mut().unwrap();
                match action {
                    Action::Throttle { bytes_per_s } => {
                        metadata.throttle_bytes_per_s = Some(bytes_per_s);
                    }
                    Action::Unthrottle => metadata.throttle_bytes_per_s = None,
                    Action::Reassign { topic, index, replicas } => {
                        let found = metadata
                            .partitions
                            .iter_mut()
                            .find(|p| p.topic == topic && p.index == index);
                        let p = found.unwrap();
                        (p.isr, p.leader) = (replicas.clone(), replicas.first().copied());
                        p.replicas = replicas;
                    }
                }
            }
        }
        panic!("does not come to an end");
    }
}

#[test]
fn replicas_of_a_leaving_broker_go_to_another_rack_than_their_fellows() {
    let mut story = Story::new(6, vec![partition("t", &[10, 11, 12], &[10, 11, 12], 2)]);
    story.leave(12);
    let actions = story.decide().actions;
    let throttle = Action::Throttle { bytes_per_s: 50_000_000 };
    let moved = Action::Reassign { topic: "t".into(), index: 0, replicas: ids(&[10, 11, 15]) };
    assert_eq!(actions, [throttle, moved]);
    assert_eq!(story.decide().left[&NodeId(12)], 1);
    assert!(story.decide().empty.is_empty());
    story.finish();
    assert_eq!(story.decide().empty, ids(&[12]).into_iter().collect());
    assert_eq!(story.observed.metadata.unwrap().throttle_bytes_per_s, None);
}

#[test]
fn bytes_and_leaders_are_shared_out() {
    let partitions = (0..12).map(|index| Partition {
        index,
        bytes: 1_000 * u64::from(index + 1),
        ..partition("t", &[10], &[10], 1)
    });
    let mut story = Story::new(4, partitions.collect());
    story.leave(10);
    story.finish();
    for id in [11, 12, 13] {
        let own = story.partitions().iter().filter(|p| p.replicas == [NodeId(id)]);
        let bytes: u64 = own.map(|p| p.bytes).sum();
        assert!((24_000..=28_000).contains(&bytes), "{id} has {bytes} of 78,000");
    }
    let mut story = Story::new(
        4,
        (0..9)
            .map(|index| Partition { index, ..partition("t", &[10, 11, 12], &[10, 11, 12], 2) })
            .collect(),
    );
    story.leave(10);
    story.finish();
    for id in [11, 12, 13] {
        let led = story.partitions().iter().filter(|p| p.replicas[0] == NodeId(id)).count();
        assert_eq!(led, 3, "{id}");
    }
}

#[test]
fn too_few_brokers_would_stay_and_nothing_moves() {
    let partitions = vec![
        partition("small", &[12], &[12], 1),
        partition("large", &[10, 11, 12], &[10, 11, 12], 2),
    ];
    let mut story = Story::new(3, partitions);
    story.leave(12);
    let decision = story.decide();
    assert_eq!(decision.actions, []);
    let refused = decision.refused.unwrap();
    assert_eq!((refused.topic.as_str(), refused.brokers), ("large", 2));
}

#[test]
fn batches_are_bounded_by_number_and_by_bytes() {
    let partitions = |bytes| {
        (0..10).map(move |index| Partition { index, bytes, ..partition("t", &[10], &[10], 1) })
    };
    let count = |story: &Story| story.decide().actions.len();
    let mut story = Story::new(2, partitions(10).collect());
    story.leave(10);
    story.limits = Limits { partitions_max: 4, bytes_max: 1_000, throttle_bytes_per_s: None };
    assert_eq!(count(&story), 4);
    story.limits.bytes_max = 25;
    assert_eq!(count(&story), 2);
    story.limits.bytes_max = 1;
    assert_eq!(count(&story), 1, "one larger than any batch moves alone");
    let moving = &mut story.partitions()[0];
    (moving.replicas, moving.adding, moving.removing) = (ids(&[11, 10]), ids(&[11]), ids(&[10]));
    assert_eq!(count(&story), 0);
    story.limits.bytes_max = 25;
    assert_eq!(count(&story), 1);
}

#[test]
fn broker_that_is_down_is_sent_nothing() {
    let mut story = Story::new(3, vec![partition("t", &[10], &[10], 1)]);
    story.leave(10);
    let pod = &mut story.observed.nodes.get_mut(&NodeId(11)).unwrap().pod;
    pod.state = crate::model::PodState::Starting;
    let moved = Action::Reassign { topic: "t".into(), index: 0, replicas: ids(&[12]) };
    assert_eq!(story.decide().actions.last(), Some(&moved));
}

#[test]
fn reassignment_onto_a_broker_that_leaves_by_now_is_turned() {
    let mut moving = partition("t", &[13, 11, 10], &[10, 11], 1);
    (moving.adding, moving.removing) = (ids(&[13]), ids(&[10]));
    let mut story = Story::new(4, vec![moving]);
    assert_eq!(story.decide().actions, [], "it is left alone while it makes sense");
    story.leave(13);
    let back = Action::Reassign { topic: "t".into(), index: 0, replicas: ids(&[10, 11]) };
    assert_eq!(story.decide().actions.last(), Some(&back), "who has a replica keeps it");
}

#[test]
fn new_broker_gets_its_share_and_no_rack_gets_two() {
    let partitions =
        (0..12).map(|index| Partition { index, ..partition("t", &[10, 11, 12], &[10, 11, 12], 2) });
    let mut story = Story::new(4, partitions.collect());
    assert_eq!(story.finish(), 0, "not unless somebody asks");
    story.spread = true;
    story.finish();
    let replicas = |id| {
        let own = story.observed.partitions().iter().filter(|p| p.replicas.contains(&NodeId(id)));
        own.count()
    };
    // 13 shares its rack with 10 alone, so it can take from it alone, and takes none below the even nine.
    assert_eq!([10, 11, 12, 13].map(replicas), [9, 12, 12, 3]);
}

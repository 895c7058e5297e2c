//! What a restart would take away from partitions and from the quorum.

use std::collections::BTreeSet;

use super::Obstacle;
use crate::model::{Node, NodeId, Observed, PodState, QUORUM_FETCH_TIMEOUT_MS, majority};

/// What speaks against stopping `id` while `gone` are stopped by us. Nothing does if its processes do not run.
pub(super) fn obstacles(
    id: NodeId,
    node: &Node,
    observed: &Observed,
    gone: &BTreeSet<NodeId>,
    now_ms: u64,
) -> Vec<Obstacle> {
    if matches!(node.pod.state, PodState::Stuck { .. }) {
        return Vec::new();
    }
    if observed.led_quorum().is_none() {
        // What Kafka told before is old, and a broker may still serve. One that never came up does not, nor does one that nobody accepts:
        // where all of them are, waiting for a leader would be waiting for ever.
        let may_serve = node.pod.state != PodState::Starting && !node.answers_nobody();
        return may_serve.then_some(Obstacle::NoLeader).into_iter().collect();
    }
    let mut obstacles = partitions(id, observed, gone);
    obstacles.extend(quorum(id, observed, gone, now_ms));
    obstacles
}

/// Every partition keeps `min.insync.replicas` without `id`. Those that cannot, whichever broker is restarted, are not waited
/// for; neither are those that are offline, whose way back may be this very restart.
fn partitions(id: NodeId, observed: &Observed, gone: &BTreeSet<NodeId>) -> Vec<Obstacle> {
    let hosted = observed.partitions().iter().filter(|p| p.isr.contains(&id));
    hosted
        .filter(|p| !p.is_fragile() && p.leader.is_some())
        .filter_map(|p| {
            // Kafka takes a dead broker out of the ISR only when its session is over; Kubernetes knows before.
            let others = p.isr.iter().filter(|other| {
                **other != id && !gone.contains(other) && observed.is_ready(**other)
            });
            let others = others.count();
            (others < p.min_isr).then(|| Obstacle::MinIsr {
                partition: p.name(),
                others,
                min_isr: p.min_isr,
            })
        })
        .collect()
}

/// A majority of voters is in step without `id`. A single voter is its own majority and cannot be waited for; of two, the other
/// has to be in step. One that votes no more takes no vote away.
fn quorum(
    id: NodeId,
    observed: &Observed,
    gone: &BTreeSet<NodeId>,
    now_ms: u64,
) -> Option<Obstacle> {
    let (quorum, _) = observed.led_quorum()?;
    if quorum.voter(id)?.is_silent() {
        return None;
    }
    let others = quorum.voters.iter().filter(|voter| {
        let lag_ms = voter.lag_ms;
        voter.node != id
            && !gone.contains(&voter.node)
            && voter.is_in_step()
            && observed.nodes.get(&voter.node).is_some_and(|node| votes(node, lag_ms, now_ms))
    });
    let others = others.count();
    let majority = match quorum.voters.len() {
        small @ (0..=2) => small.saturating_sub(1),
        voters => majority(voters),
    };
    (others < majority).then_some(Obstacle::Quorum { others, majority })
}

/// Its controller runs, as far as Kubernetes knows. A combined node's broker need not be ready for it.
pub(crate) fn votes(node: &Node, lag_ms: u64, now_ms: u64) -> bool {
    match node.pod.state {
        PodState::Missing | PodState::Terminating | PodState::Stuck { .. } => false,
        // It may have been in step before it came to this: only what it fetched since counts.
        PodState::Starting | PodState::Unresponsive => {
            now_ms.saturating_sub(node.pod.since_ms) > lag_ms + QUORUM_FETCH_TIMEOUT_MS
        }
        PodState::Recovering { .. } | PodState::Ready => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{brokers, partition};

    fn check(observed: &Observed, id: u32, gone: &[u32]) -> Vec<Obstacle> {
        let gone = gone.iter().map(|id| NodeId(*id)).collect();
        obstacles(NodeId(id), &observed.nodes[&NodeId(id)], observed, &gone, 1_000_000)
    }

    #[test]
    fn partition_at_its_minimum_is_an_obstacle_to_its_members_only() {
        let mut cluster = brokers(4);
        cluster.metadata.as_mut().unwrap().partitions =
            vec![partition("t", &[0, 1, 2], &[0, 1], 2)];
        let minimum = Obstacle::MinIsr { partition: "t-0".into(), others: 1, min_isr: 2 };
        assert_eq!(check(&cluster, 0, &[]), [minimum]);
        assert_eq!(check(&cluster, 2, &[]), []);
        assert_eq!(check(&cluster, 3, &[]), []);
    }

    #[test]
    fn member_that_we_restarted_or_that_is_not_ready_does_not_count() {
        let mut cluster = brokers(3);
        cluster.metadata.as_mut().unwrap().partitions =
            vec![partition("t", &[0, 1, 2], &[0, 1, 2], 2)];
        let minimum = Obstacle::MinIsr { partition: "t-0".into(), others: 1, min_isr: 2 };
        assert!(!check(&cluster, 0, &[]).contains(&minimum));
        assert!(check(&cluster, 0, &[1]).contains(&minimum));
        cluster.nodes.get_mut(&NodeId(2)).unwrap().pod.state = PodState::Unresponsive;
        assert!(check(&cluster, 0, &[]).contains(&minimum));
    }

    #[test]
    fn topic_without_spare_replicas_is_not_waited_for() {
        let mut cluster = brokers(2);
        cluster.metadata.as_mut().unwrap().partitions =
            vec![partition("t", &[0], &[0], 1), partition("u", &[0, 1], &[0], 2)];
        assert_eq!(check(&cluster, 0, &[]), []);
    }

    #[test]
    fn majority_of_all_voters_must_be_in_step_without_the_node() {
        let mut cluster = brokers(3);
        assert_eq!(check(&cluster, 0, &[]), []);
        cluster.metadata.as_mut().unwrap().quorum.voters[2].lag_ms = 2_001;
        assert_eq!(check(&cluster, 0, &[]), [Obstacle::Quorum { others: 1, majority: 2 }]);
    }

    #[test]
    fn single_voter_is_not_waited_for_and_two_wait_for_each_other() {
        assert_eq!(check(&brokers(1), 0, &[]), []);
        let mut two = brokers(2);
        assert_eq!(check(&two, 0, &[]), []);
        two.metadata.as_mut().unwrap().quorum.voters[1].lag_ms = 9_999;
        assert_eq!(check(&two, 0, &[]), [Obstacle::Quorum { others: 0, majority: 1 }]);
    }

    #[test]
    fn voter_that_just_started_is_not_in_step_by_what_it_fetched_before() {
        let mut cluster = brokers(3);
        let pod = &mut cluster.nodes.get_mut(&NodeId(1)).unwrap().pod;
        (pod.state, pod.since_ms) = (PodState::Starting, 999_000);
        assert_eq!(check(&cluster, 0, &[]).len(), 1);
        cluster.nodes.get_mut(&NodeId(1)).unwrap().pod.since_ms = 900_000;
        assert_eq!(check(&cluster, 0, &[]).len(), 0);
    }

    #[test]
    fn without_a_leader_only_a_node_that_never_came_up_may_go() {
        let mut cluster = brokers(3);
        cluster.metadata = None;
        assert_eq!(check(&cluster, 0, &[]), [Obstacle::NoLeader]);
        cluster.nodes.get_mut(&NodeId(0)).unwrap().pod.state = PodState::Unresponsive;
        assert_eq!(check(&cluster, 0, &[]), [Obstacle::NoLeader]);
        // Its connections go on for as long as it is ready.
        cluster.nodes.get_mut(&NodeId(1)).unwrap().is_cut_off = true;
        assert_eq!(check(&cluster, 1, &[]), [Obstacle::NoLeader]);
        cluster.nodes.get_mut(&NodeId(1)).unwrap().pod.state = PodState::Unresponsive;
        assert_eq!(check(&cluster, 1, &[]), []);
        cluster.nodes.get_mut(&NodeId(0)).unwrap().pod.state = PodState::Starting;
        assert_eq!(check(&cluster, 0, &[]), []);
    }
}

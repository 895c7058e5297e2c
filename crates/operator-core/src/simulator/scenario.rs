//! What a seed begins with.

use super::random::Random;
use super::world::{Event, SimNode, World};
use crate::drain;
use crate::model::{Desired, NodeId, Roles, Setup, Wanted};
use crate::roller::{Parallelism, Policy, Rollout};
use crate::step::Spec;

/// Brokers of their own have numbers from here on.
pub(super) const BROKERS_FROM: u32 = 10;

impl World {
    /// A new cluster, every disk of it empty.
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let parallelism = match random.range(0, 10) {
            0..=6 => Parallelism::OneAtATime,
            _ => Parallelism::Rack { nodes_max: random.range(2, 4) as usize },
        };
        let policy = Policy {
            rollout: Rollout::Auto,
            parallelism,
            no_progress_timeout_ms: 60_000,
            unresponsive_timeout_ms: 30_000,
        };
        let limits = drain::Limits {
            partitions_max: random.range(1, 5) as usize,
            bytes_max: 2_000_000,
            throttle_bytes_per_s: random.chance(70).then_some(1_000_000),
        };
        let desired = Desired { nodes: nodes(&mut random), ..Desired::default() };
        let spread = random.chance(50);
        let mut world = Self::new(random, Spec { desired, policy, limits, spread });
        world.make_nodes();
        world.after(1_000, Event::Operator);
        world.after(5_000, Event::Topics);
        world
    }

    /// Kubernetes makes what the operator applied: a pod for each node of the spec, with the disk it had, if it is still there.
    pub(super) fn make_nodes(&mut self) {
        let desired: Vec<(NodeId, Roles)> =
            self.spec.desired.nodes.iter().map(|(id, wanted)| (*id, wanted.roles)).collect();
        for (id, roles) in desired {
            if self.nodes.contains_key(&id) {
                continue;
            }
            let rack =
                Some(format!("rack-{}", id.0 % 3)).filter(|_| self.spec.limits.partitions_max > 1);
            let mut node = SimNode::new(roles, rack);
            let kept = self.random.chance(70);
            node.disk = self.shelf.remove(&id).filter(|_| kept);
            // No event of its earlier life is to reach it.
            node.boot = self.now_ms;
            let boot = node.boot;
            self.nodes.insert(id, node);
            self.after_about((200, 3_000), Event::Created(id, boot));
        }
    }
}

fn nodes(random: &mut Random) -> std::collections::BTreeMap<NodeId, Wanted> {
    let setup = Setup { revision: "r-0".into(), ..Setup::default() };
    let wanted = |roles| Wanted { roles, setup: setup.clone() };
    let combined = random.chance(40);
    let controllers = if random.chance(80) { 3 } else { 1 };
    let roles = if combined { Roles::COMBINED } else { Roles::CONTROLLER };
    let mut nodes: std::collections::BTreeMap<NodeId, Wanted> =
        (0..controllers).map(|id| (NodeId(id), wanted(roles))).collect();
    if !combined {
        let brokers = random.range(3, 6) as u32;
        nodes.extend((0..brokers).map(|i| (NodeId(BROKERS_FROM + i), wanted(Roles::BROKER))));
    }
    nodes
}

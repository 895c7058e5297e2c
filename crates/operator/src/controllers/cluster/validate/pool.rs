//! Pools: their roles and their ids.

use std::collections::{BTreeMap, BTreeSet};

use klamm_crd::{KafkaNodePool, Role};

use super::super::{Dereferenced, Ids, Names, ids, names};
use super::Findings;
use crate::model::Roles;

/// Annotation of a KafkaNodePool: ids that leave before others, such as `4,7`.
pub const REMOVE_NODE_IDS: &str = "klamm.dev/remove-node-ids";
/// Kafka's ids are 32 bits with a sign.
const NODE_ID_MAX: u32 = i32::MAX as u32;

/// The ids of each pool.
pub(super) fn check(
    input: &Dereferenced,
    names: &Names,
    found: &mut Findings,
) -> BTreeMap<String, Ids> {
    let live = Live::of(input);
    let mut pools = Vec::new();
    let mut owners: BTreeMap<u32, String> = BTreeMap::new();
    for pool in &input.pools {
        let known = known(input, names, pool, &live, found);
        check_roles(input, pool, found);
        for id in known.stored.union(&known.live) {
            if let Some(other) = owners.insert(*id, known.name.clone()) {
                let wrong = format!("has {id}, and so has pool {other}");
                let remedy = "two nodes of one id destroy each other's data: take it out of the status of the pool that has no such node";
                found.pool(&known.name, "status.nodeIds", wrong, remedy);
            }
        }
        pools.push(known);
    }
    let declared: BTreeSet<&str> = pools.iter().map(|pool| &*pool.name).collect();
    let orphans = live.0.iter().filter(|(pool, _)| !declared.contains(pool.as_str()));
    let taken = orphans.flat_map(|(_, ids)| ids).copied().collect();
    let ids = ids::assign(&pools, &taken);
    check_numbers(input, &ids, found);
    ids
}

/// Ids that have a StatefulSet or a pod, by pool.
struct Live(BTreeMap<String, BTreeSet<u32>>);

impl Live {
    fn of(input: &Dereferenced) -> Self {
        let sets = input.stateful_sets.iter().filter_map(|set| set.metadata.labels.as_ref());
        let pods = input.pods.iter().filter_map(|pod| pod.metadata.labels.as_ref());
        let mut live: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for labels in sets.chain(pods) {
            let (pool, id) = (labels.get(names::LABEL_POOL), names::node_id(labels));
            if let Some((pool, id)) = pool.zip(id) {
                live.entry(pool.clone()).or_default().insert(id.0);
            }
        }
        Self(live)
    }
}

fn known(
    input: &Dereferenced,
    names: &Names,
    pool: &KafkaNodePool,
    live: &Live,
    found: &mut Findings,
) -> ids::Pool {
    let name = pool.metadata.name.clone().unwrap_or_default();
    let stored = pool.status.iter().flat_map(|status| &status.node_ids).copied().collect();
    let live = live.0.get(&name).cloned().unwrap_or_default();
    let disks = input.claims.iter().filter_map(|claim| {
        let claim = claim.metadata.name.as_deref()?;
        let (_, rest) = claim.strip_prefix("data-")?.split_once('-')?;
        let id = rest.strip_prefix(&names.cluster)?.strip_prefix('-')?.strip_prefix(&*name)?;
        id.strip_prefix('-')?.strip_suffix("-0")?.parse().ok()
    });
    ids::Pool {
        replicas: pool.spec.replicas,
        first_node_id: pool.spec.first_node_id.unwrap_or_default(),
        disks: disks.collect(),
        remove: remove(pool, &name, found),
        name,
        stored,
        live,
    }
}

fn remove(pool: &KafkaNodePool, name: &str, found: &mut Findings) -> BTreeSet<u32> {
    let annotation = pool.metadata.annotations.as_ref().and_then(|all| all.get(REMOVE_NODE_IDS));
    let Some(text) = annotation.filter(|text| !text.trim().is_empty()) else {
        return BTreeSet::new();
    };
    let ids: Result<BTreeSet<u32>, _> = text.split(',').map(|id| id.trim().parse()).collect();
    ids.unwrap_or_else(|_| {
        let field = format!("metadata.annotations[{REMOVE_NODE_IDS:?}]");
        found.pool(
            name,
            field,
            format!("is {text:?}"),
            "write node ids with commas between, such as 4,7",
        );
        BTreeSet::new()
    })
}

/// What the roles of a pool are to Kafka.
pub(super) fn roles(roles: &[Role]) -> Roles {
    Roles { broker: roles.contains(&Role::Broker), controller: roles.contains(&Role::Controller) }
}

fn check_roles(input: &Dereferenced, pool: &KafkaNodePool, found: &mut Findings) {
    let name = pool.metadata.name.as_deref().unwrap_or_default();
    let roles = roles(&pool.spec.roles);
    if roles == Roles::default() {
        found.pool(name, "spec.roles", "is empty", "write Broker, Controller or both");
    }
    let labels = input.stateful_sets.iter().filter_map(|set| set.metadata.labels.as_ref());
    let mut own =
        labels.filter(|labels| labels.get(names::LABEL_POOL).is_some_and(|pool| pool == name));
    if let Some(other) = own.find(|labels| names::roles(labels) != roles) {
        let id = names::node_id(other).unwrap_or_default();
        let wrong = format!("is not what node {id} was made with");
        found.pool(
            name,
            "spec.roles",
            wrong,
            "put them back; for others make another pool and scale this one down",
        );
    }
}

/// What a cluster cannot be without.
fn check_numbers(input: &Dereferenced, ids: &BTreeMap<String, Ids>, found: &mut Findings) {
    const FIELD: &str = "metadata.name";
    const CLUSTER: &str = "the cluster";
    let cluster = input.cluster.metadata.name.as_deref().unwrap_or_default();
    if input.pools.is_empty() {
        let wrong = format!("is {cluster}, which no KafkaNodePool names");
        return found.cluster(
            FIELD,
            wrong,
            format!("make KafkaNodePools with spec.cluster: {cluster}"),
        );
    }
    let nodes_with = |role: Role| -> usize {
        let pools = input.pools.iter().filter(|pool| pool.spec.roles.contains(&role));
        let names = pools.filter_map(|pool| pool.metadata.name.as_ref());
        names.filter_map(|name| ids.get(name)).map(|ids| ids.staying.len()).sum()
    };
    match nodes_with(Role::Controller) {
        0 => found.cluster(
            CLUSTER,
            "has no node with role Controller",
            "make a pool with one, or with three",
        ),
        even if even % 2 == 0 => {
            let wrong = format!("has {even} nodes with role Controller");
            let remedy = format!(
                "{even} survive the loss of no more controllers than {} do: take one away or add one",
                even - 1
            );
            found.cluster(CLUSTER, wrong, remedy);
        }
        _ => {}
    }
    if nodes_with(Role::Broker) == 0 {
        found.cluster(CLUSTER, "has no node with role Broker", "make a pool with at least one");
    }
    for (pool, ids) in ids {
        if ids.staying.last().is_some_and(|id| *id > NODE_ID_MAX) {
            found.pool(pool, "spec.firstNodeId", "leaves too few ids", "choose a lower one");
        }
    }
}

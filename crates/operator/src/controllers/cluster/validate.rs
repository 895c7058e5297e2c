//! Whether what somebody wrote can be had. Pure.
//!
//! The API server has checked each object by itself. Here is what needs several of them, or the past; and again what would lose data,
//! because rules of a schema can be switched off.

mod config;
mod finding;
mod jvm;
mod known;
mod listener;
mod name;
mod owned;
mod pool;
mod replication;
mod rollout;
mod spelling;
mod storage;
mod template;
#[cfg(test)]
mod tests;
mod version;

use std::collections::BTreeMap;

use klamm_crd::KafkaNodePool;
use kube::Resource;

pub use finding::{Findings, Invalid};
pub(super) use listener::TLS_KEYS;
pub use pool::REMOVE_NODE_IDS;

use super::validated::Disk;
use super::{Dereferenced, Ids, Inputs, Names, NodeSpec, Validated, certificates, setup};
use crate::model::{NodeId, Roles};

/// A cluster that can be built, or everything that is wrong with it.
///
/// # Errors
/// All that was found, not only the first.
pub fn validate(input: &Dereferenced) -> Result<Validated, Vec<Invalid>> {
    let mut found = Findings::default();
    let spec = &input.cluster.spec;
    let names = Names {
        cluster: input.cluster.metadata.name.clone().unwrap_or_default(),
        namespace: input.namespace.clone(),
    };
    let owner = input.cluster.controller_owner_ref(&());
    if owner.is_none() {
        found.cluster("metadata.uid", "is not there", "this is no object that Kubernetes gave");
    }
    version::check(input, &mut found);
    let listeners = listener::check(input, &mut found);
    let pools = pool::check(input, &names, &mut found);
    name::check(&names, input, &pools, &mut found);
    rollout::check(spec, &mut found);
    config::check_super_users(spec, &mut found);
    if let Err(error) = certificates::policy(&input.cluster) {
        let remedy = "choose other days, or leave them out";
        found.cluster("spec.certificates", format!("cannot be meant: {error}"), remedy);
    }
    let nodes = nodes(input, &names, &listeners, &pools, &mut found);
    let brokers = nodes.values().filter(|node| node.inputs.roles.broker).count();
    replication::check(input, brokers, &mut found);
    replication::warn_of_others(input, brokers, &mut found);
    let Findings { invalid, warnings } = found;
    let (Some(owner), true) = (owner, invalid.is_empty()) else { return Err(invalid) };
    Ok(Validated {
        names,
        owner,
        listeners,
        pools,
        nodes,
        metadata_version: spec.metadata_version.clone(),
        rack_label: spec.rack.as_ref().map(|rack| rack.topology_key.clone()),
        policy: rollout::policy(&spec.rollout),
        limits: rollout::limits(&spec.reassignment),
        spread: spec.reassignment.spread,
        openshift: input.openshift,
        agent_image: input.agent_image.clone(),
        warnings,
    })
}

fn nodes(
    input: &Dereferenced,
    names: &Names,
    listeners: &[klamm_crd::Listener],
    pools: &BTreeMap<String, Ids>,
    found: &mut Findings,
) -> BTreeMap<NodeId, NodeSpec> {
    let mut nodes = BTreeMap::new();
    let cluster_config = config::check_cluster(&input.cluster.spec.config, listeners, found);
    for pool in &input.pools {
        let name = pool.metadata.name.clone().unwrap_or_default();
        let ids = &pools[&name];
        let mut config = cluster_config.clone();
        config.extend(config::check_pool(&name, &pool.spec.config, listeners, found));
        template::check(&name, &pool.spec.template, found);
        storage::check(input, names, pool, ids, found);
        let heap_mib = jvm::check(&name, &pool.spec, found);
        let roles = pool::roles(&pool.spec.roles);
        for id in ids.staying.iter().copied().map(NodeId) {
            let inputs = Inputs {
                listeners: if roles.broker { listeners.to_vec() } else { Vec::new() },
                id,
                ..inputs(input, names, pool, roles, config.clone())
            };
            let sizes = pool.spec.volumes.iter().map(|v| (v.id, v.size.clone())).collect();
            nodes.insert(id, NodeSpec { inputs, sizes, heap_mib });
        }
    }
    nodes
}

/// What the nodes of a pool have in common.
fn inputs(
    input: &Dereferenced,
    names: &Names,
    pool: &KafkaNodePool,
    roles: Roles,
    config: BTreeMap<String, String>,
) -> Inputs {
    let spec = &input.cluster.spec;
    let disk = |volume: &klamm_crd::Volume| Disk {
        id: volume.id,
        storage_class: volume.storage_class.clone(),
    };
    Inputs {
        cluster: names.cluster.clone(),
        namespace: names.namespace.clone(),
        pool: pool.metadata.name.clone().unwrap_or_default(),
        id: NodeId::default(),
        roles,
        version: spec.version.clone(),
        image: spec.image.clone(),
        config,
        listeners: Vec::new(),
        authorization: spec.authorization.clone(),
        rack: spec.rack.is_some() && roles.broker,
        volumes: pool.spec.volumes.iter().map(disk).collect(),
        resources: pool.spec.resources.clone(),
        heap: pool.spec.jvm.heap.clone(),
        jvm_options: pool.spec.jvm.options.clone(),
        template: pool.spec.template.clone(),
        restart: restart(input, pool),
    }
}

/// The last restart that was asked for, of the whole cluster and of the pool.
fn restart(input: &Dereferenced, pool: &KafkaNodePool) -> String {
    let asked = |annotations: &Option<BTreeMap<String, String>>| {
        annotations.as_ref()?.get(setup::RESTART).filter(|text| !text.is_empty()).cloned()
    };
    let cluster = asked(&input.cluster.metadata.annotations).map(|text| format!("cluster {text}"));
    let pool = asked(&pool.metadata.annotations).map(|text| format!("pool {text}"));
    cluster.into_iter().chain(pool).collect::<Vec<_>>().join(", ")
}

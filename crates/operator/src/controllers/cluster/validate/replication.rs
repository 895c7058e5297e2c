//! Replication that the brokers there are to be can give.

use std::collections::BTreeMap;

use klamm_crd::Config;

use super::super::build::defaults;
use super::super::{Dereferenced, setup};
use super::Findings;

/// A replication factor, and how many of the replicas must be in sync.
const PAIRS: [(&str, &str); 4] = [
    ("default.replication.factor", "min.insync.replicas"),
    ("offsets.topic.replication.factor", ""),
    ("share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"),
    ("transaction.state.log.replication.factor", "transaction.state.log.min.isr"),
];

/// Of the cluster and of each pool.
pub(super) fn check(input: &Dereferenced, brokers: usize, found: &mut Findings) {
    // Another sentence says that there are none.
    if brokers == 0 {
        return;
    }
    let cluster = &input.cluster.spec.config;
    check_config(None, cluster, cluster, brokers, found);
    for pool in &input.pools {
        let name = pool.metadata.name.as_deref();
        let mut all = cluster.clone();
        all.0.extend(pool.spec.config.0.clone());
        check_config(name, &pool.spec.config, &all, brokers, found);
    }
}

/// What is written in `own`, which is part of `all`.
fn check_config(
    pool: Option<&str>,
    own: &Config,
    all: &Config,
    brokers: usize,
    found: &mut Findings,
) {
    for (factor, minimum) in PAIRS {
        let replication = number(all, factor);
        if own.0.contains_key(factor)
            && let Some(value) = replication
            && (value > brokers || value == 0)
        {
            let wrong = format!("is {value}, and there are to be {brokers} brokers");
            found.add(
                pool,
                format!("spec.config[{factor:?}]"),
                wrong,
                format!("set 1 to {brokers}, or leave it out"),
            );
        }
        let replication = replication.unwrap_or_else(|| defaults::replication(brokers));
        if (own.0.contains_key(minimum) || own.0.contains_key(factor))
            && let Some(value) = number(all, minimum)
            && value > replication
        {
            let wrong = format!("is {value}, and {factor} is {replication}");
            found.add(
                pool,
                format!("spec.config[{minimum:?}]"),
                wrong,
                format!("nobody could write: set at most {replication}"),
            );
        }
    }
}

fn number(config: &Config, key: &str) -> Option<usize> {
    let value = config.0.get(key)?;
    value.as_u64().and_then(|n| n.try_into().ok()).or_else(|| value.as_str()?.trim().parse().ok())
}

/// Nodes keep what they were made with, so those of a smaller cluster ask for fewer replicas than its size allows now.
pub(super) fn warn_of_others(input: &Dereferenced, brokers: usize, found: &mut Findings) {
    let now = defaults::of(brokers, false);
    let mut others: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for set in &input.stateful_sets {
        let config = setup::wanted(set, "").setup.config;
        let name = set.metadata.name.clone().unwrap_or_default();
        for key in defaults::BY_SIZE.iter().copied().filter(|key| !is_written(input, key)) {
            if config.get(key).is_some_and(|is| *is != now[key]) {
                others.entry(key).or_default().push(format!("{}: {}", name, config[key]));
            }
        }
    }
    for (key, nodes) in others {
        let (should, nodes) = (&now[key], nodes.join(", "));
        found.warn(
            None,
            format_args!(
                "with {brokers} brokers {key} would be {should}; nodes keep what they were made with ({nodes}) until annotation {} of the KafkaCluster changes",
                setup::RESTART
            ),
        );
    }
}

fn is_written(input: &Dereferenced, key: &str) -> bool {
    let pools = input.pools.iter().map(|pool| &pool.spec.config);
    pools.chain([&input.cluster.spec.config]).any(|config| config.0.contains_key(key))
}

//! Names that are parts of other names.

use std::collections::BTreeMap;

use super::super::{Dereferenced, Ids, Names};
use super::Findings;
use crate::model::NodeId;

/// Kubernetes labels a StatefulSet's pods with its name, a hyphen and a hash of ten characters; a label's value has at most 63.
const STATEFUL_SET_NAME_LENGTH_MAX: usize = 52;
/// A service's name is a label of the DNS (RFC 1035 section 2.3.4), and the longest suffix here is `-controllers`.
const CLUSTER_NAME_LENGTH_MAX: usize = 51;

pub(super) fn check(
    names: &Names,
    input: &Dereferenced,
    pools: &BTreeMap<String, Ids>,
    found: &mut Findings,
) {
    let cluster = &names.cluster;
    let is_first = |c: char| c.is_ascii_lowercase();
    if !is_label(cluster)
        || !cluster.starts_with(is_first)
        || cluster.len() > CLUSTER_NAME_LENGTH_MAX
    {
        let remedy = "services are called after it: make another one whose name has only lower-case letters, digits and hyphens, a letter first";
        found.cluster("metadata.name", format!("is {cluster:?}"), remedy);
    }
    for pool in &input.pools {
        let name = pool.metadata.name.as_deref().unwrap_or_default();
        let longest =
            pools.get(name).and_then(|ids| ids.staying.last().copied()).unwrap_or_default();
        let set = names.stateful_set(name, NodeId(longest));
        if !is_label(name) {
            let remedy = "use only lower-case letters, digits and hyphens";
            found.pool(name, "metadata.name", format!("is {name:?}"), remedy);
        } else if set.len() > STATEFUL_SET_NAME_LENGTH_MAX {
            let wrong = format!(
                "makes a StatefulSet {set} of {} characters, and Kubernetes takes {STATEFUL_SET_NAME_LENGTH_MAX}",
                set.len()
            );
            found.pool(name, "metadata.name", wrong, "choose a shorter name for cluster or pool");
        }
    }
}

fn is_label(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(inside) && !name.starts_with('-') && !name.ends_with('-')
}

//! What a node's pod should run, and what it runs: both are read from annotations that the pod carries.
//!
//! **A newer operator restarts nothing.** A StatefulSet remembers which [`Inputs`](super::Inputs) it was made of. While they are the same it is
//! left as it is, however differently this operator would make it today.

pub mod record;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

use super::build::properties;
use super::{Validated, names};
use crate::model::{Desired, NodeId, Setup, Wanted};
use record::recorded;

/// Annotation of a StatefulSet: the fingerprint of what somebody wrote that it was made of.
pub const INPUTS: &str = "klamm.dev/inputs";
/// Annotation of a pod: what is neither of the others.
pub const REVISION: &str = "klamm.dev/revision";
/// Annotation of a pod: `server.properties`.
pub const PROPERTIES: &str = "klamm.dev/server.properties";
/// Annotation of a pod: `log4j2.yaml`.
pub const LOG4J2: &str = "klamm.dev/log4j2.yaml";
/// Annotation of a pod: `agent.json`.
pub const AGENT: &str = "klamm.dev/agent";
/// Annotation of a pod: the ids of its volumes.
pub const STORAGE: &str = "klamm.dev/storage";
/// Annotation of a pod: requests, limits and heap.
pub const RESOURCES: &str = "klamm.dev/resources";
/// Annotation of a KafkaCluster or KafkaNodePool whose change restarts nodes; and of a pod: what it was.
pub const RESTART: &str = "klamm.dev/restart";

/// What is to become of a node's StatefulSet.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is what somebody wants: it is not to be applied.
    Keep,
    /// Somebody else changed it: it is to be what it was made as, at once and whatever the rollout says. That restarts nothing.
    Repair(Box<StatefulSet>),
    /// It is to be applied.
    Apply(Box<StatefulSet>),
    /// Kubernetes changes no volumes of a StatefulSet: it is to be deleted without its pod (`propagationPolicy: Orphan`), and
    /// then applied.
    Recreate(Box<StatefulSet>),
}

impl Verdict {
    /// The StatefulSet that there will be.
    pub fn result<'a>(&'a self, live: Option<&'a StatefulSet>) -> Option<&'a StatefulSet> {
        match self {
            Self::Keep => live,
            Self::Repair(set) | Self::Apply(set) | Self::Recreate(set) => Some(set),
        }
    }
}

/// Keeps what lives while nobody wants anything else of it, and puts back what somebody else made of it.
pub fn keep_or_replace(live: Option<&StatefulSet>, mut built: StatefulSet) -> Verdict {
    let Some(live) = live else { return Verdict::Apply(recorded(None, built)) };
    if inputs(live).is_some() && inputs(live) == inputs(&built) {
        return record::repaired(live, built).map_or(Verdict::Keep, Verdict::Repair);
    }
    let templates = |set: &StatefulSet| -> Vec<PersistentVolumeClaim> {
        set.spec
            .iter()
            .flat_map(|spec| spec.volume_claim_templates.iter().flatten())
            .cloned()
            .collect()
    };
    if disks(&templates(live)) != disks(&templates(&built)) {
        return Verdict::Recreate(recorded(Some(live), built));
    }
    // Sizes are changed in the claims themselves; those in here are of the first day.
    if let Some(spec) = &mut built.spec {
        spec.volume_claim_templates =
            live.spec.as_ref().and_then(|spec| spec.volume_claim_templates.clone());
    }
    Verdict::Apply(recorded(Some(live), built))
}

fn inputs(set: &StatefulSet) -> Option<&String> {
    set.metadata.annotations.as_ref()?.get(INPUTS)
}

fn disks(templates: &[PersistentVolumeClaim]) -> BTreeMap<Option<&String>, Option<&String>> {
    templates
        .iter()
        .map(|claim| {
            let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_ref());
            (claim.metadata.name.as_ref(), class)
        })
        .collect()
}

/// What a StatefulSet's pod should run. `certificate` names the content of the node's Secret; it is not part of the template, because a
/// new one is loaded without a restart.
pub fn wanted(set: &StatefulSet, certificate: &str) -> Wanted {
    let metadata = set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let labels = metadata.and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let annotations =
        metadata.and_then(|metadata| metadata.annotations.clone()).unwrap_or_default();
    let setup = Setup { certificate: certificate.to_owned(), ..read(&annotations) };
    Wanted { roles: names::roles(&labels), setup }
}

/// What a pod of this StatefulSet was started with: of a template that somebody else wrote, nobody knows.
pub fn running_of(set: Option<&StatefulSet>, pod: &Pod) -> Setup {
    let mut running = running(pod);
    if set.is_some_and(|set| record::is_of_undone(set, pod)) {
        running.revision.push_str(" edited");
    }
    running
}

/// What a pod was started with. Its certificate is left empty: that is for its agent to tell, and so are properties that were altered
/// since for Kafka.
pub fn running(pod: &Pod) -> Setup {
    pod.metadata.annotations.as_ref().map(read).unwrap_or_default()
}

fn read(annotations: &BTreeMap<String, String>) -> Setup {
    let part = |key: &str| annotations.get(key).cloned().unwrap_or_default();
    Setup {
        revision: part(REVISION),
        config: properties::read(&part(PROPERTIES)),
        certificate: String::new(),
        storage: part(STORAGE),
        resources: part(RESOURCES),
        restart: part(RESTART),
    }
}

/// The cluster as the core wants it told: nodes that stay with what their StatefulSets will be, nodes that leave with what theirs
/// are. `certificates` names the content of each node's Secret.
pub fn desired(
    validated: &Validated,
    verdicts: &BTreeMap<NodeId, Verdict>,
    live: &BTreeMap<NodeId, StatefulSet>,
    certificates: &BTreeMap<NodeId, String>,
) -> Desired {
    let certificate = |id: &NodeId| certificates.get(id).map_or("", String::as_str);
    let stays = |(id, verdict): (&NodeId, &Verdict)| {
        let set = verdict.result(live.get(id))?;
        validated.nodes.contains_key(id).then(|| (*id, wanted(set, certificate(id))))
    };
    let leaves = live.iter().filter(|(id, _)| !validated.nodes.contains_key(id));
    Desired {
        nodes: verdicts.iter().filter_map(stays).collect(),
        leaving: leaves.map(|(id, set)| (*id, wanted(set, certificate(id)))).collect(),
    }
}

/// StatefulSets by the id of their node.
pub fn by_id(sets: impl IntoIterator<Item = StatefulSet>) -> BTreeMap<NodeId, StatefulSet> {
    let id = |set: StatefulSet| Some((names::node_id(set.metadata.labels.as_ref()?)?, set));
    sets.into_iter().filter_map(id).collect()
}

#[cfg(test)]
mod tests;

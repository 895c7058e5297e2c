//! Disks: what is on them stays.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use klamm_crd::{KafkaNodePool, Volume};

use super::super::{Dereferenced, Ids, Names, claims, quantity, setup};
use super::Findings;
use crate::model::NodeId;

pub(super) fn check(
    input: &Dereferenced,
    names: &Names,
    pool: &KafkaNodePool,
    ids: &Ids,
    found: &mut Findings,
) {
    let name = pool.metadata.name.as_deref().unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (index, volume) in pool.spec.volumes.iter().enumerate() {
        let field = format!("spec.volumes[{index}]");
        if !seen.insert(volume.id) {
            let wrong = format!("is {}, as is another one's", volume.id);
            found.pool(name, format!("{field}.id"), wrong, "give each volume its own id");
        }
        match quantity::whole(&volume.size) {
            Some(1..) => {}
            _ => {
                let wrong = format!("is {:?}, which is no size", volume.size.0);
                found.pool(
                    name,
                    format!("{field}.size"),
                    wrong,
                    "write it as Kubernetes does, such as 100Gi",
                );
            }
        }
    }
    let history = History { input, names, pool: name };
    for id in ids.staying.iter().copied().map(NodeId) {
        // One node's disks tell the story of its pool: one sentence for all of them is enough.
        let before = found.invalid.len();
        history.check_volumes(&pool.spec.volumes, id, found);
        history.check_removed(&pool.spec.volumes, id, found);
        history.check_first(&pool.spec.volumes, id, found);
        if found.invalid.len() > before {
            return;
        }
    }
}

/// What is known of the disks of a pool.
struct History<'a> {
    input: &'a Dereferenced,
    names: &'a Names,
    pool: &'a str,
}

impl History<'_> {
    fn claim(&self, name: &str) -> Option<&PersistentVolumeClaim> {
        self.input.claims.iter().find(|claim| claim.metadata.name.as_deref() == Some(name))
    }

    fn check_volumes(&self, volumes: &[Volume], id: NodeId, found: &mut Findings) {
        for (index, volume) in volumes.iter().enumerate() {
            let claim = self.names.claim(volume.id, self.pool, id);
            let Some(claim) = self.claim(&claim) else { continue };
            if let Some(declared) = claims::declared(claim)
                && quantity::whole(&volume.size) < quantity::whole(&declared)
            {
                let wrong = format!("is {}, and node {id} has {}", volume.size.0, declared.0);
                let remedy = "disks cannot shrink: put it back, or make another pool and scale this one down";
                found.pool(self.pool, format!("spec.volumes[{index}].size"), wrong, remedy);
            }
            let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
            if let (Some(wanted), Some(is)) = (volume.storage_class.as_deref(), class)
                && wanted != is
            {
                let wrong = format!("is {wanted}, and node {id} has a disk of {is}");
                let remedy = "a disk stays in its class: put it back, or make another pool and scale this one down";
                found.pool(self.pool, format!("spec.volumes[{index}].storageClass"), wrong, remedy);
            }
        }
    }

    fn check_removed(&self, volumes: &[Volume], id: NodeId, found: &mut Findings) {
        let suffix = format!("-{}", self.names.pod(self.pool, id));
        for claim in &self.input.claims {
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            let volume = name.strip_prefix("data-").and_then(|rest| rest.strip_suffix(&suffix));
            let Some(volume) = volume.and_then(|id| id.parse::<u32>().ok()) else { continue };
            if volumes.iter().all(|known| known.id != volume) {
                let wrong = format!(
                    "has no volume {volume} any more, and node {id} has data on it ({name})"
                );
                let remedy =
                    "put it back; to be without it make another pool and scale this one down";
                found.pool(self.pool, "spec.volumes", wrong, remedy);
            }
        }
    }

    /// The metadata log is on the first one. A controller that looked for it elsewhere would be one that lost its disk.
    fn check_first(&self, volumes: &[Volume], id: NodeId, found: &mut Findings) {
        let set = self.names.stateful_set(self.pool, id);
        let live =
            self.input.stateful_sets.iter().find(|live| live.metadata.name.as_ref() == Some(&set));
        let Some(live) = live else { return };
        let storage = setup::wanted(live, "").setup.storage;
        let first = storage.split(',').next().and_then(|id| id.parse::<u32>().ok());
        if let (Some(first), Some(now)) = (first, volumes.first())
            && first != now.id
        {
            let wrong =
                format!("is volume {}, and node {id} has its metadata on volume {first}", now.id);
            let remedy = format!("write volume {first} first and others after it");
            found.pool(self.pool, "spec.volumes[0]", wrong, remedy);
        }
    }
}

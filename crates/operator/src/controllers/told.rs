//! Why a resource is not acted on: no cluster, somebody else's name, a pause. Pure.

use klamm_crd::KafkaCluster;

use super::board::{Item, Standing};
use super::registry::{Claimant, Key};
use super::status::Told;

/// Whether there is a cluster to do something in.
pub(crate) fn cluster_told(key: &Key, cluster: Option<&KafkaCluster>) -> Result<(), Told> {
    let Key { namespace, name } = key;
    match cluster {
        None => {
            let message = format!(
                "there is no KafkaCluster {name} in namespace {namespace}; create it, or make this resource anew for another one"
            );
            Err(Told::no("NoCluster", message))
        }
        Some(cluster) if cluster.metadata.deletion_timestamp.is_some() => {
            Err(Told::no("NoCluster", format!("KafkaCluster {key} is being deleted")))
        }
        Some(_) => Ok(()),
    }
}

/// Whether the resource may have what it names.
pub(crate) fn standing_told<R: Claimant>(item: &Item<R>, kind: &str) -> Result<(), Told> {
    let (name, cluster) = (item.resource.claimed(), item.resource.cluster());
    match &item.standing {
        Standing::Owner => Ok(()),
        Standing::Taken(by) => Err(Told::no(
            "NameTaken",
            format!("{kind} '{name}' belongs to {by}, which was first; nothing was touched"),
        )),
        Standing::NotAllowed => Err(Told::no(
            "NotAllowed",
            format!(
                "namespace {} may not name {kind} '{name}': see spec.claims of KafkaCluster {cluster}",
                item.key.namespace
            ),
        )),
    }
}

pub(crate) fn pause_told(paused: bool, cluster: Option<&KafkaCluster>) -> Result<(), Told> {
    if paused {
        return Err(Told::no("Paused", "nothing is touched while spec.paused is true"));
    }
    if cluster.is_some_and(|cluster| cluster.spec.paused) {
        return Err(Told::no("Paused", "nothing is touched while the KafkaCluster is paused"));
    }
    Ok(())
}

//! The failure domains of machines, asked for once in a while: neither a machine's label nor a pod's machine changes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node as Machine, Pod};
use kube::api::Api;
use kube::{Client, ResourceExt as _};

use super::look::by_id;
use crate::model::NodeId;

/// What a machine was asked is believed for so long. Somebody may correct a label; and a machine of the same name may be another one.
const BELIEVED_MS: u64 = 60_000;

/// What machines said, by their name. As many as have a pod of the cluster.
#[derive(Debug, Default)]
pub struct Racks {
    label: String,
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    rack: String,
    at_ms: u64,
}

impl Racks {
    /// The failure domain of each node: labels of the machines that pods are on.
    ///
    /// # Errors
    /// Of the API server.
    pub async fn of(
        &mut self,
        client: &Client,
        label: Option<&str>,
        pods: &[Pod],
        now_ms: u64,
    ) -> Result<BTreeMap<NodeId, String>, kube::Error> {
        let Some(label) = label else { return Ok(BTreeMap::new()) };
        let api: Api<Machine> = Api::all(client.clone());
        let on = machines(pods);
        for machine in self.unknown(label, on.values().copied().collect(), now_ms) {
            let found = api.get_metadata_opt(machine).await?;
            let rack = found.and_then(|found| found.labels().get(label).cloned());
            self.learn(machine, rack, now_ms);
        }
        let rack =
            |(id, machine): (NodeId, &str)| Some((id, self.known.get(machine)?.rack.clone()));
        Ok(on.into_iter().filter_map(rack).collect())
    }

    /// Machines that are to be asked; the others that are not in use any more are forgotten.
    fn unknown<'a>(&mut self, label: &str, used: BTreeSet<&'a str>, now_ms: u64) -> Vec<&'a str> {
        if self.label != label {
            label.clone_into(&mut self.label);
            self.known.clear();
        }
        self.known.retain(|machine, known| {
            used.contains(&**machine) && now_ms.saturating_sub(known.at_ms) < BELIEVED_MS
        });
        used.into_iter().filter(|machine| !self.known.contains_key(*machine)).collect()
    }

    /// One that has no label yet is asked again the next time.
    fn learn(&mut self, machine: &str, rack: Option<String>, now_ms: u64) {
        let Some(rack) = rack else { return };
        self.known.insert(machine.to_owned(), Known { rack, at_ms: now_ms });
    }
}

fn machines(pods: &[Pod]) -> BTreeMap<NodeId, &str> {
    let mut machines = BTreeMap::new();
    for (id, pod) in by_id(pods) {
        let machine = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        machines.extend(machine.map(|machine| (id, machine)));
    }
    machines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_is_asked_once_a_minute_and_until_it_has_a_label() {
        let mut racks = Racks::default();
        let both = BTreeSet::from(["a", "b"]);
        assert_eq!(racks.unknown("zone", both.clone(), 0), ["a", "b"]);
        racks.learn("a", Some("z1".into()), 0);
        racks.learn("b", None, 0);
        assert_eq!(racks.unknown("zone", both.clone(), 59_999), ["b"]);
        assert_eq!(racks.unknown("zone", both.clone(), 60_000), ["a", "b"]);
        racks.learn("a", Some("z1".into()), 60_000);
        assert_eq!(racks.unknown("rack", both, 60_000), ["a", "b"]);
    }

    #[test]
    fn machine_without_a_pod_is_forgotten() {
        let mut racks = Racks::default();
        racks.learn("a", Some("z1".into()), 0);
        racks.label = "zone".into();
        assert!(racks.unknown("zone", BTreeSet::new(), 1).is_empty());
        assert!(racks.known.is_empty());
    }
}

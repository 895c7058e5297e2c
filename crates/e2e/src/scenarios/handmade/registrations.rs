//! Who registered with which broker id, by the controller's log: Kafka's own witness.

use std::collections::{BTreeMap, BTreeSet};

use crate::end::{End, Outcome};

/// A registration that the controller took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) id: u32,
    pub(super) epoch: u64,
    /// The pod's address.
    pub(super) address: String,
}

/// In the order they were taken.
pub(super) fn read(log: &str) -> Vec<Registration> {
    log.lines().filter_map(registration).collect()
}

fn registration(line: &str) -> Option<Registration> {
    let (_, rest) = line.split_once("Replayed ")?.1.split_once("RegisterBrokerRecord(brokerId=")?;
    let (id, rest) = rest.split_once(',')?;
    let (_, epoch) = rest.split_once("brokerEpoch=")?;
    let (_, address) = rest.split_once("host='")?;
    Some(Registration {
        id: id.parse().ok()?,
        epoch: epoch.split_once(',')?.0.parse().ok()?,
        address: address.split_once('\'')?.0.to_owned(),
    })
}

/// Each id went from pod to pod and never back, with a larger epoch each time, and no pod had two.
pub(super) fn one_after_the_other(registrations: &[Registration]) -> Outcome {
    let mut held: BTreeMap<u32, Vec<&Registration>> = BTreeMap::new();
    for registration in registrations {
        held.entry(registration.id).or_default().push(registration);
    }
    for (id, held) in &held {
        let grow = held.windows(2).all(|pair| pair[0].epoch < pair[1].epoch);
        End::unless(grow, || format!("epochs of id {id} do not grow: {held:?}"))?;
        let mut addresses: Vec<&String> = held.iter().map(|one| &one.address).collect();
        addresses.dedup();
        let once: BTreeSet<&String> = addresses.iter().copied().collect();
        End::unless(once.len() == addresses.len(), || {
            format!("id {id} went to and fro: {held:?}")
        })?;
    }
    let owners: BTreeSet<(&String, u32)> =
        registrations.iter().map(|one| (&one.address, one.id)).collect();
    let pods: BTreeSet<&String> = registrations.iter().map(|one| &one.address).collect();
    End::unless(owners.len() == pods.len(), || format!("a pod with two ids: {owners:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: u32, epoch: u64, address: &str) -> String {
        format!(
            "INFO Replayed RegisterBrokerRecord establishing a new incarnation of broker {id}: \
             RegisterBrokerRecord(brokerId={id}, incarnationId=a, brokerEpoch={epoch}, \
             endPoints=[BrokerEndpoint(name='PLAINTEXT', host='{address}', port=9092)])\n"
        )
    }

    #[test]
    fn registrations_are_read_from_the_controllers_log() {
        let log = format!("INFO something else\n{}", line(3, 26, "10.0.0.5"));
        let address = "10.0.0.5".to_owned();
        assert_eq!(read(&log), [Registration { id: 3, epoch: 26, address }]);
    }

    #[test]
    fn id_that_goes_back_and_pod_with_two_ids_are_noticed() {
        let good = [line(1, 1, "a"), line(2, 2, "b"), line(1, 3, "c")].concat();
        assert!(one_after_the_other(&read(&good)).is_ok());
        let back = [good.clone(), line(1, 4, "a")].concat();
        assert!(one_after_the_other(&read(&back)).is_err());
        let two = [good, line(2, 4, "c")].concat();
        assert!(one_after_the_other(&read(&two)).is_err());
    }
}

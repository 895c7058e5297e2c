//! What the loop knows of a node besides what decisions need: names, addresses, its agent's word.

use std::collections::BTreeMap;

use klamm_agent::protocol::State;

use crate::agents::Address;
use crate::model::PodState;

/// What is known of a node.
#[derive(Debug, Clone, Default)]
pub struct NodeFacts {
    /// Keeps partitions.
    pub is_broker: bool,
    /// Its StatefulSet.
    pub stateful_set: String,
    /// It is there.
    pub has_stateful_set: bool,
    /// Its pod.
    pub pod_name: String,
    /// Its name in the network.
    pub host: String,
    /// Its agent's address, once the pod has one.
    pub address: Option<Address>,
    /// What its agent said.
    pub agent: Option<State>,
    /// The failure domain of the machine it is on.
    pub rack: Option<String>,
    /// Properties that name files with certificates.
    pub stores: BTreeMap<String, String>,
    /// What its pod does.
    pub state: PodState,
    /// Nobody accepts its certificate any more.
    pub is_cut_off: bool,
}

impl NodeFacts {
    /// Somebody may miss it.
    pub fn serves(&self) -> bool {
        match self.state {
            PodState::Ready | PodState::Recovering { .. } => true,
            PodState::Unresponsive => !self.is_cut_off,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_that_nobody_accepts_is_missed_by_nobody_once_it_does_not_answer() {
        let facts =
            |state, is_cut_off| NodeFacts { state, is_cut_off, ..NodeFacts::default() }.serves();
        assert!(facts(PodState::Unresponsive, false));
        assert!(!facts(PodState::Unresponsive, true));
        assert!(facts(PodState::Ready, true));
        assert!(!facts(PodState::Starting, false));
    }
}

//! The client and `Admin` against real brokers and controllers of Apache Kafka on this machine.

use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use klamm_testkit::table::{Case, run};
use klamm_testkit::{Peers, Skip};

mod acls;
mod brokers;
mod certificates;
mod cluster;
mod configs;
mod features;
mod moves;
mod quorum;
mod quotas;
mod scram;
mod tls;
mod topics;

use cluster::KafkaCluster;

/// A case may begin with the start of several nodes.
const LIMIT: Duration = Duration::from_secs(600); // together they take half a minute on two idle cores

type Test = fn(&KafkaCluster);

/// Cases that share a cluster of two brokers.
const SHARED: &[(&str, Test)] = &[
    ("moves: replicas move, are throttled, and are seen as they move", moves::replicas_move),
    ("scram: user that was made logs in, and no other", scram::users_log_in),
    ("acls: rules are made, found, bind, and are deleted", acls::rules_bind),
    ("tls: each failure says whose fault it is", tls::failures_are_told_apart),
    ("configs: each value says where it comes from", configs::sources_are_told),
    ("configs: what changes live is what the operator takes for it", configs::live_ones_are_known),
    ("topics: many in one call, each with its own outcome", topics::batches_have_outcomes),
    ("quotas: set, found and taken away", quotas::come_and_go),
    ("features: told, raised and lowered", features::are_updated),
    ("brokers: one that left is fenced, then forgotten", brokers::come_and_go),
];

fn main() -> ExitCode {
    let peers = Peers::find();
    let cluster = OnceLock::new();
    let shared = || -> Result<&KafkaCluster, Skip> {
        let started = cluster.get_or_init(|| KafkaCluster::start(&peers));
        started.as_ref().map_err(Clone::clone)
    };
    let case = |(name, test): &(&str, Test)| {
        let test = *test;
        Case::new((*name).to_owned(), move || shared().map(test)).within(LIMIT)
    };
    let mut cases = vec![
        Case::new("quorum: controllers join and leave, and no broker is needed".to_owned(), || {
            quorum::voters_come_and_go(&peers)
        })
        .within(LIMIT),
    ];
    cases.extend(SHARED.iter().map(case));
    run(cases)
}

//! A cluster that the operator runs.

use std::time::Duration;

use crate::end::{End, Outcome};
use crate::faults::{self, Fault, Target};
use crate::kubectl::Namespace;
use crate::load::{Load, Spec};
use crate::operator::Operator;
use crate::stage::Stage;
use crate::wait::PATIENCE;

/// Longer than a roll of three nodes takes on two cores.
const ROLL: Duration = Duration::from_secs(420);

/// Three combined nodes of `examples/kubernetes/three-brokers.yaml`.
struct Three {
    namespace: Namespace,
}

impl Target for Three {
    fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    fn bootstrap(&self) -> String {
        format!("kafka-bootstrap.{}.svc.cluster.local:9092", self.namespace.name())
    }

    fn pod(&self, broker: i32) -> String {
        format!("kafka-brokers-{broker}-0")
    }

    fn meta_properties(&self) -> String {
        "/var/lib/kafka/data-0/log/meta.properties".to_owned()
    }
}

impl Three {
    fn new(stage: &mut Stage<'_>, name: &str) -> Outcome<Self> {
        Operator::install(stage)?;
        let namespace = stage.namespace(name)?;
        namespace.apply_file("examples/kubernetes/three-brokers.yaml")?;
        let took = namespace.wait("kafkacluster/kafka", "condition=Ready", PATIENCE * 2)?;
        stage.number("three brokers Ready after apply", took.as_millis(), "ms");
        Ok(Self { namespace })
    }
}

/// Killed, deleted, crashed: each time a broker is back by itself, as who it was.
pub(super) fn faults(stage: &mut Stage<'_>) -> Outcome {
    let three = Three::new(stage, "faults")?;
    faults::faults(stage, &three, &Fault::ALL)
}

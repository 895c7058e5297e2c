//! What Kubernetes does for Kafka without an operator: a StatefulSet written by hand (`e2e/baseline`), with the faults that
//! the operator's cluster is to survive.

use crate::end::Outcome;
use crate::faults::{self, Fault, Target};
use crate::kubectl::Namespace;
use crate::stage::Stage;
use crate::wait::PATIENCE;

struct StatefulSet {
    namespace: Namespace,
}

impl Target for StatefulSet {
    fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    fn bootstrap(&self) -> String {
        format!("kafka.{}.svc.cluster.local:9092", self.namespace.name())
    }

    fn pod(&self, broker: i32) -> String {
        format!("kafka-{broker}")
    }

    fn meta_properties(&self) -> String {
        "/var/lib/kafka/data/log/meta.properties".to_owned()
    }
}

pub(super) fn faults(stage: &mut Stage<'_>) -> Outcome {
    let namespace = stage.namespace("baseline")?;
    namespace.apply_file("e2e/baseline/kafka.yaml")?;
    let all = "jsonpath={.status.readyReplicas}=3";
    let took = namespace.wait("statefulset/kafka", all, PATIENCE)?;
    stage.number("three brokers Ready after apply", took.as_millis(), "ms");
    faults::faults(stage, &StatefulSet { namespace }, &Fault::ALL)
}

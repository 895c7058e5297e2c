//! Klamm's custom resources (`klamm.dev/v1alpha1`): what somebody writes to have an Apache Kafka cluster on Kubernetes.
//!
//! ```
//! use klamm_crd::KafkaTopic;
//! use kube::CustomResourceExt;
//!
//! let definition = KafkaTopic::crd();
//! assert_eq!(definition.metadata.name.as_deref(), Some("kafkatopics.klamm.dev"));
//! ```
//!
//! # Guarantees
//! - What the API server takes, these types read; what only the API server can check (ranges, what must not change) is a rule in the
//!   schema, and what needs other objects is checked by the operator, which says so in a condition.
//! - [`definitions`] are small enough for client-side `kubectl apply` (an annotation holds at most 256 KiB).
//!
//! # Non-goals
//! No client and no behaviour: those are the operator's.
#![deny(missing_docs)]
#![allow(clippy::duplicated_attributes, reason = "columns of one type are no duplicates")]
#![allow(unreachable_pub, reason = "KubeSchema repeats each type within a function")]

mod cluster;
mod common;
mod condition;
mod gateway;
mod listener;
mod pool;
mod rollout;
mod topic;
mod user;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

pub use cluster::{
    Authorization, CertificatePolicy, Certificates, Claim, KafkaCluster, KafkaClusterSpec,
    KafkaClusterStatus, ListenerStatus, NodeStatus, PlanStatus, PlannedRestart, Rack, Reassignment,
};
pub use common::{ClusterRef, Config, PodTemplate, SecretKeyRef, SecretRef};
pub use condition::{Condition, Conditions};
pub use gateway::{Gateway, GatewayService, GatewaySpec, GatewayStatus, ServiceType};
pub use listener::{IssuerRef, Listener, ListenerAuthentication, ListenerTls};
pub use pool::{Jvm, KafkaNodePool, KafkaNodePoolSpec, KafkaNodePoolStatus, Role, Volume};
pub use rollout::{Day, MaintenanceWindow, Parallelism, Rollout, RolloutMode};
pub use topic::{DeletionPolicy, KafkaTopic, KafkaTopicSpec, KafkaTopicStatus};
pub use user::{
    Acl, AclOperation, AclPermission, AclResource, AclResourceType, Authentication, KafkaUser,
    KafkaUserSpec, KafkaUserStatus, PatternType, Quotas,
};

/// The API group.
pub const GROUP: &str = "klamm.dev";

/// Every custom resource definition, in the order to apply them.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![
        KafkaCluster::crd(),
        KafkaNodePool::crd(),
        KafkaTopic::crd(),
        KafkaUser::crd(),
        Gateway::crd(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kubectl apply` keeps the whole object in an annotation, and those hold 256 KiB together.
    const DEFINITION_BYTES_MAX: usize = 64 << 10;

    #[test]
    fn definitions_fit_into_an_annotation_with_room_to_grow() {
        for definition in definitions() {
            let bytes = serde_json::to_vec(&definition).unwrap().len();
            let name = definition.metadata.name.unwrap();
            assert!(bytes <= DEFINITION_BYTES_MAX, "{name} has {bytes} bytes");
        }
    }

    #[test]
    fn properties_are_text_and_nothing_nested_is_taken() {
        let read = |json: serde_json::Value| serde_json::from_value::<Config>(json).unwrap();
        let config = read(serde_json::json!({"a": 1, "b": true, "c": "x"}));
        let text: Vec<String> = config.properties().unwrap().into_values().collect();
        assert_eq!(text, ["1", "true", "x"]);
        assert_eq!(read(serde_json::json!({"a": {"b": 1}})).properties(), Err("a".to_owned()));
    }

    #[test]
    fn resource_with_nothing_but_what_it_must_have_is_read() {
        let pool: KafkaNodePoolSpec = serde_json::from_value(
            serde_json::json!({"cluster": "c", "replicas": 3, "roles": ["Broker"]}),
        )
        .unwrap();
        assert_eq!(pool.roles, [Role::Broker]);
        let cluster: KafkaClusterSpec =
            serde_json::from_value(serde_json::json!({"version": "4.3.0"})).unwrap();
        assert!(cluster.reassignment.spread);
    }

    #[test]
    fn condition_keeps_the_time_of_its_last_transition() {
        use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
        let at = |seconds| Time(k8s_openapi::jiff::Timestamp::from_second(seconds).unwrap());
        let mut conditions = Vec::new();
        conditions.set("Ready", false, "Starting", "1 of 3", None, at(1));
        conditions.set("Ready", false, "Starting", "2 of 3", None, at(2));
        let condition = conditions.of("Ready").unwrap();
        assert_eq!(
            (condition.last_transition_time.clone(), &*condition.message),
            (at(1), "2 of 3")
        );
        conditions.set("Ready", true, "Ready", "", None, at(3));
        assert_eq!(conditions.of("Ready").unwrap().last_transition_time, at(3));
    }
}

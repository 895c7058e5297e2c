//! Clusters for tests, as somebody would write them.

use std::collections::BTreeSet;

use klamm_crd::{KafkaCluster, KafkaNodePool};
use serde::de::DeserializeOwned;

use super::{Dereferenced, Validated, validate};

fn read<T: DeserializeOwned>(yaml: &str) -> T {
    serde_saphyr::from_str(yaml).unwrap()
}

pub(crate) fn dereferenced(cluster: &str, pools: &[&str]) -> Dereferenced {
    let mut cluster: KafkaCluster = read(cluster);
    cluster.metadata.uid = Some("00000000-0000-4000-8000-000000000001".into());
    Dereferenced {
        cluster,
        pools: pools.iter().map(|pool| read::<KafkaNodePool>(pool)).collect(),
        agent_image: "klamm-operator:1".into(),
        namespace: "ns".into(),
        ..Dereferenced::default()
    }
}

/// One node that is both, its data gone with its pod.
pub(crate) fn single_input() -> Dereferenced {
    dereferenced(
        "{apiVersion: klamm.dev/v1alpha1, kind: KafkaCluster, metadata: {name: dev, namespace: ns}, spec: {version: 4.3.0}}",
        &["{apiVersion: klamm.dev/v1alpha1, kind: KafkaNodePool, metadata: {name: all, namespace: ns},
            spec: {cluster: dev, replicas: 1, roles: [Broker, Controller]}}"],
    )
}

/// Three nodes that are both, with disks and properties.
pub(crate) fn combined_input() -> Dereferenced {
    dereferenced(
        r#"
apiVersion: klamm.dev/v1alpha1
kind: KafkaCluster
metadata: {name: orders, namespace: ns}
spec:
  version: 4.3.0
  config: {num.io.threads: 16, log.retention.hours: 24}
"#,
        &[r#"
apiVersion: klamm.dev/v1alpha1
kind: KafkaNodePool
metadata: {name: all, namespace: ns}
spec:
  cluster: orders
  replicas: 3
  roles: [Broker, Controller]
  volumes:
    - {id: 0, size: 10Gi, storageClass: fast}
    - {id: 1, size: 100Gi}
  resources: {requests: {cpu: "1", memory: 4Gi}, limits: {memory: 4Gi}}
  jvm: {options: ["-XX:MaxGCPauseMillis=50"]}
  config: {num.io.threads: 8}
"#],
    )
}

/// Controllers and brokers apart, in racks, with every kind of listener.
pub(crate) fn secured_input() -> Dereferenced {
    let input = dereferenced(
        r#"
apiVersion: klamm.dev/v1alpha1
kind: KafkaCluster
metadata: {name: bank, namespace: ns}
spec:
  version: 4.3.0
  image: registry.example.com/kafka:4.3.0
  metadataVersion: 4.3-IV0
  authorization: {superUsers: ["User:CN=root"]}
  rack: {}
  rollout: {mode: Window, windows: [{days: [Sunday], from: "02:30", minutes: 120}], parallelism: {brokersOfOneRack: 2}}
  listeners:
    - {name: plain, port: 9092}
    - {name: mtls, port: 9093, tls: {}, authentication: Tls}
    - {name: scram, port: 9094, tls: {secret: {name: own}}, authentication: ScramSha512}
    - {name: public, port: 9095, tls: {issuer: {name: letsencrypt, kind: ClusterIssuer}}}
    - {name: sasl, port: 9096, authentication: ScramSha512}
"#,
        &[
            r#"
apiVersion: klamm.dev/v1alpha1
kind: KafkaNodePool
metadata: {name: controllers, namespace: ns}
spec:
  cluster: bank
  replicas: 3
  roles: [Controller]
  volumes: [{id: 0, size: 5Gi}]
"#,
            r#"
apiVersion: klamm.dev/v1alpha1
kind: KafkaNodePool
metadata: {name: brokers, namespace: ns}
spec:
  cluster: bank
  replicas: 3
  roles: [Broker]
  firstNodeId: 100
  volumes: [{id: 0, size: 100Gi}]
  jvm: {heap: 4g}
  template:
    labels: {team: payments}
    annotations: {example.com/scrape: "true"}
    nodeSelector: {disk: nvme}
    tolerations: [{key: kafka, operator: Exists}]
    priorityClassName: high
    imagePullSecrets: [{name: registry}]
    terminationGracePeriodSeconds: 300
"#,
        ],
    );
    let keys: BTreeSet<String> = ["tls.crt".to_owned(), "tls.key".to_owned()].into();
    let own = ["own", "bank-listener-public"].map(|name| (name.to_owned(), keys.clone()));
    Dereferenced { secrets: own.into(), ..input }
}

/// Ids are given out by the platform.
pub(crate) fn openshift_input() -> Dereferenced {
    Dereferenced { openshift: true, ..single_input() }
}

#[track_caller]
pub(crate) fn valid(input: &Dereferenced) -> Validated {
    validate(input).unwrap_or_else(|invalid| panic!("{invalid:#?}"))
}

pub(crate) fn secured() -> Validated {
    valid(&secured_input())
}

//! For unit tests: a node 3 of a cluster.

use klamm_agent::protocol::{Config, Formatted, Role};

use crate::disk::{Content, Disks, LogDir};

pub const CLUSTER: &str = "q1Sh-9_ISia_zwGINzRvyQ";
pub const OTHER_CLUSTER: &str = "a2xhbW0gdGVzdCBjbHVzdA";

pub fn config() -> Config {
    Config {
        node_id: 3,
        cluster: "c".into(),
        roles: vec![Role::Broker, Role::Controller],
        log_dirs: vec!["/d0/log".into(), "/d1/log".into()],
        metadata_dir: "/d0/log".into(),
        operator: "CN=klamm-operator,O=c".into(),
        listeners: Vec::new(),
        grace_ms: 3_000,
        internal_port: 9091,
        controller_port: 9090,
        storage: "/opt/kafka/bin/kafka-storage.sh".into(),
        server: "/opt/kafka/bin/kafka-server-start.sh".into(),
    }
}

/// A formatted directory, told apart by a digit.
pub fn disk(node_id: i32, cluster_id: &str, digit: u8) -> Formatted {
    let directory_id = format!("JEXY6aqzQY-32P5TStzaF{digit}");
    Formatted { cluster_id: cluster_id.into(), node_id, directory_id }
}

/// Log directories with these contents, and no marker.
pub fn dirs(contents: &[Content]) -> Disks {
    let dir = |(index, content): (usize, &Content)| LogDir {
        path: format!("/d{index}/log").into(),
        content: content.clone(),
    };
    Disks { dirs: contents.iter().enumerate().map(dir).collect(), marker: None }
}

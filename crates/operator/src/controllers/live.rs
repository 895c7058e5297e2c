//! Controllers on a real Apache Kafka: what the models take for Kafka is what Kafka does.

use klamm_kafka::security::Security;
use klamm_testkit::{KafkaNode, NodeOptions, Peers};

use super::{topic, user};
use crate::kafka::{Connections, Target};

#[test]
fn topics_and_users_come_change_and_go_on_a_real_kafka() {
    let options = NodeOptions::combined(1)
        .listening("SCRAM", "SASL_PLAINTEXT")
        .with("sasl.enabled.mechanisms", "SCRAM-SHA-512")
        .with(
            "listener.name.scram.scram-sha-512.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        )
        .with("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
        .with("super.users", "User:ANONYMOUS");
    let node = match KafkaNode::start(&Peers::find(), &options) {
        Ok(node) => node,
        Err(skip) => {
            assert!(std::env::var_os("CI").is_none(), "{skip}");
            eprintln!("skipped: {skip}");
            return;
        }
    };
    let connections = Connections::default();
    let server = node.address("PLAINTEXT");
    let (controllers, version) = (String::new(), String::new());
    let security = Security::default();
    connections.set("kafka", "c", Target { brokers: server, controllers, security, version });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        topic::live::topics_of_all_kinds(&connections).await;
        let server = node.address("SCRAM");
        user::live::user_logs_in_and_its_rules_bind(&connections, &server).await;
    });
}

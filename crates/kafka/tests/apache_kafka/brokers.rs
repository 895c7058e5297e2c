//! Brokers that come and go.

use klamm_kafka::KafkaError;
use klamm_kafka::admin::{Admin, ClusterDescription};
use klamm_kafka_proto::ErrorCode;
use klamm_testkit::{KafkaNode, NodeOptions};

use crate::cluster::{KafkaCluster, authorized, block_on, until};

const THIRD: i32 = 13;

async fn third(admin: &mut Admin) -> Result<Option<bool>, KafkaError> {
    let cluster: ClusterDescription = admin.describe_cluster().await?;
    let node = cluster.nodes.iter().find(|node| node.id == THIRD);
    Ok(node.map(|node| node.is_fenced))
}

pub(crate) fn come_and_go(cluster: &KafkaCluster) {
    let options = authorized(NodeOptions::broker(THIRD)).with_controllers(&[&cluster.controller]);
    let mut broker = KafkaNode::start(&cluster.peers, &options).expect("Kafka is here");
    let mut admin = cluster.admin();
    block_on(async {
        until("registered", async || third(&mut admin).await, |b| *b == Some(false)).await;
    });
    broker.stop(true);
    block_on(async {
        let mut admin = cluster.admin();
        until("fenced", async || third(&mut admin).await, |b| *b == Some(true)).await;
        admin.unregister_broker(THIRD).await.unwrap();
        until("forgotten", async || third(&mut admin).await, Option::is_none).await;
        let again = admin.unregister_broker(THIRD).await.unwrap_err();
        assert_eq!(again.code(), Some(ErrorCode::BrokerIdNotRegistered), "{again}");
    });
}

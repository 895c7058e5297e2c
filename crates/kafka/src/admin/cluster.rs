//! The nodes of a cluster: DescribeCluster, UnregisterBroker.

use klamm_kafka_proto::messages::describe_cluster::DescribeClusterBroker;
use klamm_kafka_proto::messages::unregister_broker::{UnregisterBroker, UnregisterBrokerRequest};

use tokio::time::timeout;

use super::{Admin, Endpoint, To, node, said, text};
use crate::KafkaError;

/// A cluster and its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id, 22 characters.
    pub cluster_id: String,
    /// The active controller. Only controllers know it; brokers keep it to themselves (KIP-590).
    pub controller: Option<i32>,
    /// Brokers, those that are fenced too; or controllers, whichever the bootstrap servers are.
    pub nodes: Vec<Node>,
}

/// A node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: i32,
    /// Where it listens; empty for a broker that is fenced.
    pub host: String,
    /// Where it listens.
    pub port: i32,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Registered, and not in service.
    pub is_fenced: bool,
}

impl Admin {
    /// Who is there. Brokers before Kafka 4.0 leave out those that are fenced.
    ///
    /// # Errors
    /// Of the connection or the node asked.
    pub async fn describe_cluster(&mut self) -> Result<ClusterDescription, KafkaError> {
        let endpoint = self.connections.endpoint;
        let asked = timeout(self.deadline, self.connections.look_around()).await;
        let response = asked.unwrap_or_else(|_| {
            let (what, time) = ("DescribeCluster".to_owned(), self.deadline);
            Err(KafkaError::TimedOut { what, time, last: None })
        })?;
        let controller = node(response.controller_id);
        Ok(ClusterDescription {
            cluster_id: text(&response.cluster_id),
            controller: controller.filter(|_| endpoint == Endpoint::Controllers),
            nodes: response.brokers.iter().map(describe).collect(),
        })
    }

    /// Has the cluster forget a broker that will not come back. It must not have replicas any more; Kafka does not check.
    ///
    /// # Errors
    /// `BrokerIdNotRegistered` when there is none of that id.
    pub async fn unregister_broker(&mut self, id: i32) -> Result<(), KafkaError> {
        let request = UnregisterBrokerRequest { broker_id: id };
        let response =
            self.call::<UnregisterBroker>(To::Controller, &request, |r| r.error_code).await?;
        said(response.error_code, response.error_message.as_ref(), || {
            format!("unregister broker {id}")
        })
    }
}

fn describe(broker: &DescribeClusterBroker) -> Node {
    Node {
        id: broker.broker_id,
        host: text(&broker.host),
        port: broker.port,
        rack: broker.rack.as_ref().map(text),
        is_fenced: broker.is_fenced,
    }
}

//! Whether Kafka is ready, asked of Kafka itself over its own listeners.

use std::time::Duration;

use klamm_agent::protocol::{Config, Role};
use klamm_kafka::KafkaError;
use klamm_kafka::admin::describe_quorum_request;
use klamm_kafka::client::{Client, ClientOptions};
use klamm_kafka::security::{Security, Tls};
use klamm_kafka_proto::messages::describe_cluster::{
    DescribeCluster, DescribeClusterRequest, DescribeClusterResponse,
};
use klamm_kafka_proto::messages::describe_quorum::DescribeQuorum;

use crate::life::Controllers;

/// For a connection, and for an answer. A Kafka that answers later is of no use to its clients either.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// The question to the listeners of a node. Connections are kept while they answer.
#[derive(Debug)]
pub struct Readiness {
    endpoints: Vec<Endpoint>,
    node_id: i32,
}

#[derive(Debug)]
struct Endpoint {
    role: Role,
    server: String,
    client: Option<Client>,
}

impl Readiness {
    /// The listeners that the node's roles have.
    pub fn new(config: &Config) -> Self {
        let roles =
            [(Role::Controller, config.controller_port), (Role::Broker, config.internal_port)];
        let endpoint = |(role, port): (Role, u16)| Endpoint {
            role,
            server: format!("127.0.0.1:{port}"),
            client: None,
        };
        let endpoints = roles.into_iter().filter(|(role, _)| config.is(*role)).map(endpoint);
        Self { endpoints: endpoints.collect(), node_id: config.node_id }
    }

    /// Asks over new connections the next time: those that are there were made with another certificate, and with another one of Kafka's.
    pub fn hang_up(&mut self) {
        for endpoint in &mut self.endpoints {
            endpoint.client = None;
        }
    }

    /// Asks a broker that is told to end whether a controller leads. One that takes no connections any more has been let go, and writes
    /// what it has to its disk.
    pub async fn controllers(&mut self, tls: &Tls) -> Controllers {
        match self.endpoints.iter().find(|endpoint| endpoint.role == Role::Broker) {
            Some(broker) => broker.controllers(tls).await,
            None => Controllers::Heard,
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// It is not ready: why.
    pub async fn check(&mut self, tls: &Tls) -> Result<(), String> {
        for endpoint in &mut self.endpoints {
            let response = endpoint.ask(tls).await?;
            match endpoint.role {
                Role::Broker => broker(&response, self.node_id)?,
                Role::Controller => controller(&response)?,
            }
        }
        Ok(())
    }
}

impl Endpoint {
    async fn connect(&self, tls: &Tls) -> Result<Client, KafkaError> {
        let options = ClientOptions {
            connect_time: ANSWER_TIME,
            call_time: ANSWER_TIME,
            ..ClientOptions::new("klamm-agent")
        };
        let options = options.with_security(Security::default().with_tls(tls.clone()));
        Client::connect_with(&self.server, &options).await
    }

    /// A broker asks the active controller, and waits for one.
    async fn controllers(&self, tls: &Tls) -> Controllers {
        let Ok(mut client) = self.connect(tls).await else { return Controllers::Heard };
        match client.call::<DescribeQuorum>(&describe_quorum_request()).await {
            Ok(response) if response.error_code == 0 => Controllers::Heard,
            Ok(_) | Err(KafkaError::TimedOut { .. }) => Controllers::Silent,
            Err(_) => Controllers::Heard,
        }
    }

    async fn ask(&mut self, tls: &Tls) -> Result<DescribeClusterResponse, String> {
        // A client that is not put back has failed or was given up.
        let mut client = match self.client.take() {
            Some(client) => client,
            None => self.connect(tls).await.map_err(|error| error.to_string())?,
        };
        let request = DescribeClusterRequest {
            include_cluster_authorized_operations: false,
            endpoint_type: match self.role {
                Role::Broker => 1,
                Role::Controller => 2,
            },
            include_fenced_brokers: self.role == Role::Broker,
        };
        let response = client.call::<DescribeCluster>(&request).await;
        let response = response.map_err(|error| error.to_string())?;
        self.client = Some(client);
        Ok(response)
    }
}

fn broker(response: &DescribeClusterResponse, node_id: i32) -> Result<(), String> {
    answered(response)?;
    match response.brokers.iter().find(|broker| broker.broker_id == node_id) {
        Some(broker) if broker.is_fenced => Err("the broker is fenced".into()),
        Some(_) => Ok(()),
        None => Err("the broker is not registered".into()),
    }
}

fn controller(response: &DescribeClusterResponse) -> Result<(), String> {
    answered(response)?;
    match response.controller_id {
        0.. => Ok(()),
        _ => Err("the controller knows no active controller".into()),
    }
}

fn answered(response: &DescribeClusterResponse) -> Result<(), String> {
    if response.error_code == 0 {
        return Ok(());
    }
    let text = response.error_message.as_ref().map(ToString::to_string).unwrap_or_default();
    Err(format!("Kafka answers with error {}: {text}", response.error_code))
}

#[cfg(test)]
mod tests {
    use klamm_kafka_proto::messages::describe_cluster::DescribeClusterBroker;

    use super::*;

    fn response(brokers: &[(i32, bool)], controller_id: i32) -> DescribeClusterResponse {
        let broker = |(broker_id, is_fenced): &(i32, bool)| DescribeClusterBroker {
            broker_id: *broker_id,
            is_fenced: *is_fenced,
            ..Default::default()
        };
        let brokers = brokers.iter().map(broker).collect();
        DescribeClusterResponse { brokers, controller_id, ..Default::default() }
    }

    #[test]
    fn broker_is_ready_when_it_is_registered_and_not_fenced() {
        broker(&response(&[(2, true), (3, false)], -1), 3).unwrap();
        assert_eq!(broker(&response(&[(3, true)], 3), 3), Err("the broker is fenced".into()));
        assert_eq!(
            broker(&response(&[(2, false)], 3), 3),
            Err("the broker is not registered".into())
        );
    }

    #[test]
    fn controller_is_ready_when_it_knows_the_active_one() {
        controller(&response(&[], 0)).unwrap();
        controller(&response(&[], -1)).unwrap_err();
    }

    #[test]
    fn error_is_no_answer() {
        let refused = DescribeClusterResponse { error_code: 31, ..response(&[(3, false)], 0) };
        let why = broker(&refused, 3).unwrap_err();
        assert!(why.contains("error 31"), "{why}");
        controller(&refused).unwrap_err();
    }
}

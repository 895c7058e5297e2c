//! Connections to the nodes of a cluster: which there are, and one to each that was needed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use klamm_kafka_proto::messages::describe_cluster::{
    DescribeCluster, DescribeClusterRequest, DescribeClusterResponse,
};
use klamm_kafka_proto::{Api, ErrorCode};
use tokio::task::JoinSet;

use super::{Client, ClientOptions, Endpoint, Outcomes, To, node, said};
use crate::cluster::servers;
use crate::{Fault, KafkaError};

/// Servers by `host:port`, and what is known of them.
#[derive(Debug)]
pub(super) struct Connections {
    bootstrap: Vec<String>,
    pub(super) endpoint: Endpoint,
    options: ClientOptions,
    nodes: BTreeMap<i32, String>,
    /// The active controller, known among controllers only.
    leader: Option<i32>,
    open: HashMap<String, Client>,
}

impl Connections {
    pub(super) fn new(bootstrap: &str, endpoint: Endpoint, options: ClientOptions) -> Self {
        Self {
            bootstrap: servers(bootstrap),
            endpoint,
            options,
            nodes: BTreeMap::new(),
            leader: None,
            open: HashMap::new(),
        }
    }

    /// Another node may be the active controller by now.
    pub(super) fn forget_leader(&mut self) {
        self.leader = None;
    }

    /// One call, to the next server where one cannot be reached.
    pub(super) async fn call<A: Api>(
        &mut self,
        to: To,
        request: &A::Request,
    ) -> Result<A::Response, KafkaError> {
        match (to, self.endpoint) {
            (To::Any, _) | (To::Controller, Endpoint::Brokers) => {
                self.any::<A>(request, |_| true).await
            }
            (To::Controller, Endpoint::Controllers) => {
                let leader = self.leader().await?;
                let called = self.node::<A>(leader, request).await;
                called.map_err(|error| self.left_by(leader, error))
            }
        }
    }

    /// The active controller went away: others elect one. While none of them answers either, that is found out next.
    fn left_by(&mut self, leader: i32, error: KafkaError) -> KafkaError {
        self.forget_leader();
        match error.fault() {
            Fault::Network => KafkaError::Refused {
                what: format!("controller {leader}"),
                code: ErrorCode::NotController,
                message: Some(error.to_string()),
            },
            _ => error,
        }
    }

    async fn leader(&mut self) -> Result<i32, KafkaError> {
        if self.leader.is_none() {
            self.look_around().await?;
        }
        self.leader.ok_or_else(|| KafkaError::Refused {
            what: "the active controller".into(),
            code: ErrorCode::NotController,
            message: Some("there is none now".into()),
        })
    }

    /// Asks who is there. Among controllers that goes on until one knows the active one: a node that votes no more need not find out.
    pub(super) async fn look_around(&mut self) -> Result<DescribeClusterResponse, KafkaError> {
        let (endpoint_type, knows_leader) = match self.endpoint {
            Endpoint::Brokers => (1, false),
            Endpoint::Controllers => (2, true),
        };
        let include_fenced_brokers = self.endpoint == Endpoint::Brokers;
        let request =
            DescribeClusterRequest { endpoint_type, include_fenced_brokers, ..Default::default() };
        let is_good = |response: &DescribeClusterResponse| {
            response.error_code == 0 && (response.controller_id >= 0 || !knows_leader)
        };
        let response = self.any::<DescribeCluster>(&request, is_good).await?;
        said(response.error_code, response.error_message.as_ref(), || "the cluster".into())?;
        self.learn(&response);
        Ok(response)
    }

    fn learn(&mut self, response: &DescribeClusterResponse) {
        let reachable = response.brokers.iter().filter(|broker| !broker.is_fenced);
        self.nodes = reachable
            .map(|broker| (broker.broker_id, format!("{}:{}", broker.host, broker.port)))
            .collect();
        // A broker names any broker as the controller (KIP-590).
        let leader = node(response.controller_id);
        self.leader = leader.filter(|_| self.endpoint == Endpoint::Controllers);
        let known: Vec<&String> = self.nodes.values().chain(&self.bootstrap).collect();
        self.open.retain(|server, _| known.contains(&server));
    }

    async fn address(&mut self, id: i32) -> Result<String, KafkaError> {
        if !self.nodes.contains_key(&id) {
            self.look_around().await?;
        }
        let unknown = || KafkaError::Refused {
            what: format!("node {id}"),
            code: ErrorCode::BrokerNotAvailable,
            message: Some("it is not registered, or fenced".into()),
        };
        self.nodes.get(&id).cloned().ok_or_else(unknown)
    }

    async fn node<A: Api>(
        &mut self,
        id: i32,
        request: &A::Request,
    ) -> Result<A::Response, KafkaError> {
        let server = self.address(id).await?;
        let called = self.server::<A>(&server, request).await;
        if called.is_err() {
            // It may listen elsewhere by now.
            self.nodes.remove(&id);
        }
        called
    }

    /// Asks servers until an answer is good, those with a connection first, then those known, then those given; the last answer where none is.
    async fn any<A: Api>(
        &mut self,
        request: &A::Request,
        is_good: impl Fn(&A::Response) -> bool,
    ) -> Result<A::Response, KafkaError> {
        let mut candidates: Vec<String> = self.open.keys().cloned().collect();
        for server in self.nodes.values().chain(&self.bootstrap) {
            if !candidates.contains(server) {
                candidates.push(server.clone());
            }
        }
        let mut last = Err(KafkaError::Credentials("no server is given".into()));
        for server in candidates {
            match self.server::<A>(&server, request).await {
                Ok(response) if is_good(&response) => return Ok(response),
                Err(error @ KafkaError::NoCommonVersion(_)) => return Err(error),
                Err(_) if last.is_ok() => {}
                other => last = other,
            }
        }
        last
    }

    async fn server<A: Api>(
        &mut self,
        server: &str,
        request: &A::Request,
    ) -> Result<A::Response, KafkaError> {
        let kept = self.open.remove(server);
        let (client, called) = call_over::<A>(kept, server, &self.options, request).await;
        self.open.extend(client.map(|client| (server.to_owned(), client)));
        called
    }

    /// Calls each node at once; none waits for another.
    pub(super) async fn call_each<A: Api>(
        &mut self,
        requests: Vec<(i32, A::Request)>,
        deadline: Duration,
    ) -> Outcomes<i32, A::Response>
    where
        A::Request: Send + Sync + 'static,
        A::Response: Send + 'static,
    {
        let (mut calls, mut outcomes) = (JoinSet::new(), Outcomes::new());
        for (id, request) in requests {
            let server = match self.address(id).await {
                Ok(server) => server,
                Err(error) => {
                    outcomes.insert(id, Err(error));
                    continue;
                }
            };
            let (kept, options) = (self.open.remove(&server), self.options.clone());
            calls.spawn(async move {
                let calling = call_over::<A>(kept, &server, &options, &request);
                let what = format!("{:?} of node {id}", A::KEY);
                let out_of_time = Err(KafkaError::TimedOut { what, time: deadline, last: None });
                let called = tokio::time::timeout(deadline, calling).await;
                (id, server, called.unwrap_or((None, out_of_time)))
            });
        }
        for (id, server, (client, called)) in calls.join_all().await {
            self.open.extend(client.map(|client| (server, client)));
            if called.is_err() {
                self.nodes.remove(&id);
            }
            outcomes.insert(id, called);
        }
        outcomes
    }
}

/// Calls over a kept connection, or over a new one when there is none or it is broken. The connection is given back while it is
/// good.
async fn call_over<A: Api>(
    kept: Option<Client>,
    server: &str,
    options: &ClientOptions,
    request: &A::Request,
) -> (Option<Client>, Result<A::Response, KafkaError>) {
    if let Some(mut client) = kept {
        match client.call::<A>(request).await {
            Err(KafkaError::Io(_) | KafkaError::Closed | KafkaError::Tls { .. }) => {}
            called => return (is_good(&called).then_some(client), called),
        }
    }
    let mut client = match Client::connect_with(server, options).await {
        Ok(client) => client,
        Err(error) => return (None, Err(error)),
    };
    let called = client.call::<A>(request).await;
    (is_good(&called).then_some(client), called)
}

/// The connection can be used again.
fn is_good<T>(called: &Result<T, KafkaError>) -> bool {
    matches!(called, Ok(_) | Err(KafkaError::NoCommonVersion(_)))
}

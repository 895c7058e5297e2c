//! Administration of an Apache Kafka cluster: a file for each topic of calls.
//!
//! ```no_run
//! use klamm_kafka::admin::{Admin, Endpoint, NewTopic};
//! use klamm_kafka::client::ClientOptions;
//!
//! # async fn example() -> Result<(), klamm_kafka::KafkaError> {
//! let mut admin = Admin::new("127.0.0.1:9092", Endpoint::Brokers, ClientOptions::new("me"));
//! let topics = [NewTopic { name: "orders".into(), partitions: Some(12), ..NewTopic::default() }];
//! for (name, outcome) in admin.create_topics(&topics, false).await? {
//!     println!("{name}: {outcome:?}");
//! }
//! # Ok(()) }
//! ```
//!
//! # Whom it asks
//! Of brokers any will do: they forward to the active controller what is its to do. What only one broker knows, its log
//! directories and its own configuration, is asked of that broker. Among controllers, whose listener also answers while every broker is down,
//! it finds the active one itself.
//!
//! # Tries
//! A kept connection that turns out broken is made anew, and the next server is tried when one cannot be reached, once around. While
//! controllers are electing, calls are tried again until the deadline. A call that was tried again may meet its own work:
//! `TopicAlreadyExists`, `DuplicateVoter` and their like.

use std::collections::BTreeMap;
use std::time::Duration;

use klamm_kafka_proto::{Api, ErrorCode, Str};
use tokio::time::{Instant, sleep, timeout_at};

use crate::KafkaError;
use crate::client::{Client, ClientOptions};
use crate::cluster::refused;

mod acls;
mod cluster;
mod configs;
mod connections;
mod features;
mod leaders;
mod log_dirs;
mod numbered;
mod quorum;
mod quotas;
mod reassignments;
#[cfg(feature = "tls")]
mod scram;
mod snapshot;
mod topics;

pub use acls::{
    Acl, AclFilter, AclOperation, AclPermission, AclResource, PatternFilter, PatternType,
    ResourceType,
};
pub use cluster::{ClusterDescription, Node};
pub use configs::{ConfigAlteration, ConfigChange, ConfigEntry, ConfigSource, Resource};
use connections::Connections;
pub use features::{FeatureUpdate, Features, UpgradeType};
pub use leaders::Election;
pub use log_dirs::{LogDir, LogDirReplica};
pub use quorum::{QuorumDescription, QuorumReplica, Voter, VoterListener, describe_quorum_request};
pub use quotas::{QuotaAlteration, QuotaEntity, QuotaEntityType, QuotaFilter, QuotaMatch};
pub use reassignments::Reassignment;
#[cfg(feature = "tls")]
pub use scram::{ScramChange, ScramInfo};
pub use snapshot::{ClusterSnapshot, PartitionSnapshot};
pub use topics::{CreatedTopic, NewPartitions, NewTopic, PartitionDescription, TopicDescription};

/// What became of each thing asked about in one call.
pub type Outcomes<K, V> = BTreeMap<K, Result<V, KafkaError>>;

/// A partition by topic and number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Its topic.
    pub topic: String,
    /// Its number in the topic.
    pub partition: i32,
}

/// Whose listeners the bootstrap servers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Those of brokers.
    Brokers,
    /// Those of controllers (KIP-919).
    Controllers,
}

/// Whom a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    /// Anybody who answers.
    Any,
    /// The active controller, through a broker or directly.
    Controller,
}

/// A client that administers one cluster. It connects when it is first asked something, and keeps its connections.
#[derive(Debug)]
pub struct Admin {
    connections: Connections,
    deadline: Duration,
}

/// Before the second try.
const PAUSE_MIN: Duration = Duration::from_millis(50); // an election among controllers takes some tens of ms at best
/// Between later tries, each twice as long as the one before.
const PAUSE_MAX: Duration = Duration::from_millis(1000); // half of Kafka's own fetch timeout, after which one begins

/// Broker requests that are made at once.
const AT_ONCE: usize = 16;

impl Admin {
    /// For the cluster with these servers (`host:port`, set apart by commas). A call takes 30 s at most.
    pub fn new(bootstrap: &str, endpoint: Endpoint, options: ClientOptions) -> Self {
        Self {
            connections: Connections::new(bootstrap, endpoint, options),
            deadline: Duration::from_secs(30),
        }
    }

    /// The same with another bound of a call.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// What a broker is told to wait: three quarters of our own time, so that its word arrives within it.
    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.deadline.as_millis() / 4 * 3).unwrap_or(i32::MAX)
    }

    /// Calls, and tries again while `code` finds in the response that another node is asked for.
    async fn call<A: Api>(
        &mut self,
        to: To,
        request: &A::Request,
        code: impl Fn(&A::Response) -> i16,
    ) -> Result<A::Response, KafkaError> {
        let deadline = Instant::now() + self.deadline;
        let mut last = None;
        let tries = async {
            let mut pause = PAUSE_MIN;
            loop {
                let (error, again) = match self.connections.call::<A>(to, request).await {
                    Ok(response) => match moved(code(&response), A::KEY) {
                        None => return Ok(response),
                        Some(error) => (error, true),
                    },
                    Err(error) => {
                        let again = error.code().is_some_and(has_moved);
                        (error, again)
                    }
                };
                if !again {
                    return Err(error);
                }
                self.connections.forget_leader();
                last = Some(Box::new(error));
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        };
        let outcome = timeout_at(deadline, tries).await;
        let time = self.deadline;
        outcome.unwrap_or_else(|_| {
            Err(KafkaError::TimedOut { what: format!("{:?}", A::KEY), time, last })
        })
    }

    /// Calls several nodes at once, each with its own request.
    async fn call_each<A: Api>(
        &mut self,
        requests: Vec<(i32, A::Request)>,
    ) -> Outcomes<i32, A::Response>
    where
        A::Request: Send + Sync + 'static,
        A::Response: Send + 'static,
    {
        let mut outcomes = Outcomes::new();
        let mut waiting = requests.into_iter();
        loop {
            let some: Vec<_> = waiting.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return outcomes;
            }
            outcomes.extend(self.connections.call_each::<A>(some, self.deadline).await);
        }
    }
}

/// The node asked is not, or not yet, the one to ask.
fn has_moved(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NotController | ErrorCode::NotLeaderOrFollower)
}

fn moved(code: i16, key: klamm_kafka_proto::ApiKey) -> Option<KafkaError> {
    let error = refused(code, None, || format!("{key:?}")).err()?;
    error.code().is_some_and(has_moved).then_some(error)
}

/// The code among those of a batch that says that another node is asked for; 0 when there is none.
fn moved_among(codes: impl IntoIterator<Item = i16>) -> i16 {
    let is_moved = |code: &i16| ErrorCode::from_number(*code).is_some_and(has_moved);
    codes.into_iter().find(is_moved).unwrap_or_default()
}

/// What a broker said about one thing.
fn said(code: i16, message: Option<&Str>, what: impl FnOnce() -> String) -> Result<(), KafkaError> {
    refused(code, message.map(|message| &**message), what)
}

/// Things asked about that the answer leaves out.
fn complete<K: Ord + std::fmt::Debug, V>(
    outcomes: &mut Outcomes<K, V>,
    asked: impl IntoIterator<Item = K>,
) {
    for key in asked {
        let what = format!("an answer about {key:?}");
        let code = ErrorCode::UnknownServerError;
        let missing = || Err(KafkaError::Refused { what, code, message: None });
        outcomes.entry(key).or_insert_with(missing);
    }
}

fn text(text: &Str) -> String {
    text.to_string()
}

/// A node id; Kafka writes -1 for none.
fn node(id: i32) -> Option<i32> {
    (id >= 0).then_some(id)
}

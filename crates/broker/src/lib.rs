//! Addresses, routes, subscriptions and groups over a log.
#![deny(missing_docs)]

mod ingest;
mod interest;
pub mod kafka;
mod mapping;
mod matching;
mod message;
mod metrics;
pub mod mqtt;
mod partitioner;
mod route;
mod subscriptions;
mod tail;
mod topics;

pub use ingest::{Admitted, Ingest};
pub use interest::{Interest, Interests};
pub use matching::Matcher;
pub use message::{Dispatch, Message, Properties, QoS};
pub use metrics::{Count, Kind, Metrics};
pub use partitioner::{murmur2, partition_of};
pub use route::{Destination, RouteConfig, RouteError, RouteTable};
pub use subscriptions::{Matched, Offer, Subscriber, SubscriberId, Subscription, Subscriptions};
pub use tail::Surroundings;
pub use topics::{OpenTopic, Topics};

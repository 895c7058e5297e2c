//! Addresses, routes, subscriptions and groups over a log.
#![deny(missing_docs)]

mod matching;
mod partitioner;
mod route;

pub use matching::Matcher;
pub use partitioner::{murmur2, partition_of};
pub use route::{Destination, RouteConfig, RouteError, RouteTable};

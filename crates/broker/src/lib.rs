//! Addresses, routes, subscriptions and groups over a log.
#![deny(missing_docs)]

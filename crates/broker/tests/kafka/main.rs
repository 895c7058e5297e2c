//! The Kafka binding over real sockets, asked by this project's own client.

mod admin;
mod broker;
mod fetch;
mod groups;
mod offsets;
mod produce;

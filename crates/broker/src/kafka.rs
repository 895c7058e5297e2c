//! The Kafka protocol on the embedded log.
#![allow(dead_code)]
mod group;

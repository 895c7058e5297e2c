//! Clients of our own for the tests: blocking, and with every byte in hand.

pub mod kafka;
pub mod load;
pub mod mqtt;

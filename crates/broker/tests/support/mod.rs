//! A broker over a log in memory, for tests.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part, and all of it is public to them"
)]

pub mod broker;
pub mod memory_log;

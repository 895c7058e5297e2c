//! The program's commands.

pub mod broker_id;

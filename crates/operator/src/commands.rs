//! The program's commands.

pub mod broker_id;
pub mod crds;
pub mod plan;
pub mod run;

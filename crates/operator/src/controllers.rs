//! One controller for each custom resource: dereference, validate (pure), build (pure), apply, orphans, status.

mod board;
pub mod claims;
mod kubernetes;
mod listing;
#[cfg(test)]
mod live;
mod malformed;
#[cfg(test)]
mod model;
mod objects;
mod outcome;
mod queue;
mod registry;
mod status;
mod told;
pub mod topic;
pub mod user;
mod work;

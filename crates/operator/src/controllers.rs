//! One controller for each custom resource: dereference, validate (pure), build (pure), apply, orphans, status.

mod board;
pub mod claims;
mod listing;
mod queue;
mod registry;

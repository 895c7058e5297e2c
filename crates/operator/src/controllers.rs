//! One controller for each custom resource: dereference, validate (pure), build (pure), apply, orphans, status.

mod board;
pub mod claims;
pub mod cluster;
mod drive;
pub mod gateway;
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

use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// Runs every controller, until told to end and what is under way is done.
pub async fn run(context: Context, shutdown: CancellationToken) {
    tokio::join!(
        cluster::run(context.clone(), shutdown.clone()),
        gateway::run(context.clone(), shutdown.clone()),
        topic::run(context.clone(), shutdown.clone()),
        user::run(context, shutdown),
    );
}

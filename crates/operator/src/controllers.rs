//! One controller for each custom resource: dereference, validate (pure), build (pure), apply, orphans, status.

pub mod cluster;
mod drive;
pub mod gateway;

use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// Runs every controller, until told to end and what is under way is done.
pub async fn run(context: Context, shutdown: CancellationToken) {
    gateway::run(context, shutdown).await;
}

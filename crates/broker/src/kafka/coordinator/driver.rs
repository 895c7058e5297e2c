//! Time: sessions and rebalances that end, offsets that expire.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Coordinator;

/// How often expired offsets are looked for (`offsets.retention.check.interval.ms`): Kafka's default.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(600);

/// Runs until the coordinator is gone.
pub(super) async fn run(
    coordinator: Weak<Coordinator>,
    wake: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut expiry = Instant::now() + EXPIRY_INTERVAL;
    loop {
        let next = {
            let Some(coordinator) = coordinator.upgrade() else { return };
            if Instant::now() >= expiry {
                if let Err(error) = coordinator.expire().await {
                    tracing::warn!(%error, "cannot forget expired offsets");
                }
                expiry = Instant::now() + EXPIRY_INTERVAL;
            }
            coordinator.handle_time().min(expiry)
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

impl Coordinator {
    /// Lets every group whose time has come act; answers when the next one wants to.
    fn handle_time(self: &Arc<Self>) -> Instant {
        let mut table = self.table();
        let now_ms = self.now_ms();
        while let Some(group_id) = table.take_due(now_ms) {
            let Some(entry) = table.groups.get_mut(&group_id) else { continue };
            let before = entry.group.rebalances();
            entry.group.handle_time(now_ms);
            self.metrics.kafka_rebalances.add(entry.group.rebalances() - before);
            self.settle(&mut table, &group_id);
        }
        let never = Instant::now() + EXPIRY_INTERVAL;
        // The clock counts whole milliseconds: one later is surely past the deadline.
        table.next_due_ms().map_or(never, |due_ms| self.clock.at(due_ms + 1))
    }
}

//! A reader for one subscriber that fell behind, until it reaches the shared tail.

use std::sync::Arc;

use klamm_log::{LogError, Position, Reader};

use super::{RETRY, Tail};
use crate::mapping;
use crate::message::Dispatch;
use crate::subscriptions::{Offer, Subscriber};

/// What one lagging subscriber holds in memory of a partition besides its own queue.
const READ_BYTES: usize = 64 << 10;

/// Delivers from `offset` on until the tail can take over, or the subscriber is gone.
pub(super) async fn run(tail: Arc<Tail>, subscriber: Arc<dyn Subscriber>, offset: i64) {
    if deliver(&tail, &subscriber, offset).await.is_none() {
        // Gone, or no tail to go back to: forget that it lagged.
        tail.state().lagging.remove(&subscriber.id());
    }
    tail.around.metrics.subscribers_lagging.subtract(1);
}

/// `Some` when the tail took over, `None` when there is nobody left to deliver to.
async fn deliver(tail: &Arc<Tail>, subscriber: &Arc<dyn Subscriber>, from: i64) -> Option<()> {
    let mut next = from;
    let mut reader = open(tail, subscriber, &mut next).await?;
    loop {
        // Not before half the queue is free: the tail would find it full at once.
        if !subscriber.room().await {
            return None;
        }
        if take_over(tail, subscriber, next) {
            return Some(());
        }
        let read = tokio::select! {
            () = tail.stop.cancelled() => return None,
            read = reader.next(READ_BYTES) => read,
        };
        let Ok(bytes) = read else {
            reader = open(tail, subscriber, &mut next).await?;
            continue;
        };
        let mut messages: Vec<Dispatch> = Vec::new();
        mapping::for_each_record(&bytes, |record| {
            if let Ok(record) = record
                && record.offset >= next
                && let Some(message) = mapping::message(&record, &tail.origin())
            {
                messages.push(message.into());
            }
        });
        next = reader.position();
        for message in messages {
            offer(tail, subscriber, &message).await?;
        }
        // A reader of what is in memory waits for nothing, and must not keep the others of its thread waiting.
        tokio::task::yield_now().await;
    }
}

/// Waits until the subscriber has taken the message; `None` when it is gone.
async fn offer(
    tail: &Arc<Tail>,
    subscriber: &Arc<dyn Subscriber>,
    message: &Dispatch,
) -> Option<()> {
    let publisher = message.publisher.as_deref();
    let all = &tail.around.subscriptions;
    let Some(matched) = all.matches_of(subscriber.id(), &message.name, publisher) else {
        return Some(());
    };
    while subscriber.offer(message, &matched) == Offer::Full {
        if !subscriber.room().await {
            return None;
        }
    }
    tail.around.metrics.deliveries.add(1);
    Some(())
}

/// Gives the subscriber back to the tail, which has not come further than `next`, the next record to deliver.
fn take_over(tail: &Tail, subscriber: &Arc<dyn Subscriber>, next: i64) -> bool {
    let mut state = tail.state();
    if next < state.position {
        return false;
    }
    if let Some(until) = state.lagging.get_mut(&subscriber.id()) {
        *until = next;
    }
    true
}

/// Opens a reader, through outages, from `next` or, where retention was quicker, from the first record kept.
async fn open(
    tail: &Tail,
    subscriber: &Arc<dyn Subscriber>,
    next: &mut i64,
) -> Option<Box<dyn Reader>> {
    loop {
        match tail.partition.reader(Position::Offset(*next)).await {
            Ok(reader) => return Some(reader),
            Err(LogError::OffsetOutOfRange { start, .. }) if *next < start => {
                tail.around.metrics.records_lost_to_retention.add((start - *next) as u64);
                tracing::warn!(
                    client = subscriber.client_id(),
                    lost = start - *next,
                    "retention overtook a slow subscriber"
                );
                *next = start;
            }
            Err(LogError::UnknownTopic(_)) => return None,
            Err(error) => {
                tracing::debug!(%error, "a catch-up reader tries again");
                tokio::select! {
                    () = tail.stop.cancelled() => return None,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
    }
}

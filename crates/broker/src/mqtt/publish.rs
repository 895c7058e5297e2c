//! Messages of a client into the log, and their acknowledgements.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use klamm_log::{LogError, Pending};
use klamm_mqtt::{Ack, Message, Reason};

use super::client::{Client, poll_once};
use super::recipient::now_ms;
use super::{Mqtt, publication, reason};
use crate::Metrics;

/// An append, and whose acknowledgements wait for it.
#[derive(Debug)]
pub(super) struct Unsettled {
    pending: Pending,
    acks: Vec<Ack>,
}

/// Settles what has become durable, or failed. Only the first append is looked at: acknowledgements go out in order anyway.
pub(super) fn settle(mqtt: &Mqtt, unsettled: &mut VecDeque<Unsettled>, context: &mut Context<'_>) {
    while let Some(first) = unsettled.front_mut() {
        let Poll::Ready(result) = Pin::new(&mut first.pending).poll(context) else { return };
        let Some(Unsettled { acks, .. }) = unsettled.pop_front() else { return };
        match result {
            Ok(_) => acks.into_iter().for_each(|ack| ack.settle(Reason::Success)),
            Err(error) => mqtt.fail(acks, &error),
        }
    }
    if unsettled.capacity() > 0 {
        // An idle connection keeps no room.
        *unsettled = VecDeque::new();
    }
}

impl Mqtt {
    fn fail(&self, acks: Vec<Ack>, error: &LogError) {
        self.metrics.mqtt_publish_failures.add(acks.len() as u64);
        if let Some(suppressed) = self.lines.allow() {
            tracing::warn!(%error, messages = acks.len(), suppressed, "messages were not taken");
        }
        let (reason, text) = (reason::reason(error), error.to_string());
        for ack in acks {
            ack.settle_with(reason, &text);
        }
    }
}

impl Client {
    /// Takes a message for the next append.
    pub(super) fn take(&mut self, message: Message) {
        let metrics = &self.mqtt.metrics;
        metrics.mqtt_messages_in.add(1);
        let (publish, ack) = message.into_parts();
        if publish.topic.starts_with('$') {
            metrics.mqtt_publish_failures.add(1);
            // With QoS 0 there is nobody to tell.
            return ack.settle_with(
                Reason::TopicNameInvalid,
                "topic names that begin with '$' are the server's",
            );
        }
        let publisher = &self.recipient.client_id;
        self.messages.push(publication::message(publish, publisher, now_ms()));
        self.acks.push(ack);
    }

    /// Appends what was taken. While the log has no room, the socket is not read; everything else goes on.
    pub(super) async fn append(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let messages = std::mem::take(&mut self.messages);
        let mut acks: Vec<Option<Ack>> =
            std::mem::take(&mut self.acks).into_iter().map(Some).collect();
        let Self { mqtt, session, unsettled, .. } = self;
        let mut append = Box::pin(mqtt.ingest.append(&messages));
        let mut waiting = None;
        let admitted = session
            .write_while(poll_fn(|context| {
                settle(mqtt, unsettled, context);
                let polled = append.as_mut().poll(context);
                if polled.is_pending() && waiting.is_none() {
                    waiting = Some(Waiting::new(&mqtt.metrics));
                }
                polled
            }))
            .await;
        for batch in admitted {
            let acks: Vec<Ack> = batch
                .messages
                .iter()
                .filter_map(|index| acks[*index].take())
                .filter(Ack::is_awaited)
                .collect();
            if !acks.is_empty() {
                unsettled.push_back(Unsettled { pending: batch.pending, acks });
            } else if let Poll::Ready(Err(error)) = poll_once(batch.pending) {
                // QoS 0: nobody waits, but what is lost is counted.
                mqtt.metrics.mqtt_publish_failures.add(batch.messages.len() as u64);
                if let Some(suppressed) = mqtt.lines.allow() {
                    let messages = batch.messages.len();
                    tracing::warn!(%error, messages, suppressed, "messages of QoS 0 were lost");
                }
            }
        }
    }
}

/// Counts a client as waiting for the log while it lives.
struct Waiting(Arc<Metrics>);

impl Waiting {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.mqtt_connections_waiting.add(1);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.mqtt_connections_waiting.subtract(1);
    }
}

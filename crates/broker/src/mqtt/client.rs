//! One client, from CONNACK to its end.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use klamm_mqtt::{Ack, Closed, Event, Session};

use super::Mqtt;
use super::publish::Unsettled;
use super::recipient::Recipient;
use crate::{Interest, Message, SubscriberId};

/// A connected client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) mqtt: Arc<Mqtt>,
    pub(super) session: Session,
    pub(super) recipient: Arc<Recipient>,
    /// By filter: what keeps its tails running.
    pub(super) subscriptions: HashMap<Box<str>, Arc<Interest>>,
    /// Appends whose messages are not acknowledged yet, in order.
    pub(super) unsettled: VecDeque<Unsettled>,
    /// Messages of the read that is being handled, and their acknowledgements.
    pub(super) messages: Vec<Message>,
    pub(super) acks: Vec<Ack>,
}

impl Client {
    /// Boxed, so that the futures it is handed through stay small.
    pub(super) fn new(mqtt: Arc<Mqtt>, session: Session, id: SubscriberId) -> Box<Self> {
        let client_id: Arc<str> = session.client_id().as_str().into();
        let outbox = session.outbox();
        mqtt.clients.enter(Arc::clone(&client_id), id, outbox.clone());
        mqtt.metrics.mqtt_connections.add(1);
        Box::new(Self {
            mqtt,
            session,
            recipient: Arc::new(Recipient { id, client_id, outbox }),
            subscriptions: HashMap::new(),
            unsettled: VecDeque::new(),
            messages: Vec::new(),
            acks: Vec::new(),
        })
    }

    /// Handles what the client does until the connection ends.
    pub(super) async fn run(mut self: Box<Self>) {
        while let Some(event) = self.next().await {
            match event {
                Ok(event) => Box::pin(self.handle(event)).await,
                Err(closed) => self.mqtt.log_closed(&self.session, &closed),
            }
        }
    }

    /// The next event; acknowledgements go out meanwhile as appends become durable.
    async fn next(&mut self) -> Option<Result<Event, Closed>> {
        let Self { session, unsettled, mqtt, .. } = self;
        poll_fn(|context| {
            super::publish::settle(mqtt, unsettled, context);
            session.poll_next(context)
        })
        .await
    }

    /// Handles an event and all that came with it: the messages between two other events are one append.
    async fn handle(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take().or_else(|| self.session.try_next()) {
            match event {
                Event::Publish(message) => self.take(message),
                Event::Subscribe(request) => {
                    self.append().await;
                    self.subscribe(request).await;
                }
                Event::Unsubscribe(request) => {
                    self.append().await;
                    self.unsubscribe(request);
                }
                // The session ends by itself.
                Event::Disconnect(_) => {}
            }
        }
        self.append().await;
    }
}

impl Drop for Client {
    /// Also when the connection is cut off at the end of a drain.
    fn drop(&mut self) {
        let id = self.recipient.id;
        for filter in self.subscriptions.keys() {
            if self.mqtt.subscriptions.remove(filter, id) {
                self.mqtt.metrics.subscriptions.subtract(1);
            }
        }
        self.mqtt.clients.leave(&self.recipient.client_id, id);
        self.mqtt.metrics.mqtt_connections.subtract(1);
    }
}

/// Polls a future whose wake-ups nobody needs.
pub(super) fn poll_once<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(&mut future).poll(&mut context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_client_is_small() {
        // 3 KiB for a connection less tokio's task and registration (0.8), the shared state, the timer
        // and the boxes around (1) leave this much for its own state.
        assert!(size_of::<Client>() <= 800, "{}", size_of::<Client>());
    }
}

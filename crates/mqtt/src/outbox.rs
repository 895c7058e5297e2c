//! What a connection shares with other tasks: messages to send, acknowledgements, the wish to end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use klamm_mqtt_proto::flow::Outcome;
use klamm_mqtt_proto::packet::Packet;
use klamm_mqtt_proto::{Publication, QoS, Reason};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A way to send messages to one client, from any task.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Shared>);

/// How a message is to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// Quality of service of this delivery.
    pub qos: QoS,
    /// The RETAIN flag.
    pub retain: bool,
    /// When nobody wants it any more: it is dropped if it still waits then, and told how long is left otherwise
    /// [MQTT-3.3.2-5], [MQTT-3.3.2-6].
    pub expires: Option<Instant>,
    /// Identifiers of the subscriptions that matched (MQTT 5).
    pub identifiers: &'a [u32],
}

/// Whether a message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It will be sent, if the connection lasts.
    Taken,
    /// There is no room. Nothing was taken; [`Outbox::room`] tells when to try again.
    Full,
    /// The connection has ended.
    Closed,
}

/// A message in the queue.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) publication: Arc<Publication>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires: Option<Instant>,
    pub(crate) identifiers: Box<[u32]>,
    bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    room: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: VecDeque<Queued>,
    bytes: usize,
    limit_bytes: usize,
    /// Somebody waits for room.
    awaited: bool,
    /// Settled by their numbers, to be acknowledged.
    pub(crate) settled: Vec<(u64, Outcome)>,
    /// Answers to requests.
    pub(crate) replies: Vec<Packet>,
    /// The connection is to end with this reason.
    pub(crate) end: Option<Reason>,
    pub(crate) closed: bool,
    /// Of the task that drives the connection.
    pub(crate) waker: Option<Waker>,
}

/// What a queued message takes besides its payload: the entry, its share of the publication, its topic.
const ENTRY_BYTES: usize = 128;
/// Entries for which an empty queue keeps room; a burst's room is given back.
const KEPT: usize = 16; // of 72 bytes

impl State {
    /// Less than half of the queue is taken: then one message more fits, however large, so that whoever was told of room
    /// finds it. The queue holds at most its limit, or half of it and one message.
    fn has_room(&self) -> bool {
        self.bytes < self.limit_bytes / 2
    }
}

impl Shared {
    pub(crate) fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                bytes: 0,
                limit_bytes: limit_bytes.max(2),
                awaited: false,
                settled: Vec::new(),
                replies: Vec::new(),
                end: None,
                closed: false,
                waker: None,
            }),
            room: Notify::new(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and wakes the connection's task, if it waits.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn settle(&self, number: u64, outcome: Outcome) {
        self.change(|state| state.settled.push((number, outcome)));
    }

    pub(crate) fn reply(&self, packet: Packet) {
        self.change(|state| state.replies.push(packet));
    }

    pub(crate) fn end(&self, reason: Reason) {
        self.change(|state| {
            state.end.get_or_insert(reason);
        });
    }

    /// Takes the first message off the queue.
    pub(crate) fn pop(&self, state: &mut State) -> Option<Queued> {
        let queued = state.queue.pop_front()?;
        state.bytes -= queued.bytes;
        if state.queue.is_empty() && state.queue.capacity() > KEPT {
            state.queue = VecDeque::new();
        }
        if state.awaited && state.has_room() {
            state.awaited = false;
            self.room.notify_waiters();
        }
        Some(queued)
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.queue = VecDeque::new();
        state.settled = Vec::new();
        state.replies = Vec::new();
        state.waker = None;
        drop(state);
        self.room.notify_waiters();
    }
}

impl Outbox {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Queues a message without waiting. Messages go out in the order in which they were taken.
    pub fn offer(&self, publication: &Arc<Publication>, terms: &Terms<'_>) -> Offered {
        let bytes = ENTRY_BYTES + publication.topic().len() + publication.payload().len();
        let mut state = self.0.state();
        if state.closed {
            return Offered::Closed;
        }
        if state.bytes + bytes > state.limit_bytes && !state.has_room() {
            return Offered::Full;
        }
        state.bytes += bytes;
        state.queue.push_back(Queued {
            publication: Arc::clone(publication),
            qos: terms.qos,
            retain: terms.retain,
            expires: terms.expires,
            identifiers: terms.identifiers.into(),
            bytes,
        });
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Offered::Taken
    }

    /// Waits until there is room; `false` once the connection has ended.
    pub async fn room(&self) -> bool {
        loop {
            // Made before the look at the state: it hears of every change after that.
            let notified = self.0.room.notified();
            {
                let mut state = self.0.state();
                if state.closed {
                    return false;
                }
                if state.has_room() {
                    return true;
                }
                state.awaited = true;
            }
            notified.await;
        }
    }

    /// The connection has ended.
    pub fn is_closed(&self) -> bool {
        self.0.state().closed
    }

    /// Ends the connection: an MQTT 5 client is told the reason, any other is closed.
    pub fn disconnect(&self, reason: Reason) {
        self.0.end(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_mqtt_proto::{Properties, Utf8};

    fn publication(bytes: usize) -> Arc<Publication> {
        let topic = Utf8::from_text("a").unwrap();
        Arc::new(Publication::new(topic, Properties::default(), vec![0; bytes].into()))
    }

    #[tokio::test]
    async fn who_was_told_of_room_finds_it_whatever_the_size() {
        let shared = Shared::new(1000);
        let outbox = Outbox::new(Arc::clone(&shared));
        let offer = |bytes| outbox.offer(&publication(bytes), &Terms::default());
        assert_eq!(offer(400), Offered::Taken);
        assert_eq!(offer(5000), Offered::Full);
        let room = outbox.room();
        tokio::pin!(room);
        tokio::select! {
            biased;
            _ = &mut room => panic!("more than half is taken"),
            () = std::future::ready(()) => {}
        }
        shared.pop(&mut shared.state());
        assert!(room.await);
        assert_eq!(offer(5000), Offered::Taken);
        assert_eq!(offer(1), Offered::Full);
        shared.close();
        assert_eq!(offer(1), Offered::Closed);
        assert!(!outbox.room().await);
    }
}

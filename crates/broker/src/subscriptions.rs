//! Subscriptions of all sessions, and who gets what.

use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::Matcher;
use crate::message::{Dispatch, QoS};

/// A session's number within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(pub u64);

/// Whether a subscriber took a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It did, or it is gone and wants nothing any more.
    Taken,
    /// Its queue is full: nothing was taken.
    Full,
}

/// The far end of deliveries: a session of some protocol.
pub trait Subscriber: Send + Sync + Debug + 'static {
    /// Its number.
    fn id(&self) -> SubscriberId;

    /// The client's identifier, for subscriptions that want nothing of their own.
    fn client_id(&self) -> &str;

    /// Hands over one message without waiting.
    fn offer(&self, message: &Dispatch, matched: &Matched) -> Offer;

    /// Resolves when the queue has room again, or to `false` once the session is gone.
    fn room(&self) -> klamm_log::BoxFuture<'_, bool>;

    /// The session has ended.
    fn is_gone(&self) -> bool;
}

/// How one subscriber wants the messages of one topic filter.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Whose it is.
    pub subscriber: Arc<dyn Subscriber>,
    /// Most it is delivered with.
    pub qos: QoS,
    /// No messages that the same client published.
    pub no_local: bool,
    /// The number the client gave it, returned with each message.
    pub identifier: Option<u32>,
}

/// What one subscriber is to get of one message: overlapping subscriptions of a session make one delivery,
/// with the highest QoS and all identifiers [MQTT-3.3.4-2], [MQTT-3.3.4-4].
#[derive(Debug, Clone)]
pub struct Matched {
    /// To whom.
    pub subscriber: Arc<dyn Subscriber>,
    /// Highest among the subscriptions that match.
    pub qos: QoS,
    /// Their identifiers.
    pub identifiers: Vec<u32>,
    /// One of them wants no messages of its own client.
    pub any_no_local: bool,
}

/// Every subscription of the process.
#[derive(Debug, Default)]
pub struct Subscriptions {
    matcher: RwLock<Matcher<SubscriberId, Subscription>>,
}

impl Subscriptions {
    /// Adds or replaces; true when it is new.
    pub fn insert(&self, filter: &str, subscription: Subscription) -> bool {
        let id = subscription.subscriber.id();
        let mut matcher = self.matcher.write().unwrap_or_else(PoisonError::into_inner);
        matcher.insert(filter, id, subscription).is_none()
    }

    /// Removes; true when it was there.
    pub fn remove(&self, filter: &str, id: SubscriberId) -> bool {
        let mut matcher = self.matcher.write().unwrap_or_else(PoisonError::into_inner);
        matcher.remove(filter, id).is_some()
    }

    /// Number of subscriptions.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// No subscription at all.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Who gets messages of this topic name, and the generation in which that holds.
    pub fn matches(&self, name: &str) -> (u64, Vec<Matched>) {
        let matcher = self.read();
        let mut found = Vec::new();
        matcher.for_each(name, |id, subscription| found.push((id, subscription)));
        found.sort_by_key(|(id, _)| *id);
        (matcher.generation(), merge(&found))
    }

    /// What one subscriber gets of a message, its own wishes about its own messages heeded.
    pub fn matches_of(
        &self,
        id: SubscriberId,
        name: &str,
        publisher: Option<&str>,
    ) -> Option<Matched> {
        let matcher = self.read();
        let mut found = Vec::new();
        matcher.for_each(name, |of, subscription| {
            let own = publisher == Some(subscription.subscriber.client_id());
            if of == id && !(own && subscription.no_local) {
                found.push((of, subscription));
            }
        });
        merge(&found).pop()
    }

    /// What was found under another generation may be out of date.
    pub fn generation(&self) -> u64 {
        self.read().generation()
    }

    fn read(&self) -> RwLockReadGuard<'_, Matcher<SubscriberId, Subscription>> {
        self.matcher.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One entry for each subscriber of a list in their order.
fn merge(found: &[(SubscriberId, &Subscription)]) -> Vec<Matched> {
    let mut merged = Vec::with_capacity(found.len());
    for same in found.chunk_by(|a, b| a.0 == b.0) {
        merged.push(Matched {
            subscriber: Arc::clone(&same[0].1.subscriber),
            qos: same.iter().map(|(_, s)| s.qos).max().unwrap_or_default(),
            identifiers: same.iter().filter_map(|(_, s)| s.identifier).collect(),
            any_no_local: same.iter().any(|(_, s)| s.no_local),
        });
    }
    merged
}

//! A session as the far end of deliveries.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use klamm_log::BoxFuture;
use klamm_mqtt::{Offered, Outbox, Terms};
use tokio::time::Instant;

use super::publication::mqtt_qos;
use crate::message::{Dispatch, Message};
use crate::{Matched, Offer, Subscriber, SubscriberId};

/// Where messages for a session go.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) id: SubscriberId,
    pub(super) client_id: Arc<str>,
    pub(super) outbox: Outbox,
}

impl Subscriber for Recipient {
    fn id(&self) -> SubscriberId {
        self.id
    }

    fn client_id(&self) -> &str {
        &self.client_id
    }

    fn offer(&self, message: &Dispatch, matched: &Matched) -> Offer {
        let Ok(expires) = expires(message) else { return Offer::Taken };
        let terms = Terms {
            qos: mqtt_qos(message.qos.min(matched.qos)),
            // Retained messages are not offered yet, so none was published with the flag; subscriptions with retain as
            // published get what there is.
            retain: false,
            expires,
            identifiers: &matched.identifiers,
        };
        match self.outbox.offer(message.publication(), &terms) {
            Offered::Taken | Offered::Closed => Offer::Taken,
            Offered::Full => Offer::Full,
        }
    }

    fn room(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.outbox.room())
    }

    fn is_gone(&self) -> bool {
        self.outbox.is_closed()
    }
}

/// An expired message, which nobody wants any more.
struct Expired;

/// When the message expires, by the clock of timers.
fn expires(message: &Message) -> Result<Option<Instant>, Expired> {
    if message.expiry_seconds.is_none() {
        return Ok(None);
    }
    match message.seconds_left(now_ms()) {
        Some(0) => Err(Expired),
        Some(seconds) => Ok(Instant::now().checked_add(Duration::from_secs(seconds.into()))),
        None => Ok(None),
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

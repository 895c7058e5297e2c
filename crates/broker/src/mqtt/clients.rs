//! Who is connected, by client identifier.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use klamm_mqtt::{Outbox, Reason};

use crate::SubscriberId;

/// At most one session for each identifier.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<HashMap<Arc<str>, (SubscriberId, Outbox)>>);

impl Clients {
    /// Enters a session; one that has the identifier is told that it was taken over [MQTT-3.1.4-3].
    pub(super) fn enter(&self, client_id: Arc<str>, id: SubscriberId, outbox: Outbox) {
        let known = self.map().insert(client_id, (id, outbox));
        if let Some((_, outbox)) = known {
            outbox.disconnect(Reason::SessionTakenOver);
        }
    }

    /// Takes a session out, unless another has its place already.
    pub(super) fn leave(&self, client_id: &str, id: SubscriberId) {
        let mut map = self.map();
        if map.get(client_id).is_some_and(|(known, _)| *known == id) {
            map.remove(client_id);
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Arc<str>, (SubscriberId, Outbox)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

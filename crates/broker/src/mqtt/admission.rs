//! Who is let in (MQTT 5.0 section 3.1.4).

use std::sync::Arc;

use klamm_log::Status;
use klamm_mqtt::{Accept, Connect, ProtocolVersion, Reason, Session};

use super::Mqtt;

/// Why a client is refused, in code and in words.
type Refusal = (Reason, &'static str);

const WILL: Refusal =
    (Reason::ImplementationSpecificError, "will messages are not offered yet; connect without one");
const WILL_RETAIN: Refusal =
    (Reason::RetainNotSupported, "retained messages are not offered yet, nor is a retained will");
const PERSISTENT: Refusal = (
    Reason::ServerUnavailable,
    "sessions that outlive their connection are not offered yet; connect with clean session 1",
);
const LOG_UNAVAILABLE: Refusal = (Reason::ServerUnavailable, "the log is not available now");
const BUSY: Refusal = (Reason::ServerBusy, "too many clients wait for the log; try again later");

impl Mqtt {
    /// Lets a client in, or tells it why not.
    pub(super) async fn admit(self: Arc<Self>, connect: Connect) -> Option<Session> {
        if let Err((reason, text)) = self.judge(&connect) {
            self.metrics.mqtt_connects_refused.add(1);
            if let Some(suppressed) = self.lines.allow() {
                let (client, peer) = (connect.client_id().as_str(), connect.peer());
                tracing::warn!(client, %peer, reason = text, suppressed, "refused an MQTT client");
            }
            connect.refuse_with(reason, Some(text)).await;
            return None;
        }
        let accept = self.accept(&connect);
        match connect.accept(accept).await {
            Ok(session) => {
                self.metrics.mqtt_connects.add(1);
                Some(session)
            }
            Err(_) => {
                self.metrics.mqtt_connects_refused.add(1);
                None
            }
        }
    }

    fn judge(&self, connect: &Connect) -> Result<(), Refusal> {
        if *self.log.borrow() != Status::Ready {
            return Err(LOG_UNAVAILABLE);
        }
        if self.metrics.mqtt_connections_waiting.now() > self.options.waiting {
            return Err(BUSY);
        }
        if let Some(will) = connect.will() {
            // [MQTT-3.2.2-13]
            return Err(if will.retain { WILL_RETAIN } else { WILL });
        }
        // MQTT 5 is told in CONNACK that its session ends with the connection; 3.1.1 has no way to say so, and a client
        // that believes its subscriptions are kept loses messages without knowing.
        if connect.version() == ProtocolVersion::V3 && !connect.clean_start() {
            return Err(PERSISTENT);
        }
        Ok(())
    }

    fn accept(&self, connect: &Connect) -> Accept {
        let asked = connect.properties().session_expiry_interval.unwrap_or(0);
        let max = self.options.keep_alive_max;
        let too_long = max > 0 && (connect.keep_alive() == 0 || connect.keep_alive() > max);
        // 3.1.1 clients would not know of it, and be closed for what they were never told.
        let told = connect.version() == ProtocolVersion::V5;
        Accept {
            receive_maximum: self.options.receive_maximum,
            topic_alias_maximum: self.options.topic_alias_maximum,
            retain_available: false,
            shared_subscriptions: false,
            session_expiry_interval: (asked > 0).then_some(0),
            server_keep_alive: (too_long && told).then_some(max),
            ..Accept::default()
        }
    }
}

//! Subscriptions of a client (MQTT 5.0 sections 3.8 to 3.11).

use std::sync::Arc;

use klamm_mqtt::{Reason, SubscribeFilter, SubscribeRequest, UnsubscribeRequest};

use super::client::Client;
use super::publication::qos;
use super::reason;
use crate::{Subscriber, Subscription};

impl Client {
    /// Answers when everything appended from now on will be delivered.
    pub(super) async fn subscribe(&mut self, request: SubscribeRequest) {
        let mut reasons = Vec::with_capacity(request.filters().len());
        let mut text = None;
        for filter in request.filters() {
            let granted = self.subscribe_one(filter, request.identifier()).await;
            reasons.push(match granted {
                Ok(()) => SubscribeRequest::granted(filter.qos),
                Err((reason, why)) => {
                    text.get_or_insert(why);
                    reason
                }
            });
        }
        request.answer_with(reasons, text.as_deref());
    }

    async fn subscribe_one(
        &mut self,
        wanted: &SubscribeFilter,
        identifier: Option<u32>,
    ) -> Result<(), (Reason, String)> {
        if wanted.filter.share().is_some() {
            let why = "shared subscriptions are not offered yet";
            return Err((Reason::SharedSubscriptionsNotSupported, why.to_owned()));
        }
        let filter = wanted.filter.as_str();
        let max = self.mqtt.options.subscriptions;
        if self.subscriptions.len() >= max && !self.subscriptions.contains_key(filter) {
            let why = format!("a session may have {max} subscriptions");
            return Err((Reason::QuotaExceeded, why));
        }
        let following = Box::pin(self.mqtt.interests.add(filter));
        let interest = match self.session.write_while(following).await {
            Ok(interest) => interest,
            Err(error) => {
                if let Some(suppressed) = self.mqtt.lines.allow() {
                    let client = &*self.recipient.client_id;
                    tracing::warn!(client, filter, %error, suppressed, "a subscription failed");
                }
                return Err((reason::reason(&error), error.to_string()));
            }
        };
        let subscriber: Arc<dyn Subscriber> =
            Arc::<super::recipient::Recipient>::clone(&self.recipient);
        let subscription = Subscription {
            subscriber,
            qos: qos(wanted.qos),
            no_local: wanted.no_local,
            identifier,
        };
        if self.mqtt.subscriptions.insert(filter, subscription) {
            self.mqtt.metrics.subscriptions.add(1);
        }
        // Only now: the tails of a subscription that this one replaces ran until here.
        self.subscriptions.insert(filter.into(), interest);
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, request: UnsubscribeRequest) {
        let mut reasons = Vec::with_capacity(request.filters().len());
        for filter in request.filters() {
            let filter = filter.as_str();
            if self.mqtt.subscriptions.remove(filter, self.recipient.id) {
                self.mqtt.metrics.subscriptions.subtract(1);
            }
            let known = self.subscriptions.remove(filter).is_some();
            reasons.push(if known { Reason::Success } else { Reason::NoSubscriptionExisted });
        }
        request.answer(reasons);
    }
}

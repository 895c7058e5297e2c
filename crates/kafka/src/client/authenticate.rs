//! SaslHandshake and SaslAuthenticate (KIP-152), and again before a session ends (KIP-368).

use std::time::Duration;

use bytes::Bytes;
use klamm_kafka_proto::messages::sasl_authenticate::{SaslAuthenticate, SaslAuthenticateRequest};
use klamm_kafka_proto::messages::sasl_handshake::{SaslHandshake, SaslHandshakeRequest};
use klamm_kafka_proto::{ApiKey, Str};
use tokio::time::Instant;

use super::Client;
use crate::KafkaError;
use crate::cluster::refused;
use crate::security::{Mechanism, Sasl, sasl};

impl Client {
    /// Shows who the client is, where user and password are given.
    pub(super) async fn authenticate(&mut self) -> Result<(), KafkaError> {
        let Some(sasl) = self.options.security.sasl.clone() else { return Ok(()) };
        self.choose(sasl.mechanism).await?;
        let (mut dialogue, first) = sasl.begin(&sasl::nonce()?);
        let mut next = Some(first);
        while let Some(word) = next {
            let answer = self.say(&sasl, word).await?;
            next = dialogue.handle(&answer)?;
        }
        Ok(())
    }

    /// Authenticates anew on the same connection when the session is near its end.
    pub(super) async fn authenticate_again(&mut self) -> Result<(), KafkaError> {
        match self.authenticate_at {
            Some(at) if Instant::now() >= at => self.authenticate().await,
            _ => Ok(()),
        }
    }

    async fn choose(&mut self, mechanism: Mechanism) -> Result<(), KafkaError> {
        let request = SaslHandshakeRequest { mechanism: Str::from_static(mechanism.name()) };
        let version = self.version(ApiKey::SaslHandshake)?;
        let response = self.exchange::<SaslHandshake>(version, &request).await?;
        let offered: Vec<&str> = response.mechanisms.iter().map(|name| &**name).collect();
        let offered = format!("the broker offers {}", offered.join(", "));
        refused(response.error_code, Some(&offered), || mechanism.name().to_owned())
    }

    async fn say(&mut self, sasl: &Sasl, word: Bytes) -> Result<Bytes, KafkaError> {
        let version = self.version(ApiKey::SaslAuthenticate)?;
        let request = SaslAuthenticateRequest { auth_bytes: word };
        let response = self.exchange::<SaslAuthenticate>(version, &request).await?;
        let message = response.error_message.as_deref();
        refused(response.error_code, message, || {
            format!("user '{}' by {}", sasl.user, sasl.mechanism.name())
        })?;
        if let Some(lifetime_ms) =
            u64::try_from(response.session_lifetime_ms).ok().filter(|l| *l > 0)
        {
            // As Kafka's own client at the earliest: 85 % of the session.
            let lifetime = Duration::from_millis(lifetime_ms).mul_f64(0.85);
            self.authenticate_at = Instant::now().checked_add(lifetime);
        }
        Ok(response.auth_bytes)
    }
}

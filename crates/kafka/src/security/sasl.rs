//! SASL: user and password by one of three mechanisms (KIP-43, KIP-84, KIP-152).

use std::fmt;

use bytes::Bytes;

use super::scram::{Exchange, ScramMechanism};
use crate::KafkaError;

/// How user and password are shown to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// As they are (RFC 4616).
    Plain,
    /// By proof, and the broker proves that it knows the password too (RFC 5802).
    Scram(ScramMechanism),
}

impl Mechanism {
    /// As IANA and Kafka's configuration write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(mechanism) => mechanism.name(),
        }
    }
}

/// User and password.
#[derive(Clone)]
pub struct Sasl {
    /// By what.
    pub mechanism: Mechanism,
    /// Who.
    pub user: String,
    /// The secret; never shown in debug output.
    pub password: String,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl")
            .field("mechanism", &self.mechanism)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The client's side of one authentication: what it says first, and to each word of the broker.
#[derive(Debug)]
pub(crate) enum Dialogue {
    Plain,
    Scram(Box<Exchange>),
}

impl Sasl {
    /// Begins: the dialogue and the client's first word. `nonce` is different each time, printable and without a comma.
    pub(crate) fn begin(&self, nonce: &str) -> (Dialogue, Bytes) {
        match self.mechanism {
            Mechanism::Plain => {
                (Dialogue::Plain, format!("\0{}\0{}", self.user, self.password).into())
            }
            Mechanism::Scram(mechanism) => {
                let (exchange, first) =
                    Exchange::begin(mechanism, &self.user, &self.password, nonce);
                (Dialogue::Scram(Box::new(exchange)), first.into())
            }
        }
    }
}

impl Dialogue {
    /// Takes a word of the broker; `None` when nothing is left to say and the broker has shown that it is the right one.
    pub(crate) fn handle(&mut self, said: &[u8]) -> Result<Option<Bytes>, KafkaError> {
        match self {
            Self::Plain => Ok(None),
            Self::Scram(exchange) => exchange.handle(said).map(|answer| answer.map(Bytes::from)),
        }
    }
}

/// 24 characters nobody can foresee.
pub(crate) fn nonce() -> Result<String, KafkaError> {
    use base64::Engine as _;
    let bytes: [u8; 18] = ring::rand::generate(&ring::rand::SystemRandom::new())
        .map_err(|_| KafkaError::Credentials("the system has no randomness".into()))?
        .expose();
    Ok(base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_says_user_and_password_at_once() {
        let sasl = Sasl { mechanism: Mechanism::Plain, user: "tim".into(), password: "tan".into() };
        let (mut dialogue, first) = sasl.begin("");
        assert_eq!(&first[..], b"\0tim\0tan"); // RFC 4616, section 4
        assert!(dialogue.handle(b"").unwrap().is_none());
        assert!(!format!("{sasl:?}").contains("tan"));
    }

    #[test]
    fn nonces_differ() {
        let (one, other) = (nonce().unwrap(), nonce().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 24 && !one.contains(','));
    }
}

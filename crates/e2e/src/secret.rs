//! A Secret as `kubectl` shows it, and the client that one of a KafkaUser makes.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use klamm_kafka::security::{ClientCertificate, Mechanism, Sasl, ScramMechanism, Security, Tls};

use crate::kafka::Kafka;
use crate::kubectl::Namespace;

/// What a Secret holds: PEM and text.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Secret(BTreeMap<String, String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secret {
    pub(crate) fn read(here: &Namespace, name: &str) -> Result<Self, String> {
        let object = here.json(&format!("secret/{name}"))?;
        let data = object["data"].as_object().cloned().unwrap_or_default();
        let decoded = data.into_iter().map(|(key, value)| {
            let bytes = base64(value.as_str().unwrap_or_default());
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.map(|text| (key, text)).ok_or_else(|| format!("{name} is not base64 of a text"))
        });
        decoded.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn text(&self, key: &str) -> Result<String, String> {
        self.0.get(key).cloned().ok_or_else(|| format!("no {key} in the Secret"))
    }

    /// How the Secret says that its owner connects, and by nothing else.
    pub(crate) fn security(&self) -> Result<Security, String> {
        let protocol = self.text("security.protocol")?;
        let mut security = Security::default();
        if protocol.ends_with("SSL") {
            let (chain, key) = (self.0.get("user.crt"), self.0.get("user.key"));
            let own = chain.zip(key).map(|(chain, key)| ClientCertificate {
                chain: chain.as_bytes(),
                key: key.as_bytes(),
            });
            let tls = Tls::new(self.text("ca.crt")?.as_bytes(), own.as_ref());
            security = security.with_tls(tls.map_err(|error| error.to_string())?);
        }
        if protocol.starts_with("SASL") {
            let mechanism = Mechanism::Scram(ScramMechanism::Sha512);
            let (user, password) = (self.text("username")?, self.text("password")?);
            security = security.with_sasl(Sasl { mechanism, user, password });
        }
        Ok(security)
    }

    /// A client, as the Secret says.
    pub(crate) fn connect(&self) -> Result<Kafka, String> {
        Kafka::new(&self.text("bootstrap.servers")?, self.security()?)
    }
}

/// What `kubectl` shows of a Secret; none if it is not that.
fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_decoded() {
        assert_eq!(base64("cGFzc3dvcmQ="), Some(b"password".to_vec()));
        assert_eq!(base64("YQ=="), Some(b"a".to_vec()));
        assert_eq!(base64(""), Some(Vec::new()));
        assert_eq!(base64("a b"), None);
    }
}

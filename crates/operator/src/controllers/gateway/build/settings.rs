//! klamm's settings file, and the authority it trusts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use klamm_crd::Gateway;

use super::names;
use crate::controllers::gateway::validate::{Login, Validated};

/// Where the ConfigMap is mounted.
pub(super) const CONFIG_DIR: &str = "/etc/klamm";
/// Where the user's Secret is mounted.
pub(super) const USER_DIR: &str = "/etc/klamm-user";
pub(super) const CONFIG_FILE: &str = "klamm.toml";
const TRUST_FILE: &str = "ca.crt";

pub(super) fn config_map(gateway: &Gateway, validated: &Validated) -> ConfigMap {
    let (properties, files) = properties(validated);
    let file = validated.config.file(&validated.bootstrap, &properties, &files);
    let mut data = BTreeMap::from([(CONFIG_FILE.to_owned(), file)]);
    if let Some(trust) = &validated.trust {
        data.insert(TRUST_FILE.to_owned(), trust.clone());
    }
    ConfigMap { metadata: names::metadata(gateway), data: Some(data), ..Default::default() }
}

/// librdkafka's properties; and those whose value is a secret, with the file it is in.
fn properties(validated: &Validated) -> (Vec<String>, Vec<String>) {
    let encrypted = validated.trust.is_some();
    let sasl = matches!(validated.login, Login::Scram { .. });
    let protocol = match (encrypted, sasl) {
        (false, false) => "plaintext",
        (false, true) => "sasl_plaintext",
        (true, false) => "ssl",
        (true, true) => "sasl_ssl",
    };
    let mut properties = vec![format!("security.protocol={protocol}")];
    let mut files = Vec::new();
    if encrypted {
        properties.push(format!("ssl.ca.location={CONFIG_DIR}/{TRUST_FILE}"));
    }
    match &validated.login {
        Login::Nobody => {}
        Login::Scram { user, .. } => {
            properties.push("sasl.mechanism=SCRAM-SHA-512".to_owned());
            properties.push(format!("sasl.username={user}"));
            files.push(format!("sasl.password={USER_DIR}/{}", Login::PASSWORD));
        }
        Login::Certificate { .. } => {
            let [certificate, key] = [Login::CERTIFICATE, Login::KEY];
            properties.push(format!("ssl.certificate.location={USER_DIR}/{certificate}"));
            properties.push(format!("ssl.key.location={USER_DIR}/{key}"));
        }
    }
    (properties, files)
}

/// Another text whenever pods have to be replaced to see a change: klamm reads its files once, at its start. Of the user's Secret
/// only the version goes into it, for a digest of a password gives the password away to who can guess.
pub(super) fn revision(config: &ConfigMap, validated: &Validated) -> String {
    let mut hash = Fnv::default();
    for (name, text) in config.data.iter().flatten() {
        hash.add(name);
        hash.add(text);
    }
    match &validated.login {
        Login::Nobody => {}
        Login::Scram { secret, version, .. } | Login::Certificate { secret, version } => {
            hash.add(secret);
            hash.add(version);
        }
    }
    format!("{:016x}", hash.0)
}

/// FNV-1a: the same in every release of the operator, or an upgrade of it would restart all gateways.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds a text, and where it ended.
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

//! Secrets, as far as certificates go.

use std::collections::BTreeMap;
use std::fmt;

use super::Certificate;

/// What one Secret holds. Its values are never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// `data`, decoded.
    pub data: BTreeMap<String, Vec<u8>>,
    /// The annotations; those that are not ours stay as they are.
    pub annotations: BTreeMap<String, String>,
}

/// Keys of `data`.
pub mod key {
    /// An authority's certificate and, below it, those that issued it; in public Secrets everything to be trusted.
    pub const CA_CRT: &str = "ca.crt";
    /// An authority's private key.
    pub const CA_KEY: &str = "ca.key";
    /// Everything that is to be trusted.
    pub const BUNDLE: &str = "bundle.crt";
    /// The authority that is about to sign.
    pub const NEXT_CRT: &str = "next.crt";
    /// Its private key.
    pub const NEXT_KEY: &str = "next.key";
    /// A node's private key and certificates.
    pub const KEYSTORE: &str = "keystore.pem";
    /// Whom nodes trust.
    pub const TRUSTSTORE: &str = "truststore.pem";
    /// Whom a node trusts on client listeners.
    pub const CLIENTS_TRUSTSTORE: &str = "clients-truststore.pem";
    /// A user's certificate and those that issued it.
    pub const USER_CRT: &str = "user.crt";
    /// A user's private key.
    pub const USER_KEY: &str = "user.key";
    /// A certificate as cert-manager names it.
    pub const TLS_CRT: &str = "tls.crt";
    /// A private key as cert-manager names it.
    pub const TLS_KEY: &str = "tls.key";
}

/// Annotations of ours.
pub mod annotation {
    /// How many authorities there have been, this one included.
    pub const GENERATION: &str = "klamm.dev/ca-generation";
    /// Since when the authorities have been as they are, in seconds since 1970.
    pub const SINCE: &str = "klamm.dev/ca-since";
    /// The last demand for a renewal that was met.
    pub const RENEWED_FOR: &str = "klamm.dev/renewed-for";
    /// Of a node: the fingerprint of the content whose certificate was over when it was replaced. Whoever has loaded that is cut off.
    pub const OVER: &str = "klamm.dev/over";
}

impl Secret {
    pub(super) fn put(&mut self, key: &str, value: impl Into<Vec<u8>>) {
        self.data.insert(key.to_owned(), value.into());
    }

    pub(super) fn annotate(&mut self, key: &str, value: &dyn ToString) {
        self.annotations.insert(key.to_owned(), value.to_string());
    }

    pub(super) fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(Vec::as_slice)
    }

    pub(super) fn annotation(&self, key: &str) -> &str {
        self.annotations.get(key).map_or("", String::as_str)
    }

    /// The certificates under a key; none if they cannot be read.
    pub(super) fn certificates(&self, key: &str) -> Vec<Certificate> {
        let bytes = self.bytes(key).unwrap_or_default();
        Certificate::all_from_pem(bytes, key).unwrap_or_default()
    }

    /// Writes certificates to be trusted, unless those that are there are the same ones: another order or line ending would
    /// look like a new content to the nodes.
    pub(super) fn put_bundle(&mut self, key: &str, certificates: &[Certificate]) {
        let there = self.certificates(key);
        let same = there.len() == certificates.len()
            && certificates.iter().all(|certificate| there.contains(certificate));
        if !same {
            self.put(key, bundle_pem(certificates));
        }
    }
}

/// One file, in the order that they sign each other.
pub(super) fn chain_pem(chain: &[Certificate]) -> String {
    chain.iter().map(Certificate::to_pem).collect()
}

/// One file of them all, by age, so that it does not depend on who signs.
pub(super) fn bundle_pem(certificates: &[Certificate]) -> String {
    let mut sorted: Vec<_> = certificates.iter().collect();
    sorted.sort_by(|a, b| (a.not_before_s, a.der()).cmp(&(b.not_before_s, b.der())));
    sorted.into_iter().map(Certificate::to_pem).collect()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: BTreeMap<_, _> = self.data.iter().map(|(key, v)| (key, v.len())).collect();
        f.debug_struct("Secret")
            .field("bytes", &lengths)
            .field("annotations", &self.annotations)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_never_printed() {
        let mut secret = Secret::default();
        secret.put(key::CA_KEY, "hush");
        assert_eq!(format!("{secret:?}"), r#"Secret { bytes: {"ca.key": 4}, annotations: {} }"#);
    }
}

//! Private keys: ECDSA P-256 as PKCS #8, the one form that Kafka's PEM key stores take.

use std::fmt;

use rcgen::{KeyPair, PublicKeyData};

use super::CaError;

/// A private key. Neither printed nor compared.
pub struct PrivateKey(pub(super) KeyPair);

impl PrivateKey {
    /// From PEM; `name` is the key of the Secret it stands in, for the error's text. RSA and P-384 are read too: an authority
    /// of the user's own may have them.
    ///
    /// # Errors
    /// [`CaError::UnreadableKey`], with the command that converts it if it is only in another form.
    pub fn from_pem(bytes: &[u8], name: &str) -> Result<Self, CaError> {
        let unreadable = |why: String| CaError::UnreadableKey { key: name.to_owned(), why };
        let block = pem::parse(bytes).map_err(|error| unreadable(error.to_string()))?;
        if block.tag() != "PRIVATE KEY" {
            return Err(unreadable(format!(
                "'{}' instead of 'PRIVATE KEY': convert it with `openssl pkcs8 -topk8 -nocrypt`",
                block.tag()
            )));
        }
        let pair = KeyPair::try_from(block.contents());
        pair.map(Self).map_err(|error| unreadable(error.to_string()))
    }

    /// PKCS #8 as PEM.
    pub fn to_pem(&self) -> Vec<u8> {
        self.0.serialize_pem().into_bytes()
    }

    pub(super) fn duplicate(&self) -> Self {
        Self(KeyPair::try_from(self.0.serialized_der()).expect("was read before"))
    }

    /// SubjectPublicKeyInfo, as a certificate has it.
    pub(super) fn public_key(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Where new keys come from.
pub trait Keys {
    /// A key that nobody has.
    ///
    /// # Errors
    /// [`CaError::Making`], when there is no entropy.
    fn make(&mut self) -> Result<PrivateKey, CaError>;
}

/// Keys from the system's entropy.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemKeys;

impl Keys for SystemKeys {
    fn make(&mut self) -> Result<PrivateKey, CaError> {
        KeyPair::generate().map(PrivateKey).map_err(|error| CaError::making(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_comes_back_from_pem_as_pkcs8() {
        let key = SystemKeys.make().unwrap();
        let pem = key.to_pem();
        assert!(pem.starts_with(b"-----BEGIN PRIVATE KEY-----"));
        let again = PrivateKey::from_pem(&pem, "ca.key").unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(format!("{key:?}"), "PrivateKey");
    }

    #[test]
    fn key_in_another_form_is_refused_with_the_command_that_converts_it() {
        let pem = b"-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n";
        let error = PrivateKey::from_pem(pem, "ca.key").unwrap_err().to_string();
        assert!(error.contains("ca.key") && error.contains("openssl pkcs8"), "{error}");
    }

    #[test]
    fn no_bytes_are_a_panic() {
        let pem = SystemKeys.make().unwrap().to_pem();
        for end in 0..pem.len() - 30 {
            assert!(PrivateKey::from_pem(&pem[..end], "k").is_err(), "{end}");
        }
        for junk in
            [&b""[..], b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"]
        {
            assert!(PrivateKey::from_pem(junk, "k").is_err());
        }
    }
}

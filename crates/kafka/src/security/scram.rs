//! SCRAM (RFC 5802, RFC 7677), the client's side, without channel binding as Kafka has it (KIP-84).
//!
//! ```text
//! n,,n=user,r=nonce            ->
//!                              <-  r=nonce+theirs,s=salt,i=iterations
//! c=biws,r=nonce+theirs,p=proof ->
//!                              <-  v=signature, or e=error
//! ```

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use crate::KafkaError;

/// Which hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl ScramMechanism {
    /// As Kafka's configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// Fewest iterations taken (RFC 7677, section 4; Kafka refuses to store fewer): fewer make a stolen exchange cheap to try words against.
pub(crate) const ITERATIONS_MIN: u32 = 4096;
/// Most iterations taken: some 50 ms of this machine's time at the broker's word, six times what Kafka stores at most.
const ITERATIONS_MAX: u32 = 100_000;

/// `SaltedPassword` (RFC 5802, section 3), as Kafka stores credentials (KIP-554).
pub(crate) fn salted_password(
    mechanism: ScramMechanism,
    password: &str,
    salt: &[u8],
    iterations: NonZeroU32,
) -> Vec<u8> {
    let mut salted = vec![0; mechanism.hmac().digest_algorithm().output_len()];
    pbkdf2::derive(mechanism.pbkdf2(), iterations, salt, password.as_bytes(), &mut salted);
    salted
}

/// One authentication.
pub(crate) struct Exchange {
    mechanism: ScramMechanism,
    password: String,
    nonce: String,
    first_bare: String,
    /// What proves that the broker knows the password, once the client has proved that it does.
    signature: Option<Vec<u8>>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

impl Exchange {
    pub(crate) fn begin(
        mechanism: ScramMechanism,
        user: &str,
        password: &str,
        nonce: &str,
    ) -> (Self, String) {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        let first = format!("n,,{first_bare}");
        let (password, nonce) = (password.to_owned(), nonce.to_owned());
        (Self { mechanism, password, nonce, first_bare, signature: None }, first)
    }

    /// Takes the broker's word; `None` when it was the last and right.
    pub(crate) fn handle(&mut self, said: &[u8]) -> Result<Option<String>, KafkaError> {
        let said = std::str::from_utf8(said).map_err(|_| broken("text that is not UTF-8"))?;
        match self.signature.take() {
            None => self.prove(said).map(Some),
            Some(expected) => verify(&expected, said).map(|()| None),
        }
    }

    fn prove(&mut self, server_first: &str) -> Result<String, KafkaError> {
        let (nonce, salt, iterations) = self.parse_first(server_first)?;
        let salted = salted_password(self.mechanism, &self.password, &salt, iterations);
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{server_first},{without_proof}", self.first_bare);
        let key = |bytes: &[u8]| hmac::Key::new(self.mechanism.hmac(), bytes);
        let client_key = hmac::sign(&key(&salted), b"Client Key");
        let stored = digest::digest(self.mechanism.hmac().digest_algorithm(), client_key.as_ref());
        let client_signature = hmac::sign(&key(stored.as_ref()), message.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(client_signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server_key = hmac::sign(&key(&salted), b"Server Key");
        let signature = hmac::sign(&key(server_key.as_ref()), message.as_bytes());
        self.signature = Some(signature.as_ref().to_vec());
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    fn parse_first<'a>(&self, text: &'a str) -> Result<(&'a str, Vec<u8>, NonZeroU32), KafkaError> {
        let mut fields = text.split(',');
        let nonce = field(&mut fields, "r=")?;
        // What does not begin with the client's own nonce answers somebody else's exchange.
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(broken("a nonce that does not go on from the client's"));
        }
        let salt = STANDARD.decode(field(&mut fields, "s=")?);
        let salt = salt.map_err(|_| broken("a salt that is not base64"))?;
        let iterations = field(&mut fields, "i=")?.parse::<u32>().ok();
        let iterations = iterations
            .filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(count))
            .and_then(NonZeroU32::new)
            .ok_or_else(|| broken("a number of iterations out of bounds"))?;
        Ok((nonce, salt, iterations))
    }
}

fn verify(expected: &[u8], server_final: &str) -> Result<(), KafkaError> {
    let mut fields = server_final.split(',');
    let signature = STANDARD.decode(field(&mut fields, "v=")?).unwrap_or_default();
    if signature != expected {
        return Err(broken("a signature that shows that it does not know the password"));
    }
    Ok(())
}

fn field<'a>(fields: &mut std::str::Split<'a, char>, name: &str) -> Result<&'a str, KafkaError> {
    let field = fields.next().unwrap_or_default();
    field.strip_prefix(name).ok_or_else(|| broken("fields that are not those of RFC 5802"))
}

fn broken(what: &'static str) -> KafkaError {
    KafkaError::Sasl(format!("the broker sent {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_FIRST: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn begun(nonce: &str) -> Exchange {
        Exchange::begin(ScramMechanism::Sha256, "user", "pencil", nonce).0
    }

    #[test]
    fn exchange_is_that_of_rfc_7677() {
        let nonce = "rOprNGfwEbeRWgbNEkqO";
        let (mut exchange, first) =
            Exchange::begin(ScramMechanism::Sha256, "user", "pencil", nonce);
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = exchange.handle(SERVER_FIRST).unwrap().unwrap();
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(proof, expected);
        let last = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert!(exchange.handle(last).unwrap().is_none());
    }

    #[test]
    fn broker_that_does_not_know_the_password_is_found_out() {
        for last in [&b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="[..], b"e=other", b"v=", b""]
        {
            let mut exchange = begun("rOprNGfwEbeRWgbNEkqO");
            exchange.handle(SERVER_FIRST).unwrap();
            assert!(matches!(exchange.handle(last), Err(KafkaError::Sasl(_))));
        }
    }

    #[test]
    fn first_word_of_the_broker_is_checked() {
        for first in [
            "",
            "r=x,s=AA==,i=4096",
            "r=mine,s=AA==,i=4096",
            "r=mine2,s=?,i=4096",
            "r=mine2,s=AA==,i=1",
            "r=mine2,s=AA==,i=4000000000",
            "m=ext,r=mine2,s=AA==,i=4096",
        ] {
            assert!(begun("mine").handle(first.as_bytes()).is_err(), "{first}");
        }
        assert!(begun("mine").handle(b"r=mine2,s=AA==,i=4096").is_ok());
    }

    #[test]
    fn user_name_is_escaped() {
        let (_, first) = Exchange::begin(ScramMechanism::Sha512, "a=b,c", "", "n");
        assert_eq!(first, "n,,n=a=3Db=2Cc,r=n");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(first: Vec<u8>, last: Vec<u8>) {
            let mut exchange = begun("mine");
            let _ = exchange.handle(&first);
            exchange.signature = Some(vec![1]);
            let _ = exchange.handle(&last);
        }
    }
}

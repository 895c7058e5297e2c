//! Credentials for SASL/SCRAM [RFC 5802]: a password, and what Kafka stores of it.
//!
//! Kafka's AlterUserScramCredentials takes the *salted* password, so that the broker never sees the password itself. It cannot be asked
//! for it afterwards; whoever wants to know whether a password is the one that was set has to remember it.

use std::fmt;
use std::num::NonZeroU32;

use ring::pbkdf2;

/// A mechanism, with Kafka's numbers of `ScramMechanism`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// SCRAM-SHA-256 [RFC 7677].
    Sha256 = 1,
    /// SCRAM-SHA-512.
    Sha512 = 2,
}

impl Mechanism {
    /// The number on the wire.
    pub fn number(self) -> i8 {
        self as i8
    }

    /// Bytes of a salted password: `H()`'s.
    fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        })
    }
}

/// A password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// Why something cannot be a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// Clients differ in how they prepare other characters (SASLprep), and would be refused.
    #[error(
        "the password has a character that is not printable ASCII (at byte {at}); choose another"
    )]
    NotAscii {
        /// Where.
        at: usize,
    },
    /// Too short, or so long that nobody means it.
    #[error("the password has {length_bytes} bytes; it must have 8 to 1024")]
    Length {
        /// How many bytes it has.
        length_bytes: usize,
    },
    /// Kafka refuses it.
    #[error("{0} iterations are out of range: Kafka takes 4096 to 16384")]
    Iterations(u32),
    /// The source of randomness failed.
    #[error("no random bytes: {0}")]
    Random(String),
}

/// What a source of random bytes does: fills, or says why not.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), String>;

/// 40 characters of 62 are 238 bits.
const PASSWORD_CHARACTERS: usize = 40;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

impl Password {
    /// A new one of letters and digits, which needs no quotes in any configuration file.
    ///
    /// # Errors
    /// [`ScramError::Random`].
    pub fn random(random: Random<'_>) -> Result<Self, ScramError> {
        let mut text = String::with_capacity(PASSWORD_CHARACTERS);
        let mut bytes = [0; 64];
        while text.len() < PASSWORD_CHARACTERS {
            random(&mut bytes).map_err(ScramError::Random)?;
            // Of 64 values 62 are used, so that each letter is as likely as any other.
            let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
            let missing = PASSWORD_CHARACTERS - text.len();
            text.extend(letters.take(missing).map(|letter| char::from(*letter)));
        }
        Ok(Self(text))
    }

    /// One that a user gives. A line end after it is taken off: most editors put one there.
    ///
    /// # Errors
    /// When it is too short, too long, or has characters that clients do not agree on.
    pub fn given(bytes: &[u8]) -> Result<Self, ScramError> {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if let Some(at) = bytes.iter().position(|byte| !(b' '..=b'~').contains(byte)) {
            return Err(ScramError::NotAscii { at });
        }
        if !PASSWORD_BYTES.contains(&bytes.len()) {
            return Err(ScramError::Length { length_bytes: bytes.len() });
        }
        Ok(Self(bytes.iter().copied().map(char::from).collect()))
    }

    /// The password itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `sasl.jaas.config` of a Java client.
    pub fn jaas(&self, user: &str) -> String {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        format!(
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{}\" password=\"{}\";",
            quoted(user),
            quoted(&self.0)
        )
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// What AlterUserScramCredentials takes for one user and mechanism.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// How often the password was hashed.
    pub iterations: u32,
    /// 32 random bytes.
    pub salt: Vec<u8>,
    /// `SaltedPassword` of RFC 5802 section 3; 32 or 64 bytes.
    pub salted_password: Vec<u8>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, {} iterations)", self.mechanism, self.iterations)
    }
}

/// Kafka's bounds: `ScramMechanism.minIterations`, and `MAX_ITERATIONS` of its controller.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=16384;
/// More than the 16 that RFC 5802 calls for would do.
const SALT_BYTES: usize = 32;

impl Credential {
    /// With a new salt.
    ///
    /// # Errors
    /// Iterations that Kafka refuses; no random bytes.
    pub fn new(
        mechanism: Mechanism,
        password: &Password,
        iterations: u32,
        random: Random<'_>,
    ) -> Result<Self, ScramError> {
        let mut salt = vec![0; SALT_BYTES];
        random(&mut salt).map_err(ScramError::Random)?;
        let salted_password = salted_password(mechanism, password.reveal(), &salt, iterations)?;
        Ok(Self { mechanism, iterations, salt, salted_password })
    }
}

/// `Hi(Normalize(password), salt, i)` [RFC 5802 section 2.2]; the normal form of printable ASCII is itself.
///
/// # Errors
/// Iterations that Kafka refuses.
pub fn salted_password(
    mechanism: Mechanism,
    password: &str,
    salt: &[u8],
    iterations: u32,
) -> Result<Vec<u8>, ScramError> {
    let allowed = ITERATIONS.contains(&iterations).then_some(iterations);
    let count = allowed.and_then(NonZeroU32::new).ok_or(ScramError::Iterations(iterations))?;
    let mut salted = vec![0; mechanism.length()];
    pbkdf2::derive(mechanism.algorithm(), count, salt, password.as_bytes(), &mut salted);
    Ok(salted)
}

#[cfg(test)]
mod tests {
    use ring::{digest, hmac};

    use super::*;

    fn seeded() -> impl FnMut(&mut [u8]) -> Result<(), String> {
        let mut random = crate::simulator::Random::new(7);
        move |bytes| {
            bytes.fill_with(|| random.bits() as u8);
            Ok(())
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn salted_password_gives_the_proof_of_rfc_7677() {
        // Section 3: user `user`, password `pencil`; salt and proof are base64 there.
        let salt = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
        let salted = salted_password(Mechanism::Sha256, "pencil", salt, 4096).unwrap();
        let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let client_key = hmac::sign(&key(&salted), b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac::sign(&key(stored_key.as_ref()), message.as_bytes());
        let proof = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b);
        assert_eq!(
            hex(&proof.collect::<Vec<_>>()),
            // dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=
            "747cdb65aa56224e2352137e52d7bdcad6a0f738df30782caa69a2cfb0277554"
        );
    }

    #[test]
    fn password_is_long_of_letters_and_digits_and_another_each_time() {
        let mut random = seeded();
        let first = Password::random(&mut random).unwrap();
        let second = Password::random(&mut random).unwrap();
        assert_eq!(first.reveal().len(), 40);
        assert!(first.reveal().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(first, second);
        assert_eq!(format!("{first:?}"), "Password");
    }

    #[test]
    fn source_that_fails_is_told() {
        let mut broken = |_: &mut [u8]| Err("closed".to_owned());
        let error = Password::random(&mut broken).unwrap_err();
        assert_eq!(error, ScramError::Random("closed".into()));
    }

    #[test]
    fn given_password_loses_its_line_end_and_must_be_what_all_clients_send() {
        assert_eq!(Password::given(b"pass word\r\n").unwrap().reveal(), "pass word");
        assert_eq!(Password::given(b"short"), Err(ScramError::Length { length_bytes: 5 }));
        assert_eq!(Password::given(&[b'a'; 1025]), Err(ScramError::Length { length_bytes: 1025 }));
        assert_eq!(Password::given("passwörter".as_bytes()), Err(ScramError::NotAscii { at: 5 }));
        assert_eq!(Password::given(b"two\nlines\n"), Err(ScramError::NotAscii { at: 3 }));
    }

    #[test]
    fn credential_has_its_own_salt_and_kafkas_bounds() {
        let mut random = seeded();
        let password = Password::given(b"password").unwrap();
        let mut make =
            |mechanism, iterations| Credential::new(mechanism, &password, iterations, &mut random);
        let first = make(Mechanism::Sha512, 4096).unwrap();
        let second = make(Mechanism::Sha512, 4096).unwrap();
        assert_ne!(first.salt, second.salt);
        assert_ne!(first.salted_password, second.salted_password);
        assert_eq!((first.salt.len(), first.salted_password.len()), (32, 64));
        assert_eq!(make(Mechanism::Sha256, 8192).unwrap().salted_password.len(), 32);
        for iterations in [0, 4095, 16385] {
            let refused = make(Mechanism::Sha256, iterations);
            assert_eq!(refused, Err(ScramError::Iterations(iterations)));
        }
        assert_eq!((Mechanism::Sha256.number(), Mechanism::Sha512.number()), (1, 2));
    }

    #[test]
    fn jaas_line_quotes_what_has_to_be() {
        let password = Password::given(br#"pass"w\ord"#).unwrap();
        assert!(password.jaas("u").ends_with(r#"username="u" password="pass\"w\\ord";"#));
    }
}

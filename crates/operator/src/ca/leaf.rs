//! Certificates of nodes, users and the operator: what is asked for, what is there, and whether it will do.

use std::collections::BTreeSet;
use std::fmt;

use super::{Authority, CaError, Certificate, Keys, Lifetime, Name, PrivateKey, Subject};

/// What a certificate should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its subject.
    pub subject: Subject,
    /// Its names.
    pub names: BTreeSet<Name>,
    /// For servers too (`serverAuth`), not only for clients (`clientAuth`).
    pub serves: bool,
}

/// A certificate, those that issued it (but for a root), and its key.
pub struct Leaf {
    chain: Vec<Certificate>,
    key: PrivateKey,
}

impl Leaf {
    pub(super) fn new(chain: Vec<Certificate>, key: PrivateKey) -> Self {
        Self { chain, key }
    }

    /// From PEM. The names are for the errors' texts.
    ///
    /// # Errors
    /// When it cannot be read, or the key is another certificate's.
    pub fn from_pem(
        (certificates, crt_name): (&[u8], &str),
        (key, key_name): (&[u8], &str),
    ) -> Result<Self, CaError> {
        let chain = Certificate::all_from_pem(certificates, crt_name)?;
        let key = PrivateKey::from_pem(key, key_name)?;
        if !chain[0].belongs_to(&key) {
            return Err(CaError::KeyMismatch(chain[0].subject.clone()));
        }
        Ok(Self { chain, key })
    }

    /// From a file that has both, as Kafka's PEM key stores do.
    ///
    /// # Errors
    /// As [`Leaf::from_pem`].
    pub fn from_keystore(bytes: &[u8], name: &str) -> Result<Self, CaError> {
        // PEM readers take the first block, and a key store begins with its key.
        Self::from_pem((bytes, name), (bytes, name))
    }

    /// The certificate itself.
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The certificate, then those that issued it.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The chain as PEM.
    pub fn chain_pem(&self) -> Vec<u8> {
        self.chain.iter().map(Certificate::to_pem).collect::<String>().into_bytes()
    }

    /// The key as PEM (PKCS #8).
    pub fn key_pem(&self) -> Vec<u8> {
        self.key.to_pem()
    }

    /// Key and chain in one file.
    pub fn keystore(&self) -> Vec<u8> {
        [self.key_pem(), self.chain_pem()].concat()
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leaf").field(self.certificate()).finish()
    }
}

/// Why a certificate is issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// There was none.
    Missing,
    /// What was there cannot be used.
    Unusable(String),
    /// It is over.
    Expired,
    /// It ends soon.
    EndsSoon,
    /// Its names or subject are not those that are wanted now.
    OtherNames,
    /// Another authority signs now.
    OtherAuthority,
    /// Somebody asked for it.
    Asked,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there was none"),
            Self::Unusable(why) => write!(f, "the old one cannot be used: {why}"),
            Self::Expired => f.write_str("the old one was over"),
            Self::EndsSoon => f.write_str("the old one ends soon"),
            Self::OtherNames => f.write_str("its names changed"),
            Self::OtherAuthority => f.write_str("another authority signs now"),
            Self::Asked => f.write_str("it was asked for"),
        }
    }
}

impl Why {
    /// With this certificate nobody gets a connection anyway.
    fn is_broken(&self) -> bool {
        matches!(self, Self::Missing | Self::Unusable(_) | Self::Expired)
    }
}

/// Who signs, and who else may have signed.
#[derive(Debug)]
pub struct Signer {
    authority: Authority,
    /// Whose certificates will do.
    accepts: Vec<Certificate>,
    /// Not everybody trusts the authority yet, and the one that everybody trusts has lost its key.
    only_broken: bool,
}

impl Signer {
    pub(super) fn new(authority: Authority, accepts: Vec<Certificate>, only_broken: bool) -> Self {
        Self { authority, accepts, only_broken }
    }

    /// Who signs.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Not everybody trusts it yet.
    pub fn is_provisional(&self) -> bool {
        self.only_broken
    }

    /// Whether a certificate is there to stay as far as its issuer goes.
    pub fn accepts(&self, certificate: &Certificate) -> bool {
        self.accepts.iter().any(|issuer| certificate.is_issued_by(issuer))
    }

    /// Why a certificate has to be issued; none if the present one will do.
    pub(super) fn verdict(
        &self,
        present: Option<&Result<Leaf, CaError>>,
        request: &Request,
        lifetime: Lifetime,
        asked: bool,
        now_s: u64,
    ) -> Option<Why> {
        let why = self.complaint(present, request, lifetime, asked, now_s)?;
        (why.is_broken() || !self.only_broken).then_some(why)
    }

    fn complaint(
        &self,
        present: Option<&Result<Leaf, CaError>>,
        request: &Request,
        lifetime: Lifetime,
        asked: bool,
        now_s: u64,
    ) -> Option<Why> {
        let leaf = match present {
            None => return Some(Why::Missing),
            Some(Err(error)) => return Some(Why::Unusable(error.to_string())),
            Some(Ok(leaf)) => leaf.certificate(),
        };
        // Near the authority's own end a new certificate would end no later than the old one.
        let longer = self.authority.end_s(lifetime, now_s) > leaf.not_after_s;
        match () {
            () if leaf.is_expired(now_s) => Some(Why::Expired),
            () if !self.accepts(leaf) => Some(Why::OtherAuthority),
            () if !request.subject.is_of(leaf) || leaf.names != request.names => {
                Some(Why::OtherNames)
            }
            () if now_s >= lifetime.due_s(leaf) && longer => Some(Why::EndsSoon),
            () if asked => Some(Why::Asked),
            () => None,
        }
    }

    /// The operator's own certificate, `CN=klamm-operator,O=<cluster>`: for a day, and for memory only.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn operator(
        &self,
        cluster: &str,
        now_s: u64,
        keys: &mut dyn Keys,
    ) -> Result<Leaf, CaError> {
        let subject = Subject::operator(cluster)?;
        let request = Request { subject, names: BTreeSet::new(), serves: false };
        self.authority.issue(&request, OPERATOR, now_s, keys)
    }

    /// Whether the operator's certificate has to be made anew: another authority signs, or a third of its day is left.
    pub fn operator_is_due(&self, leaf: &Leaf, now_s: u64) -> bool {
        let certificate = leaf.certificate();
        !certificate.is_issued_by(self.authority.certificate())
            || now_s >= OPERATOR.due_s(certificate)
                && self.authority.end_s(OPERATOR, now_s) > certificate.not_after_s
    }
}

const OPERATOR: Lifetime = Lifetime::DAY;

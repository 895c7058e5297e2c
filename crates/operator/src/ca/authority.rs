//! An authority: a certificate that signs others, and mostly its key.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose,
};

use super::names::{Subject, san};
use super::time::{BACKDATE_S, moment};
use super::{CaError, Certificate, Keys, Leaf, Lifetime, PrivateKey, Request};

/// An authority. Without its key it is trusted, and issues nothing.
pub struct Authority {
    chain: Vec<Certificate>,
    key: Option<PrivateKey>,
}

/// Which of a cluster's two authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// For nodes and the operator.
    Internal,
    /// For users.
    Clients,
}

impl Role {
    /// The Secret it is kept in.
    pub fn secret(self, cluster: &str) -> String {
        match self {
            Self::Internal => format!("{cluster}-ca"),
            Self::Clients => format!("{cluster}-clients-ca"),
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Internal => "klamm-internal-ca v",
            Self::Clients => "klamm-clients-ca v",
        }
    }

    /// The generation in the name of a certificate of ours; none for others.
    pub(super) fn generation(self, certificate: &Certificate) -> Option<u64> {
        certificate.common_name.strip_prefix(self.prefix())?.parse().ok()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Internal => "internal authority",
            Self::Clients => "clients' authority",
        })
    }
}

impl Authority {
    /// A new one that signed itself. Each generation has a name of its own, so that nobody who verifies a certificate has to try
    /// two keys under one name.
    ///
    /// # Errors
    /// A cluster's name that no certificate can carry; no entropy.
    pub fn make(
        role: Role,
        cluster: &str,
        generation: u64,
        lifetime: Lifetime,
        now_s: u64,
        keys: &mut dyn Keys,
    ) -> Result<Self, CaError> {
        let subject = Subject::new(&format!("{}{generation}", role.prefix()), Some(cluster))?;
        let mut params = CertificateParams::default();
        params.not_before = moment!(now_s.saturating_sub(BACKDATE_S));
        params.not_after = moment!(lifetime.end_s(now_s));
        params.distinguished_name = subject.distinguished();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = keys.make()?;
        let made = params.self_signed(&key.0).map_err(|error| CaError::making(&error))?;
        let certificate = Certificate::from_der(made.der()).map_err(CaError::Making)?;
        Ok(Self { chain: vec![certificate], key: Some(key) })
    }

    /// From PEM: the certificate of `key`, and below it those that issued it. The names are for the errors' texts.
    ///
    /// # Errors
    /// When something cannot be read, does not fit together or may not sign.
    pub fn from_pem(
        (certificates, crt_name): (&[u8], &str),
        (key, key_name): (&[u8], &str),
    ) -> Result<Self, CaError> {
        let chain = Certificate::all_from_pem(certificates, crt_name)?;
        let key = PrivateKey::from_pem(key, key_name)?;
        Self::new(chain, Some(key))
    }

    /// # Errors
    /// When the key is not that of the first certificate, which has to be an authority's and have a name that it can issue under.
    pub(super) fn new(chain: Vec<Certificate>, key: Option<PrivateKey>) -> Result<Self, CaError> {
        let first = &chain[0];
        if !first.is_authority {
            return Err(CaError::NotAnAuthority(first.subject.clone()));
        }
        if let Some(key) = &key {
            if !first.belongs_to(key) {
                return Err(CaError::KeyMismatch(first.subject.clone()));
            }
            let roles = [Role::Internal, Role::Clients];
            if roles.iter().all(|role| role.generation(first).is_none()) {
                prove(first, key)?;
            }
        }
        Ok(Self { chain, key })
    }

    /// One that is only trusted.
    pub(super) fn without_key(chain: Vec<Certificate>) -> Self {
        Self { chain, key: None }
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// Its certificate and those that issued it.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Its key.
    pub fn key(&self) -> Option<&PrivateKey> {
        self.key.as_ref()
    }

    pub(super) fn duplicate(&self) -> Self {
        let key = self.key.as_ref().map(PrivateKey::duplicate);
        Self { chain: self.chain.clone(), key }
    }

    /// Issues a certificate with a new key. It ends with the authority if not earlier, and begins five minutes ago.
    ///
    /// # Errors
    /// [`CaError::NoKey`]; no entropy.
    pub fn issue(
        &self,
        request: &Request,
        lifetime: Lifetime,
        now_s: u64,
        keys: &mut dyn Keys,
    ) -> Result<Leaf, CaError> {
        let own = self.certificate();
        let signer = self.key.as_ref().ok_or_else(|| CaError::NoKey(own.subject.clone()))?;
        let mut params = CertificateParams::default();
        params.not_before = moment!(now_s.saturating_sub(BACKDATE_S));
        params.not_after = moment!(self.end_s(lifetime, now_s));
        params.distinguished_name = request.subject.distinguished();
        params.subject_alt_names = request.names.iter().map(san).collect::<Result<_, _>>()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if request.serves {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(&own.der().into(), &signer.0)
            .map_err(|error| CaError::making(&error))?;
        let key = keys.make()?;
        let made = params.signed_by(&key.0, &issuer).map_err(|error| CaError::making(&error))?;
        let certificate = Certificate::from_der(made.der()).map_err(CaError::Making)?;
        // A root that verifiers have themselves is not sent.
        let above = self.chain.iter().filter(|certificate| !certificate.is_self_issued());
        Ok(Leaf::new(std::iter::once(certificate).chain(above.cloned()).collect(), key))
    }

    /// When a certificate that it issues now ends.
    pub(super) fn end_s(&self, lifetime: Lifetime, now_s: u64) -> u64 {
        lifetime.end_s(now_s).min(self.certificate().not_after_s)
    }
}

/// Issues a certificate for nobody: rcgen keeps one value for each attribute of a name, others' names may have more.
fn prove(authority: &Certificate, key: &PrivateKey) -> Result<(), CaError> {
    let issuer = Issuer::from_ca_cert_der(&authority.der().into(), &key.0)
        .map_err(|error| CaError::making(&error))?;
    let issued = CertificateParams::default().signed_by(&key.0, &issuer);
    let issued = issued.map_err(|error| CaError::making(&error))?;
    let issued = Certificate::from_der(issued.der()).map_err(CaError::Making)?;
    if issued.is_issued_by(authority) {
        return Ok(());
    }
    Err(CaError::UnusableName(authority.subject.clone()))
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("certificate", self.certificate())
            .field("has_key", &self.key.is_some())
            .finish()
    }
}

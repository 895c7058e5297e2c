//! A certificate that was read: what the decisions need of it, nothing borrowed.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::{CaError, PrivateKey};

/// A certificate. Equal when its bytes are.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    /// RFC 2253, as Kafka writes a principal: `CN=node,O=prod`.
    pub subject: String,
    /// The last CN of the subject.
    pub common_name: String,
    /// First second of validity since 1970.
    pub not_before_s: u64,
    /// Last second of validity since 1970.
    pub not_after_s: u64,
    /// Subject alternative names.
    pub names: BTreeSet<Name>,
    /// May sign others.
    pub is_authority: bool,
    public_key: Vec<u8>,
    raw_subject: Vec<u8>,
    raw_issuer: Vec<u8>,
}

/// A subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A host's name; `*.` at the front is allowed.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

/// More certificates in one file are not read: a Secret holds at most 1 MiB, a certificate here some 700 bytes.
const CERTIFICATES_MAX: usize = 1000;

impl Certificate {
    /// From one certificate's DER.
    ///
    /// # Errors
    /// The parser's words.
    pub fn from_der(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err("more bytes than a certificate".into());
        }
        let seconds = |time: x509_parser::time::ASN1Time| time.timestamp().try_into().unwrap_or(0);
        let common_name = parsed.subject().iter_common_name().filter_map(|cn| cn.as_str().ok());
        Ok(Self {
            subject: rfc_2253(parsed.subject()),
            common_name: common_name.last().unwrap_or_default().to_owned(),
            not_before_s: seconds(parsed.validity().not_before),
            not_after_s: seconds(parsed.validity().not_after),
            names: names(&parsed),
            is_authority: is_authority(&parsed),
            public_key: parsed.public_key().raw.to_vec(),
            raw_subject: parsed.subject().as_raw().to_vec(),
            raw_issuer: parsed.issuer().as_raw().to_vec(),
            der: der.to_vec(),
        })
    }

    /// Every certificate of a PEM file, at least one; other blocks are passed over. `name` is for the error's text.
    ///
    /// # Errors
    /// [`CaError::UnreadableCertificate`] when one is broken, or there is none.
    pub fn all_from_pem(bytes: &[u8], name: &str) -> Result<Vec<Self>, CaError> {
        let unreadable = |why: String| CaError::UnreadableCertificate { key: name.to_owned(), why };
        let blocks = pem::parse_many(bytes).map_err(|error| unreadable(error.to_string()))?;
        let blocks = blocks.iter().filter(|block| block.tag() == "CERTIFICATE");
        let read = blocks.take(CERTIFICATES_MAX).map(|block| Self::from_der(block.contents()));
        let read: Vec<_> = read.collect::<Result<_, _>>().map_err(unreadable)?;
        if read.is_empty() {
            return Err(unreadable("no CERTIFICATE block".into()));
        }
        Ok(read)
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As one PEM block.
    pub fn to_pem(&self) -> String {
        let format = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        pem::encode_config(&pem::Pem::new("CERTIFICATE", self.der.clone()), format)
    }

    /// Whether the issuer's name and signature are those of `issuer`.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        if self.raw_issuer != issuer.raw_subject {
            return false;
        }
        let Ok((_, own)) = X509Certificate::from_der(&self.der) else { return false };
        let Ok((_, authority)) = X509Certificate::from_der(&issuer.der) else { return false };
        own.verify_signature(Some(authority.public_key())).is_ok()
    }

    /// Whether the private key is this certificate's.
    pub fn belongs_to(&self, key: &PrivateKey) -> bool {
        self.public_key == key.public_key()
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now_s: u64) -> bool {
        now_s > self.not_after_s
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.raw_issuer == self.raw_subject
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, until {})", self.subject, super::date(self.not_after_s))
    }
}

/// [RFC 2253 section 2.1]: the last part comes first. rcgen and most tools write single-valued parts.
fn rfc_2253(name: &x509_parser::x509::X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_attributes()
        .map(|attribute| {
            let oid = attribute.attr_type();
            let key = x509_parser::objects::oid2abbrev(oid, x509_parser::objects::oid_registry());
            let key = key.map_or_else(|_| oid.to_id_string(), str::to_owned);
            format!("{key}={}", escaped(attribute.as_str().unwrap_or("?")))
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// RFC 2253 section 2.4.
pub(super) fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (index, letter) in value.chars().enumerate() {
        let special = matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=')
            || (letter == '#' && index == 0)
            || (letter == ' ' && (index == 0 || index == last));
        if special {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

fn names(certificate: &X509Certificate<'_>) -> BTreeSet<Name> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(Name::Dns((*name).to_owned())),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| Name::Ip(bytes.into())),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| Name::Ip(bytes.into())),
            _ => None,
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

/// [RFC 5280 section 4.2.1.3]: without a key usage the key is bound to none.
fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let signs = |usage: &ParsedExtension<'_>| match usage {
        ParsedExtension::KeyUsage(usage) => Some(usage.key_cert_sign()),
        _ => None,
    };
    let extensions = certificate.extensions().iter();
    certificate.is_ca() && extensions.filter_map(|e| signs(e.parsed_extension())).all(|signs| signs)
}

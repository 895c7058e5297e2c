//! Certificates as a test needs them: good ones, and some that are wrong in one way each.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};

/// PEM texts. A keystore is a key with its certificate.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// The authority that everybody should trust.
    pub authority: String,
    /// Another of the same name that nobody does.
    pub impostor: String,
    /// Keystore for 127.0.0.1.
    pub server: String,
    /// Keystore for another host.
    pub elsewhere: String,
    /// Keystore that has expired.
    pub old: String,
    /// Keystore of the client `CN=client`.
    pub client: String,
    /// Keystore of a client, by the impostor.
    pub stranger: String,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let (authority, impostor) = (authority(), authority());
        let mut old = named("server", "127.0.0.1");
        old.not_before = date_time_ymd(2020, 1, 1);
        old.not_after = date_time_ymd(2021, 1, 1);
        Self {
            server: keystore(&named("server", "127.0.0.1"), &authority),
            elsewhere: keystore(&named("server", "elsewhere.example"), &authority),
            old: keystore(&old, &authority),
            client: keystore(&named("client", "client"), &authority),
            stranger: keystore(&named("client", "client"), &impostor),
            authority: authority.pem(),
            impostor: impostor.pem(),
        }
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = named("authority", "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, key()).expect("an authority")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn named(common_name: &str, host: &str) -> CertificateParams {
    let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn keystore(params: &CertificateParams, authority: &Authority) -> String {
    let key = key();
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    format!("{}{}", key.serialize_pem(), certificate.pem())
}

//! What a user's Secret holds. Pure but for random bytes.

use std::collections::BTreeMap;

use klamm_crd::Authentication;
use ring::digest;

use super::validate::Wanted;
use crate::ca::{Certificate, Keys, Lifetime, Secret, Signer, UserRequest, data_key, renew_user};
use crate::controllers::status::Told;
use crate::scram::{Password, Random};

/// Says which password Kafka has. The hash stands beside the password, and tells nobody more than that.
pub(crate) const CREDENTIAL: &str = "klamm.dev/credential";

const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const JAAS: &str = "sasl.jaas.config";
const MECHANISM: &str = "sasl.mechanism";
const PROTOCOL: &str = "security.protocol";
const BOOTSTRAP: &str = "bootstrap.servers";

/// The entries that are ours; others may be added by hand.
const OWN: [&str; 9] = [
    USERNAME,
    PASSWORD,
    JAAS,
    MECHANISM,
    PROTOCOL,
    BOOTSTRAP,
    data_key::CA_CRT,
    data_key::USER_CRT,
    data_key::USER_KEY,
];

/// What a Secret is made from.
pub(crate) struct Ingredients<'a> {
    pub(crate) wanted: &'a Wanted,
    /// The Secret as it is.
    pub(crate) there: Option<&'a Secret>,
    /// The password that is given, if one is asked for.
    pub(crate) password: Option<&'a [u8]>,
    /// The clients' authority.
    pub(crate) signer: Option<&'a Signer>,
    /// Whom clients trust.
    pub(crate) trusted: &'a [Certificate],
    pub(crate) lifetime: Lifetime,
    /// A demand for a new certificate.
    pub(crate) asked: &'a str,
    pub(crate) now_s: u64,
}

/// A Secret as it should be.
pub(crate) struct Delivery {
    pub(crate) secret: Secret,
    pub(crate) password: Option<Password>,
    /// The Secret says that Kafka has this password.
    pub(crate) is_delivered: bool,
    /// When the certificate ends, RFC 3339.
    pub(crate) not_after: Option<String>,
}

pub(crate) fn deliver(
    of: &Ingredients<'_>,
    keys: &mut dyn Keys,
    random: Random<'_>,
) -> Result<Delivery, Told> {
    let mut secret = of.there.cloned().unwrap_or_default();
    secret.data.retain(|key, _| !OWN.contains(&key.as_str()));
    let mut delivery = Delivery { secret, password: None, is_delivered: false, not_after: None };
    let access = &of.wanted.access;
    let protocol = match (of.wanted.authentication, access.is_encrypted) {
        (Authentication::ScramSha512, false) => "SASL_PLAINTEXT",
        (Authentication::ScramSha512, true) => "SASL_SSL",
        (Authentication::Tls | Authentication::TlsExternal, _) => "SSL",
    };
    let mut entries = BTreeMap::from([
        (USERNAME, of.wanted.name.clone().into_bytes()),
        (PROTOCOL, protocol.into()),
        (BOOTSTRAP, access.bootstrap_servers.clone().into_bytes()),
    ]);
    let trusts = access.is_encrypted && access.trusts_cluster;
    if trusts && !of.trusted.is_empty() {
        let bundle: String = of.trusted.iter().map(Certificate::to_pem).collect();
        entries.insert(data_key::CA_CRT, bundle.into_bytes());
    }
    match of.wanted.authentication {
        Authentication::ScramSha512 => {
            let password = password(of, random)?;
            entries.insert(PASSWORD, password.reveal().into());
            entries.insert(JAAS, password.jaas(&of.wanted.name).into_bytes());
            entries.insert(MECHANISM, "SCRAM-SHA-512".into());
            let told = delivery.secret.annotations.get(CREDENTIAL);
            delivery.is_delivered = told == Some(&fingerprint(&of.wanted.name, &password));
            delivery.password = Some(password);
        }
        Authentication::Tls => {
            let signed = certificate(of, keys)?;
            delivery.not_after = Some(end(&signed)?);
            let own = [data_key::USER_CRT, data_key::USER_KEY];
            for key in own {
                entries.insert(key, signed.secret.data.get(key).cloned().unwrap_or_default());
            }
            delivery.secret.annotations = signed.secret.annotations;
        }
        Authentication::TlsExternal => {}
    }
    if delivery.password.is_none() {
        delivery.secret.annotations.remove(CREDENTIAL);
    }
    let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
    delivery.secret.data.extend(entries);
    Ok(delivery)
}

impl Delivery {
    /// The Secret once Kafka has the password.
    pub(crate) fn delivered(&self, name: &str) -> Secret {
        let mut secret = self.secret.clone();
        if let Some(password) = &self.password {
            let fingerprint = fingerprint(name, password);
            secret.annotations.insert(CREDENTIAL.to_owned(), fingerprint);
        }
        secret
    }
}

fn password(of: &Ingredients<'_>, random: Random<'_>) -> Result<Password, Told> {
    let unusable = |error: crate::scram::ScramError| Told::no("InvalidPassword", error.to_string());
    if let Some(reference) = &of.wanted.password {
        let bytes = of.password.ok_or_else(|| {
            let (key, name) = (&reference.key, &reference.name);
            let message = format!(
                "there is no Secret {name} with an entry {key} in namespace {}; create it, or leave spec.password out to have one made up",
                of.wanted.secret.namespace
            );
            Told::no("NoPassword", message)
        })?;
        return Password::given(bytes).map_err(unusable);
    }
    let there = of.there.and_then(|secret| secret.data.get(PASSWORD));
    match there.and_then(|bytes| Password::given(bytes).ok()) {
        Some(password) => Ok(password),
        None => Password::random(random).map_err(unusable),
    }
}

fn certificate(of: &Ingredients<'_>, keys: &mut dyn Keys) -> Result<crate::ca::UserDecision, Told> {
    let signer = of.signer.ok_or_else(|| {
        Told::no("NoAuthority", "the cluster's clients' authority is not there yet, or cannot sign")
    })?;
    let request = UserRequest {
        name: &of.wanted.name,
        secret: of.there,
        lifetime: of.lifetime,
        trusted: of.trusted,
        asked: of.asked,
    };
    let decided = renew_user(&request, signer, of.now_s, keys);
    decided.map_err(|error| Told::no("NoCertificate", error.to_string()))
}

fn end(decision: &crate::ca::UserDecision) -> Result<String, Told> {
    let seconds = i64::try_from(decision.expiry.not_after_s).ok();
    let end = seconds.and_then(|s| k8s_openapi::jiff::Timestamp::from_second(s).ok());
    let end = end.ok_or_else(|| Told::no("NoCertificate", "it ends beyond all calendars"))?;
    Ok(end.to_string())
}

fn fingerprint(name: &str, password: &Password) -> String {
    let text = format!("{name}\0{}", password.reveal());
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

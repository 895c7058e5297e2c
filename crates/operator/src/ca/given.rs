//! An authority that the user gives.

use super::secret::key;
use super::{Authority, CaError, Certificate, Message, Role, Secret};

/// Where an authority comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source<'a> {
    /// Made and renewed here.
    #[default]
    Own,
    /// From a Secret of the user's: `ca.crt` and `ca.key`, or `tls.crt` and `tls.key` as cert-manager writes them.
    Given {
        /// The Secret's name.
        name: &'a str,
        /// Its content; none if there is no such Secret.
        secret: Option<&'a Secret>,
    },
}

impl Source<'_> {
    /// The authority that is given. What is wrong with it is told in `messages`; then it is as if nothing new was given.
    pub(super) fn given(
        &self,
        role: Role,
        now_s: u64,
        messages: &mut Vec<Message>,
    ) -> Option<Authority> {
        let Self::Given { name, secret } = *self else { return None };
        let refused = |why: String| {
            let text = format!("the {role} is to come from Secret '{name}', but {why}");
            Message::warning("GivenAuthorityUnusable", text)
        };
        let Some(secret) = secret else {
            messages
                .push(refused("there is no such Secret: create it, with ca.crt and ca.key".into()));
            return None;
        };
        let authority = match read(secret) {
            Ok(authority) => authority,
            Err(error) => {
                messages.push(refused(advice(&error)));
                return None;
            }
        };
        let certificate = authority.certificate();
        if certificate.is_expired(now_s) {
            let end = super::date(certificate.not_after_s);
            messages.push(refused(format!("it ended on {end}: put a new one there")));
            return None;
        }
        Some(authority)
    }
}

fn advice(error: &CaError) -> String {
    match error {
        CaError::Missing(name) => format!(
            "{error}: add '{name}' (PEM, PKCS #8), without which no certificate can be issued"
        ),
        CaError::KeyMismatch(_) => format!("{error}: the first certificate must be the key's"),
        error => error.to_string(),
    }
}

fn read(secret: &Secret) -> Result<Authority, CaError> {
    let cert_manager =
        !secret.data.contains_key(key::CA_KEY) && secret.bytes(key::TLS_KEY).is_some();
    let (crt, private) =
        if cert_manager { (key::TLS_CRT, key::TLS_KEY) } else { (key::CA_CRT, key::CA_KEY) };
    let bytes = |name: &str| secret.bytes(name).ok_or_else(|| CaError::Missing(name.to_owned()));
    let authority = Authority::from_pem((bytes(crt)?, crt), (bytes(private)?, private))?;
    if !cert_manager {
        return Ok(authority);
    }
    // cert-manager puts the issuer's root beside, for those who verify.
    let beside = secret.certificates(key::CA_CRT);
    let mut chain: Vec<Certificate> = authority.chain().to_vec();
    chain.extend(beside.into_iter().filter(|root| !authority.chain().contains(root)));
    Authority::new(chain, authority.key().map(super::PrivateKey::duplicate))
}

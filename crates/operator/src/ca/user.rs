//! A user's Secret: a certificate for mutual TLS, and whom the user trusts.

use std::collections::BTreeSet;

use super::secret::{annotation, key};
use super::{
    CaError, Certificate, Expiry, Keys, Leaf, Lifetime, Request, Secret, Signer, Subject, Why,
};

/// What a user's certificate is made from.
#[derive(Debug)]
pub struct UserRequest<'a> {
    /// The user's name: `CN=<name>`, in Kafka `User:CN=<name>`.
    pub name: &'a str,
    /// The Secret as it is; none if there is no such Secret.
    pub secret: Option<&'a Secret>,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Whom the user is to trust, from [`super::Decision::trusted`].
    pub trusted: &'a [Certificate],
    /// The value of the demand for a renewal; empty if there is none.
    pub asked: &'a str,
}

/// What a user's Secret should be.
#[derive(Debug)]
pub struct UserDecision {
    /// `user.crt`, `user.key`, `ca.crt`, besides what is not ours. To be written if it differs from what is there.
    pub secret: Secret,
    /// Why the certificate was issued, if it was just now.
    pub issued: Option<Why>,
    /// When it ends.
    pub expiry: Expiry,
    /// The present certificate's authority does not sign any more.
    pub is_behind: bool,
    /// When to look again, in seconds since 1970, if nothing else happens.
    pub next_check_s: u64,
}

/// A user's certificate, issued or kept.
///
/// # Errors
/// A name that no certificate can carry; no entropy.
pub fn renew_user(
    request: &UserRequest<'_>,
    signer: &Signer,
    now_s: u64,
    keys: &mut dyn Keys,
) -> Result<UserDecision, CaError> {
    let mut secret = request.secret.cloned().unwrap_or_default();
    let wanted =
        Request { subject: Subject::user(request.name)?, names: BTreeSet::new(), serves: false };
    let asked =
        !request.asked.is_empty() && secret.annotation(annotation::RENEWED_FOR) != request.asked;
    let present = read(&secret);
    let issued = signer.verdict(present.as_ref(), &wanted, request.lifetime, asked, now_s);
    let leaf = match (present, &issued) {
        (Some(Ok(leaf)), None) => leaf,
        _ => signer.authority().issue(&wanted, request.lifetime, now_s, keys)?,
    };
    if issued.is_some() {
        secret.put(key::USER_CRT, leaf.chain_pem());
        secret.put(key::USER_KEY, leaf.key_pem());
        if !request.asked.is_empty() {
            secret.annotate(annotation::RENEWED_FOR, &request.asked);
        }
    }
    secret.put_bundle(key::CA_CRT, request.trusted);
    let certificate = leaf.certificate();
    Ok(UserDecision {
        expiry: Expiry::of(certificate, now_s),
        is_behind: !certificate.is_issued_by(signer.authority().certificate()),
        next_check_s: request.lifetime.due_s(certificate).max(now_s + 1),
        secret,
        issued,
    })
}

/// The certificate that is there; none if there is none at all.
fn read(secret: &Secret) -> Option<Result<Leaf, CaError>> {
    let crt = secret.bytes(key::USER_CRT);
    let private = secret.bytes(key::USER_KEY);
    if crt.is_none() && private.is_none() {
        return None;
    }
    let crt = (crt.unwrap_or_default(), key::USER_CRT);
    Some(Leaf::from_pem(crt, (private.unwrap_or_default(), key::USER_KEY)))
}

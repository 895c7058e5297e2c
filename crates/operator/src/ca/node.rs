//! A node's Secret: its certificate, and whom it trusts.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};

use super::advance::Witness;
use super::leaf::Why;
use super::secret::{annotation, key};
use super::{
    CaError, Certificate, Expiry, Keys, Leaf, Lifetime, Message, Name, Request, Role, Secret,
    Signer, Subject,
};
use crate::model::NodeId;

/// A node that is to have a certificate, and what is seen of it.
#[derive(Debug, Clone)]
pub struct NodeState<'a> {
    /// Its id.
    pub id: NodeId,
    /// All names it is reached by, from [`super::NodeAddress::names`].
    pub names: std::collections::BTreeSet<Name>,
    /// Its Secret; none if there is no such Secret.
    pub secret: Option<&'a Secret>,
    /// What it has loaded.
    pub loaded: Loaded,
}

/// What a node's process has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// The content with this fingerprint, by its agent's word (`certificate.started`).
    Content(String),
    /// No process of it can be running (no pod, or one that ended): it will load its Secret when it starts.
    Down,
    /// Anything else. Counts as if it had loaded nothing that is needed.
    Unknown,
}

/// A node's certificate and key, as PEM, for the operator's calls of Kafka while nodes do not accept its own.
#[derive(Clone)]
pub struct Lent {
    /// The certificate and those that issued it.
    pub chain: Vec<u8>,
    /// The key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lent")
    }
}

/// What became of a node's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCertificate {
    /// Names the Secret's content, as the agent does; none if there is no certificate and no authority to issue one.
    pub fingerprint: Option<String>,
    /// When it ends.
    pub expiry: Option<Expiry>,
    /// Why it was issued, if it was just now.
    pub issued: Option<Why>,
    /// The process runs, with a certificate that nobody accepts any more: no reload will reach it, only a restart.
    pub is_cut_off: bool,
}

/// Sixteen hexadecimal digits of the SHA-256 of what a node loads: `keystore.pem`, `truststore.pem`, and
/// `clients-truststore.pem` if it is there, in this order.
pub fn fingerprint(secret: &Secret) -> String {
    let files = [key::KEYSTORE, key::TRUSTSTORE, key::CLIENTS_TRUSTSTORE];
    let content: Vec<u8> =
        files.iter().filter_map(|name| secret.bytes(name)).flatten().copied().collect();
    digest(&SHA256, &content).as_ref()[..8].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A node's Secret, read once.
pub(super) struct NodeView<'a> {
    pub(super) node: &'a NodeState<'a>,
    leaf: Option<Result<Leaf, CaError>>,
    trusts: Vec<Certificate>,
    clients: Vec<Certificate>,
}

impl<'a> NodeView<'a> {
    pub(super) fn read(node: &'a NodeState<'a>) -> Self {
        let certificates =
            |key| node.secret.map(|secret| secret.certificates(key)).unwrap_or_default();
        let trusts = certificates(key::TRUSTSTORE);
        let mut clients = certificates(key::CLIENTS_TRUSTSTORE);
        clients.retain(|authority| !trusts.contains(authority));
        let keystore = node.secret.and_then(|secret| secret.bytes(key::KEYSTORE));
        let leaf = keystore.map(|bytes| Leaf::from_keystore(bytes, key::KEYSTORE));
        Self { node, leaf, trusts, clients }
    }

    pub(super) fn trusts(&self, role: Role) -> &[Certificate] {
        match role {
            Role::Internal => &self.trusts,
            Role::Clients => &self.clients,
        }
    }

    /// The node has loaded what its Secret says, or will when it starts.
    fn has_loaded(&self) -> bool {
        match (&self.node.loaded, self.node.secret) {
            (Loaded::Content(loaded), Some(secret)) => *loaded == fingerprint(secret),
            (Loaded::Down, secret) => secret.is_some(),
            _ => false,
        }
    }

    pub(super) fn witness(&self, role: Role) -> Witness {
        let leaf = self.leaf.as_ref().and_then(|leaf| leaf.as_ref().ok());
        Witness {
            id: self.node.id,
            loaded: self.has_loaded(),
            runs: self.node.loaded != Loaded::Down,
            blank: self.node.loaded == Loaded::Down && self.node.secret.is_none(),
            trusts: self.trusts(role).to_vec(),
            presents: leaf.map(|leaf| leaf.certificate().clone()),
        }
    }

    /// It runs with what was in its Secret when the certificate in it was over.
    fn is_cut_off(&self, secret: &Secret) -> bool {
        let over = secret.annotation(annotation::OVER);
        matches!(&self.node.loaded, Loaded::Content(loaded) if loaded == over)
    }

    /// Its certificate, if everybody accepts that although its authority has lost its key.
    pub(super) fn lent(
        &self,
        signer: &Signer,
        trusted: &[Certificate],
        now_s: u64,
    ) -> Option<Lent> {
        let leaf = self.leaf.as_ref()?.as_ref().ok()?;
        let certificate = leaf.certificate();
        let by_another = !certificate.is_issued_by(signer.authority().certificate())
            && trusted.iter().any(|issuer| certificate.is_issued_by(issuer));
        let lent = Lent { chain: leaf.chain_pem(), key: leaf.key_pem() };
        (by_another && !certificate.is_expired(now_s)).then_some(lent)
    }
}

/// What all nodes' Secrets are made from.
pub(super) struct Issuance<'a> {
    pub(super) cluster: &'a str,
    pub(super) signer: Option<&'a Signer>,
    pub(super) lifetime: Lifetime,
    /// Whom nodes trust.
    pub(super) internal: &'a [Certificate],
    /// Whom they trust on client listeners besides.
    pub(super) clients: &'a [Certificate],
    pub(super) asked: &'a str,
    pub(super) now_s: u64,
}

impl Issuance<'_> {
    /// The Secret as it should be, and what became of the certificate.
    pub(super) fn secret(
        &self,
        view: &NodeView<'_>,
        keys: &mut dyn Keys,
        messages: &mut Vec<Message>,
    ) -> Result<(Secret, NodeCertificate, Option<u64>), CaError> {
        let mut secret = view.node.secret.cloned().unwrap_or_default();
        let request = Request {
            subject: Subject::node(self.cluster)?,
            names: view.node.names.clone(),
            serves: true,
        };
        let issued = self.issue(view, &request, &mut secret, keys)?;
        if let Some(why) = &issued {
            let text = format!("node {} gets a certificate: {why}", view.node.id);
            messages.push(Message::info("CertificateIssued", text));
        }
        secret.put_bundle(key::TRUSTSTORE, self.internal);
        secret.put_bundle(key::CLIENTS_TRUSTSTORE, &[self.internal, self.clients].concat());
        let leaf = secret.bytes(key::KEYSTORE).map(|b| Leaf::from_keystore(b, key::KEYSTORE));
        let leaf = leaf.and_then(Result::ok);
        let certificate = leaf.as_ref().map(Leaf::certificate);
        let next_check_s = certificate.map(|certificate| self.lifetime.due_s(certificate));
        let outcome = NodeCertificate {
            fingerprint: certificate.map(|_| fingerprint(&secret)),
            expiry: certificate.map(|certificate| Expiry::of(certificate, self.now_s)),
            issued,
            is_cut_off: view.is_cut_off(&secret),
        };
        Ok((secret, outcome, next_check_s))
    }

    fn issue(
        &self,
        view: &NodeView<'_>,
        request: &Request,
        secret: &mut Secret,
        keys: &mut dyn Keys,
    ) -> Result<Option<Why>, CaError> {
        let Some(signer) = self.signer else { return Ok(None) };
        let asked =
            !self.asked.is_empty() && secret.annotation(annotation::RENEWED_FOR) != self.asked;
        let verdict = signer.verdict(view.leaf.as_ref(), request, self.lifetime, asked, self.now_s);
        let Some(why) = verdict else { return Ok(None) };
        let leaf = signer.authority().issue(request, self.lifetime, self.now_s, keys)?;
        if let (Why::Expired, Some(there)) = (&why, view.node.secret) {
            secret.annotate(annotation::OVER, &fingerprint(there));
        }
        secret.put(key::KEYSTORE, leaf.keystore());
        if !self.asked.is_empty() {
            secret.annotate(annotation::RENEWED_FOR, &self.asked);
        }
        Ok(Some(why))
    }
}

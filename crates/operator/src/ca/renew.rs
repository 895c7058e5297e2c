//! The whole of it: every Secret of a cluster's certificates as it should be.

use std::collections::BTreeMap;

use super::advance::{Advance, Phase};
use super::node::{Issuance, NodeView};
use super::secret::{annotation, key};
use super::succession::{Known, Succession};
use super::{
    CaError, Certificate, Expiry, Keys, Lent, Message, NodeCertificate, NodeState, Policy, Role,
    Secret, Signer, Source,
};
use crate::model::NodeId;

/// A cluster's certificates as they are. The Secrets have to be read from the API server, not from a cache: what seems not to be
/// there is made.
#[derive(Debug)]
pub struct Existing<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// Secret `<cluster>-ca`.
    pub internal: Option<&'a Secret>,
    /// Secret `<cluster>-clients-ca`.
    pub clients: Option<&'a Secret>,
    /// Secret `<cluster>-trust`.
    pub trust: Option<&'a Secret>,
    /// Every node that is wanted or still there.
    pub nodes: &'a [NodeState<'a>],
    /// How many users have a certificate that is behind ([`super::UserDecision::is_behind`]); none if that is not known.
    pub users_behind: Option<usize>,
}

/// What is wanted.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// Lifetimes and graces.
    pub policy: Policy,
    /// Where the internal authority comes from.
    pub internal: Source<'a>,
    /// Where the clients' authority comes from.
    pub clients: Source<'a>,
    /// Demands for a renewal: any value that was not met before is one.
    pub asked: Asked<'a>,
}

/// Demands for a renewal, such as an annotation's value; empty if there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Of the internal authority.
    pub internal: &'a str,
    /// Of the clients' authority.
    pub clients: &'a str,
    /// Of every node's certificate.
    pub nodes: &'a str,
}

/// A Secret that has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which.
    pub what: What,
    /// Its whole content.
    pub secret: Secret,
    /// There is none yet: create it, and start again if somebody else was faster.
    pub is_new: bool,
}

/// A Secret of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// An authority.
    Authority(Role),
    /// `<cluster>-trust`.
    Trust,
    /// A node's, named by [`super::NodeAddress::secret`].
    Node(NodeId),
}

/// What to do.
#[derive(Debug)]
pub struct Decision {
    /// Secrets to be written in this order, each against the version that was read. After a failure the rest is not written: the
    /// next decision begins with what is there.
    pub writes: Vec<Write>,
    /// The internal authority.
    pub internal: AuthorityStatus,
    /// The clients' authority.
    pub clients: AuthorityStatus,
    /// Whom clients trust: `ca.crt` of `<cluster>-trust`. The operator's own connections trust it too.
    pub trusted: Vec<Certificate>,
    /// Every node's certificate.
    pub nodes: BTreeMap<NodeId, NodeCertificate>,
    /// What the operator speaks to Kafka with, instead of a certificate of its own, while not everybody trusts who signs.
    pub lent: Option<Lent>,
    /// What to tell.
    pub messages: Vec<Message>,
    /// When to decide again, in seconds since 1970, if nothing else happens.
    pub next_check_s: u64,
}

/// An authority after the decision.
#[derive(Debug)]
pub struct AuthorityStatus {
    /// How far its renewal is.
    pub phase: Phase,
    /// How many there have been, this one included.
    pub generation: u64,
    /// When the one that signs ends.
    pub expiry: Option<Expiry>,
    /// Who signs; to be used only once the writes are done.
    pub signer: Option<Signer>,
}

/// Who signs for users now, as the Secret of the clients' authority has it; none while nobody can.
pub fn users_signer(secret: &Secret, now_s: u64) -> Option<Signer> {
    let unheard = &mut Vec::new();
    let known = Known { secret: Some(secret), ..Known::default() };
    Succession::read(Role::Clients, known, now_s, unheard).signer(now_s)
}

/// At the latest a decision is made anew after this, for the operator's own certificate.
const CHECK_S: u64 = 8 * 60 * 60;

/// Decides. Nothing is remembered between two calls but what stands in the Secrets.
///
/// # Errors
/// A cluster's name that no certificate can carry; no entropy. Everything else is told in [`Decision::messages`].
pub fn renew(
    existing: &Existing<'_>,
    wanted: &Wanted<'_>,
    now_s: u64,
    keys: &mut dyn Keys,
) -> Result<Decision, CaError> {
    let mut renewal = Renewal { existing, wanted, now_s, keys, messages: Vec::new() };
    let views: Vec<_> = existing.nodes.iter().map(NodeView::read).collect();
    let internal = renewal.authority(Role::Internal, &views)?;
    let clients = renewal.authority(Role::Clients, &views)?;
    renewal.decide(internal, clients, &views)
}

struct Renewal<'a> {
    existing: &'a Existing<'a>,
    wanted: &'a Wanted<'a>,
    now_s: u64,
    keys: &'a mut dyn Keys,
    messages: Vec<Message>,
}

impl<'a> Renewal<'a> {
    fn authority(
        &mut self,
        role: Role,
        views: &[NodeView<'_>],
    ) -> Result<(Succession, Phase), CaError> {
        let (source, asked) = match role {
            Role::Internal => (self.wanted.internal, self.wanted.asked.internal),
            Role::Clients => (self.wanted.clients, self.wanted.asked.clients),
        };
        let found = self.found(role, views);
        let secret = self.secret(role);
        let own = matches!(source, Source::Own).then(|| role.secret(self.existing.cluster));
        let known = Known { secret, own: own.as_deref(), found: &found };
        let mut succession = Succession::read(role, known, self.now_s, &mut self.messages);
        let witnesses: Vec<_> = views.iter().map(|view| view.witness(role)).collect();
        let advance = Advance {
            cluster: self.existing.cluster,
            policy: &self.wanted.policy,
            source,
            witnesses: &witnesses,
            users_behind: self.existing.users_behind,
            asked,
            now_s: self.now_s,
            keys: &mut *self.keys,
            messages: &mut self.messages,
        };
        let phase = advance.run(&mut succession)?;
        Ok((succession, phase))
    }

    fn secret(&self, role: Role) -> Option<&'a Secret> {
        match role {
            Role::Internal => self.existing.internal,
            Role::Clients => self.existing.clients,
        }
    }

    /// Authorities that somebody trusts.
    fn found(&self, role: Role, views: &[NodeView<'_>]) -> Vec<Certificate> {
        let mut found: Vec<Certificate> = Vec::new();
        for authority in views.iter().flat_map(|view| view.trusts(role)) {
            if authority.is_authority && !found.contains(authority) {
                found.push(authority.clone());
            }
        }
        // Without a node there is still what clients were told.
        if found.is_empty() && role == Role::Internal {
            let trust = self.existing.trust.map(|trust| trust.certificates(key::CA_CRT));
            found = trust.unwrap_or_default();
        }
        found
    }

    fn decide(
        mut self,
        (internal, internal_phase): (Succession, Phase),
        (clients, clients_phase): (Succession, Phase),
        views: &[NodeView<'_>],
    ) -> Result<Decision, CaError> {
        let mut writes = Vec::new();
        for succession in [&internal, &clients] {
            let there = self.secret(succession.role);
            if succession.current.is_some() {
                let secret = succession.write(there);
                push(&mut writes, What::Authority(succession.role), secret, there);
            }
        }
        let trusted = internal.bundle();
        if !trusted.is_empty() {
            let mut secret = self.existing.trust.cloned().unwrap_or_default();
            secret.put_bundle(key::CA_CRT, &trusted);
            secret.annotate(annotation::GENERATION, &internal.generation);
            push(&mut writes, What::Trust, secret, self.existing.trust);
        }
        let mut checks = vec![self.now_s.saturating_add(CHECK_S)];
        checks.extend(self.check_s(&internal, &internal_phase));
        checks.extend(self.check_s(&clients, &clients_phase));
        let internal_status = self.status(&internal, internal_phase);
        let clients_status = self.status(&clients, clients_phase);
        let issuance = Issuance {
            cluster: self.existing.cluster,
            signer: internal_status.signer.as_ref(),
            lifetime: self.wanted.policy.node(),
            internal: &trusted,
            clients: &clients.bundle(),
            asked: self.wanted.asked.nodes,
            now_s: self.now_s,
        };
        let mut nodes = BTreeMap::new();
        for view in views {
            let (secret, outcome, check_s) =
                issuance.secret(view, &mut *self.keys, &mut self.messages)?;
            checks.extend(check_s);
            if outcome.fingerprint.is_some() {
                push(&mut writes, What::Node(view.node.id), secret, view.node.secret);
            }
            nodes.insert(view.node.id, outcome);
        }
        let signer = internal_status.signer.as_ref().filter(|signer| signer.is_provisional());
        let lent = |view: &NodeView<'_>| view.lent(signer?, &trusted, self.now_s);
        let lent = views.iter().find_map(lent);
        let later = checks.into_iter().filter(|check_s| *check_s > self.now_s).min();
        Ok(Decision {
            writes,
            internal: internal_status,
            clients: clients_status,
            trusted,
            nodes,
            lent,
            messages: self.messages,
            next_check_s: later.unwrap_or(self.now_s + 1),
        })
    }

    fn status(&self, succession: &Succession, phase: Phase) -> AuthorityStatus {
        let current = succession.current.as_ref().map(super::Authority::certificate);
        AuthorityStatus {
            phase,
            generation: succession.generation,
            expiry: current.map(|certificate| Expiry::of(certificate, self.now_s)),
            signer: succession.signer(self.now_s),
        }
    }

    /// When time alone changes something.
    fn check_s(&self, succession: &Succession, phase: &Phase) -> Vec<u64> {
        let lifetime = self.wanted.policy.authority();
        let current = succession.current.as_ref().map(super::Authority::certificate);
        let until_s = match phase {
            Phase::Introducing(waits) | Phase::Replacing(waits) => waits.until_s,
            Phase::Blocked | Phase::Steady => None,
        };
        let ends = succession.previous.iter().chain(current).map(|old| old.not_after_s + 1);
        let due = current.into_iter().flat_map(|c| [lifetime.due_s(c), lifetime.deadline_s(c)]);
        ends.chain(due).chain(until_s).collect()
    }
}

fn push(writes: &mut Vec<Write>, what: What, secret: Secret, there: Option<&Secret>) {
    if there != Some(&secret) {
        writes.push(Write { what, secret, is_new: there.is_none() });
    }
}

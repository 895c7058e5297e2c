//! One authority takes another's place, and no connection breaks.
//!
//! ```text
//!                    due, asked for, given, or key lost
//!   Steady ------------------------------------------------> Introducing    the new one is in every bundle; the old one signs
//!      ^                                                          |
//!      |                                                          | every node has loaded that bundle; clients had their grace
//!      |                                                          v
//!      +---------------------------------------------------- Replacing      the new one signs; the old one is trusted still
//!          every node presents a certificate of the new one;
//!          users' certificates are issued anew, and had their grace
//! ```
//!
//! Which of them it is stands in the Secret's content and nowhere else: `next.crt` is there, or `bundle.crt` has more than it must,
//! or neither. An authority that is over takes no part in this: nobody is verified by it any more, so the new one signs at once.

use std::fmt;

use super::given::Source;
use super::message::MISSING;
use super::succession::Succession;
use super::time::{date, span};
use super::{Authority, CaError, Certificate, Keys, Message, Policy, Role};
use crate::model::NodeId;

/// How far the renewal of an authority is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Nothing can be issued; a message says why.
    Blocked,
    /// One authority signs and is trusted.
    Steady,
    /// A new one is being made known.
    Introducing(Waits),
    /// A new one signs; the old one is trusted still.
    Replacing(Waits),
}

/// What the next phase waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits {
    /// Nodes that are not known to have loaded their Secret's present content.
    pub nodes: Vec<NodeId>,
    /// Users whose certificate is the old authority's; none if that is not known.
    pub users: Option<usize>,
    /// The end of a grace, in seconds since 1970.
    pub until_s: Option<u64>,
}

impl Waits {
    fn is_over(&self) -> bool {
        self.nodes.is_empty() && self.users == Some(0) && self.until_s.is_none()
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons = Vec::new();
        if !self.nodes.is_empty() {
            let nodes: Vec<_> = self.nodes.iter().map(ToString::to_string).collect();
            reasons.push(format!("nodes {} to load their certificates", nodes.join(", ")));
        }
        match self.users {
            Some(0) => {}
            Some(users) => reasons.push(format!("{users} users to get a new certificate")),
            None => reasons.push("users' certificates to be seen".to_owned()),
        }
        if let Some(until_s) = self.until_s {
            reasons.push(format!("{}, so that clients can load the new one", date(until_s)));
        }
        write!(f, "waits for {}", reasons.join("; "))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked => f.write_str("there is no authority"),
            Self::Steady => f.write_str("one authority signs and is trusted"),
            Self::Introducing(waits) => write!(f, "a new authority is made known; {waits}"),
            Self::Replacing(waits) => write!(f, "a new authority signs; {waits}"),
        }
    }
}

/// What is known of a node: what it has loaded, if that is known.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) id: NodeId,
    /// It has loaded (or, when it is down, will load) its Secret as it is now.
    pub(super) loaded: bool,
    /// A process of it may run.
    pub(super) runs: bool,
    /// It has no Secret and does not run: it will load what is written now.
    pub(super) blank: bool,
    /// Whom it trusts, of this role, by its Secret.
    pub(super) trusts: Vec<Certificate>,
    /// The internal authority's certificate by its Secret.
    pub(super) presents: Option<Certificate>,
}

/// Everything that decides on one authority.
pub(super) struct Advance<'a> {
    pub(super) cluster: &'a str,
    pub(super) policy: &'a Policy,
    pub(super) source: Source<'a>,
    pub(super) witnesses: &'a [Witness],
    /// Users with a certificate of another authority; for [`Role::Clients`].
    pub(super) users_behind: Option<usize>,
    /// The value of the demand for a renewal; empty if there is none.
    pub(super) asked: &'a str,
    pub(super) now_s: u64,
    pub(super) keys: &'a mut dyn Keys,
    pub(super) messages: &'a mut Vec<Message>,
}

impl Advance<'_> {
    /// As far as it goes now.
    pub(super) fn run(mut self, succession: &mut Succession) -> Result<Phase, CaError> {
        let given = self.source.given(succession.role, self.now_s, self.messages);
        self.drop_expired(succession);
        self.prepare(succession, given)?;
        succession.settle();
        let phase = self.promote(succession);
        succession.settle();
        Ok(phase)
    }

    /// Nobody is verified by them any more.
    fn drop_expired(&self, succession: &mut Succession) {
        succession.previous.retain(|old| !old.is_expired(self.now_s));
        let over = |next: &Authority| next.certificate().is_expired(self.now_s);
        if succession.next.as_ref().is_some_and(over) {
            succession.next = None;
        }
    }

    /// Sees to it that there is a next one when there has to be.
    fn prepare(
        &mut self,
        succession: &mut Succession,
        given: Option<Authority>,
    ) -> Result<(), CaError> {
        if let Some(given) = given {
            self.take_given(succession, given);
        }
        if matches!(self.source, Source::Given { .. }) {
            self.tell_of_given(succession);
            return Ok(());
        }
        if succession.current.is_none() && succession.next.is_none() {
            if self.witnesses.iter().any(|node| node.runs) {
                self.tell_of_nothing(succession.role);
                return Ok(());
            }
            let first = self.make(succession)?;
            succession.generation += 1;
            succession.current = Some(first);
            succession.since_s = self.now_s;
            succession.renewed_for = self.asked.to_owned();
            return Ok(());
        }
        if succession.next.is_some() {
            self.asked_is_met(succession);
            return Ok(());
        }
        let Some(why) = self.why_renew(succession) else { return Ok(()) };
        succession.next = Some(self.make(succession)?);
        succession.since_s = self.now_s;
        self.asked_is_met(succession);
        let text = format!("a new {} is made, because {why}", succession.role);
        self.messages.push(Message::info("AuthorityRenewed", text));
        Ok(())
    }

    fn asked_is_met(&self, succession: &mut Succession) {
        if !self.asked.is_empty() {
            succession.renewed_for = self.asked.to_owned();
        }
    }

    fn make(&mut self, succession: &Succession) -> Result<Authority, CaError> {
        let (role, generation) = (succession.role, succession.generation + 1);
        let lifetime = self.policy.authority();
        Authority::make(role, self.cluster, generation, lifetime, self.now_s, self.keys)
    }

    fn why_renew(&mut self, succession: &Succession) -> Option<String> {
        let current = succession.current.as_ref()?;
        let certificate = current.certificate();
        let due_s = self.policy.authority().due_s(certificate);
        let end = date(certificate.not_after_s);
        if certificate.is_expired(self.now_s) {
            return Some(format!("the old one ended on {end}"));
        }
        if current.key().is_none() {
            return Some("the old one's key is lost".to_owned());
        }
        // One after the other, unless the old one's time runs out.
        let busy = !succession.previous.is_empty();
        if self.now_s >= self.policy.authority().deadline_s(certificate)
            || self.now_s >= due_s && !busy
        {
            return Some(format!("the old one ends on {end}"));
        }
        if succession.role.generation(certificate).is_none() && !busy {
            return Some("the old one was given by the user, who no longer gives one".to_owned());
        }
        let asked = !self.asked.is_empty() && self.asked != succession.renewed_for;
        if asked && busy {
            let text = format!(
                "the {} is renewed once more when the present renewal is through",
                succession.role
            );
            self.messages.push(Message::info("RenewalWaits", text));
        }
        (asked && !busy).then(|| "it was asked for".to_owned())
    }

    /// One that is given is the next one if it is another; if it is the current one it brings its key and what is above it.
    fn take_given(&mut self, succession: &mut Succession, given: Authority) {
        let is_given = |authority: &Authority| authority.certificate() == given.certificate();
        if succession.current.as_ref().is_none_or(is_given) {
            if succession.current.is_none() {
                succession.generation += 1;
                succession.since_s = self.now_s;
            }
            let dropped = succession.next.take();
            succession.previous.extend(dropped.iter().flat_map(|next| next.chain().to_vec()));
            succession.current = Some(given);
        } else if !succession.next.as_ref().is_some_and(is_given) {
            let subject = &given.certificate().subject;
            let text = format!("the {} '{subject}' that was given is made known", succession.role);
            self.messages.push(Message::info("AuthorityRenewed", text));
            succession.previous.extend(succession.next.iter().flat_map(|a| a.chain().to_vec()));
            succession.next = Some(given);
            succession.since_s = self.now_s;
        }
    }

    /// Nodes run, and nothing is left that says whom they trust: nobody can be made known to them any more.
    fn tell_of_nothing(&mut self, role: Role) {
        let (secret, trust) = (role.secret(self.cluster), format!("{}-trust", self.cluster));
        let text = format!(
            "Secret '{secret}' is gone, and so are '{trust}' and the nodes' Secrets that it could be made known with; nodes run, and \
             a new {role} would cut them off: put the Secrets back, or delete the pods of all nodes at once to begin with a new one"
        );
        self.messages.push(Message::blocked(MISSING, text));
    }

    /// Renewing it is the user's.
    fn tell_of_given(&mut self, succession: &Succession) {
        let Source::Given { name, .. } = self.source else { return };
        let role = succession.role;
        if !self.asked.is_empty() && self.asked != succession.renewed_for {
            let text = format!(
                "the {role} is the user's own and is not renewed here: put a new one into Secret '{name}'"
            );
            self.messages.push(Message::warning("RenewalRefused", text));
        }
        let Some(current) = &succession.current else { return };
        let certificate = current.certificate();
        if succession.next.is_none() && current.key().is_none() {
            let text = format!(
                "the {role} '{}' has no key any more: put it with its key, or another one, into Secret '{name}'",
                certificate.subject
            );
            self.messages.push(Message::blocked("AuthorityLost", text));
        }
        if succession.next.is_none() && self.now_s >= self.policy.authority().due_s(certificate) {
            let over = if certificate.is_expired(self.now_s) { "ended" } else { "ends" };
            let end = date(certificate.not_after_s);
            let text = format!("the {role} {over} on {end}: put a new one into Secret '{name}'");
            self.messages.push(Message::warning("AuthorityEnds", text));
        }
    }

    /// From phase to phase.
    fn promote(&mut self, succession: &mut Succession) -> Phase {
        if succession.next.is_some() {
            let waits = self.waits_to_sign(succession);
            if !waits.is_over() && !self.is_forced(succession, &waits) {
                return Phase::Introducing(waits);
            }
            if let Some(old) = succession.current.take() {
                let trusted = old.chain().iter().filter(|c| !c.is_expired(self.now_s)).cloned();
                succession.previous.extend(trusted);
            }
            succession.current = succession.next.take();
            succession.generation += 1;
            succession.since_s = self.now_s;
            succession.settle();
            let text = format!("the new {} signs from now on", succession.role);
            self.messages.push(Message::info("AuthoritySigns", text));
        }
        let signs = |current: &Authority| {
            current.key().is_some() && !current.certificate().is_expired(self.now_s)
        };
        if !succession.current.as_ref().is_some_and(signs) {
            return Phase::Blocked;
        }
        if !succession.previous.is_empty() {
            let waits = self.waits_to_retire(succession);
            if !waits.is_over() {
                return Phase::Replacing(waits);
            }
            succession.previous.clear();
            let text = format!("the old {} is not trusted any more", succession.role);
            self.messages.push(Message::info("AuthorityRetired", text));
        }
        Phase::Steady
    }

    fn waits_to_sign(&self, succession: &Succession) -> Waits {
        let Some(next) = &succession.next else { return Waits::default() };
        let knows = |node: &&Witness| {
            node.blank
                || node.loaded && next.chain().iter().all(|above| node.trusts.contains(above))
        };
        let nodes = self.witnesses.iter().filter(|node| !knows(node)).map(|node| node.id).collect();
        // Nothing is issued without a key, the operator's own certificate least of all: no grace then.
        // Clients have to learn of nobody new when the new one is for themselves.
        let internal = succession.role == Role::Internal;
        let signs = |old: &&Authority| internal && old.key().is_some();
        let until_s = succession.current.as_ref().filter(signs).map(|old| {
            let deadline_s = self.policy.authority().deadline_s(old.certificate());
            (succession.since_s.saturating_add(self.policy.trust_grace_s())).min(deadline_s)
        });
        Waits { nodes, users: Some(0), until_s: until_s.filter(|until_s| *until_s > self.now_s) }
    }

    fn waits_to_retire(&self, succession: &Succession) -> Waits {
        let Some(current) = &succession.current else { return Waits::default() };
        let internal = succession.role == Role::Internal;
        let changed = |node: &Witness| {
            let presents = node.presents.as_ref();
            node.blank
                || node.loaded && presents.is_some_and(|p| p.is_issued_by(current.certificate()))
        };
        let behind = self.witnesses.iter().filter(|node| internal && !changed(node));
        let nodes = behind.map(|node| node.id).collect();
        let until_s = succession.since_s.saturating_add(self.policy.user_grace_s());
        Waits {
            nodes,
            users: if internal { Some(0) } else { self.users_behind },
            until_s: (!internal && until_s > self.now_s).then_some(until_s),
        }
    }

    /// Waiting longer would do more harm: the old one is over, or about to be and a single node holds everybody up.
    fn is_forced(&mut self, succession: &Succession, waits: &Waits) -> bool {
        let Some(current) = &succession.current else { return true };
        let certificate = current.certificate();
        let (lifetime, role) = (self.policy.authority(), succession.role);
        if certificate.is_expired(self.now_s) {
            let text = format!(
                "the {role} ended on {}: the new one signs at once, and nodes that run have to be restarted to load it",
                date(certificate.not_after_s)
            );
            self.messages.push(Message::warning("AuthorityExpired", text));
            return true;
        }
        let late = self.now_s >= lifetime.deadline_s(certificate);
        if late {
            let left = span(certificate.not_after_s - self.now_s);
            let text = format!("the {role} ends in {left}, and its renewal {waits}");
            self.messages.push(Message::warning("AuthorityEnds", text));
        }
        // With fewer than three there is nobody who would go on without it.
        late && (waits.nodes.is_empty() || waits.nodes.len() == 1 && self.witnesses.len() > 2)
    }
}

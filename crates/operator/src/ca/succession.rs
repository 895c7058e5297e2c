//! Who signs, who is about to, and who did: one authority's Secret, read and written.
//!
//! The Secret is the whole state, and it is written at once, so there is no step between two of its contents.

use super::secret::{annotation, key};
use super::{Authority, CaError, Certificate, Message, PrivateKey, Role, Secret, Signer};

/// The authorities of one role.
#[derive(Debug)]
pub(super) struct Succession {
    pub(super) role: Role,
    /// Signs, if it has its key.
    pub(super) current: Option<Authority>,
    /// Trusted, and about to sign.
    pub(super) next: Option<Authority>,
    /// Trusted still.
    pub(super) previous: Vec<Certificate>,
    /// Of `current`.
    pub(super) generation: u64,
    /// Since when it is as it is.
    pub(super) since_s: u64,
    /// The last demand that was met.
    pub(super) renewed_for: String,
}

/// What is known of the authorities of a role.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known<'a> {
    pub(super) secret: Option<&'a Secret>,
    /// The name of the Secret, if the authorities are made here.
    pub(super) own: Option<&'a str>,
    /// Those that nodes' Secrets trust.
    pub(super) found: &'a [Certificate],
}

impl Succession {
    /// What the Secret says, with whatever can be healed healed.
    pub(super) fn read(
        role: Role,
        known: Known<'_>,
        now_s: u64,
        messages: &mut Vec<Message>,
    ) -> Self {
        let Known { secret, found, .. } = known;
        let mut read = Reader { role, known, messages };
        let bundle = read.bundle();
        let next = read.next();
        let current = read.current(&bundle, next.as_ref());
        let annotation = |name| secret.map_or("", |secret| secret.annotation(name));
        let mut succession = Self {
            role,
            current,
            next,
            previous: bundle,
            generation: annotation(annotation::GENERATION).parse().unwrap_or(0),
            // Unreadable: a grace begins anew. In the future: the clock went back.
            since_s: annotation(annotation::SINCE).parse().unwrap_or(now_s).min(now_s),
            renewed_for: annotation(annotation::RENEWED_FOR).to_owned(),
        };
        if succession.is_unknown_to(found) {
            succession.introduce(found, messages);
        }
        succession.settle();
        succession
    }

    /// No node's Secret trusts the authority: a stranger's, or one that was put back from a backup.
    fn is_unknown_to(&self, found: &[Certificate]) -> bool {
        let Some(current) = &self.current else { return false };
        !found.is_empty() && !found.contains(current.certificate())
    }

    /// It has to be made known first, as any new one.
    fn introduce(&mut self, found: &[Certificate], messages: &mut Vec<Message>) {
        let stranger = self.current.take().filter(|authority| authority.key().is_some());
        if let Some(stranger) = &stranger {
            let text = format!(
                "the {}'s Secret holds '{}', which no node trusts yet; it is made known before it signs",
                self.role,
                stranger.certificate().subject
            );
            messages.push(Message::warning("AuthorityUnknown", text));
        }
        self.next = self.next.take().or(stranger);
        let newest = newest(found, self.next.as_ref());
        self.current = newest.map(|newest| Authority::without_key(vec![newest.clone()]));
    }

    /// Brings what follows from the rest in line with it.
    pub(super) fn settle(&mut self) {
        let active: Vec<_> = self.current.iter().chain(&self.next).collect();
        self.previous.retain(|old| !active.iter().any(|authority| authority.chain().contains(old)));
        // Generations count up whatever is lost: each name is used once.
        let named = self.current.as_ref().and_then(|a| self.role.generation(a.certificate()));
        let older = self.previous.iter().filter_map(|old| self.role.generation(old)).max();
        self.generation = self.generation.max(named.unwrap_or(0)).max(older.unwrap_or(0));
    }

    /// Everybody to be trusted.
    pub(super) fn bundle(&self) -> Vec<Certificate> {
        let active = self.current.iter().chain(&self.next).flat_map(Authority::chain);
        let mut bundle: Vec<Certificate> = Vec::new();
        for certificate in active.chain(&self.previous) {
            if !bundle.contains(certificate) {
                bundle.push(certificate.clone());
            }
        }
        bundle
    }

    /// Who has its key and signs: `current`, or `next` if the key of `current` is lost.
    pub(super) fn signing(&self) -> Option<&Authority> {
        self.current.iter().chain(&self.next).find(|authority| authority.key().is_some())
    }

    /// Who issues certificates now; none while nobody can.
    pub(super) fn signer(&self, now_s: u64) -> Option<Signer> {
        let authority = self.signing().filter(|a| !a.certificate().is_expired(now_s))?;
        let current = self.current.as_ref().map(Authority::certificate);
        let is_current = current == Some(authority.certificate());
        let accepts =
            if is_current { vec![authority.certificate().clone()] } else { self.bundle() };
        Some(Signer::new(authority.duplicate(), accepts, !is_current))
    }

    /// The Secret's content; what is not ours in it stays.
    pub(super) fn write(&self, there: Option<&Secret>) -> Secret {
        let mut secret = there.cloned().unwrap_or_default();
        let chain = |authority: &Authority| super::secret::chain_pem(authority.chain());
        if let Some(current) = &self.current {
            if secret.certificates(key::CA_CRT) != current.chain() {
                secret.put(key::CA_CRT, chain(current));
            }
            put_key(&mut secret, key::CA_KEY, current.key());
        }
        match &self.next {
            Some(next) => {
                secret.put(key::NEXT_CRT, chain(next));
                put_key(&mut secret, key::NEXT_KEY, next.key());
            }
            None => secret.data.retain(|name, _| name != key::NEXT_CRT && name != key::NEXT_KEY),
        }
        secret.put_bundle(key::BUNDLE, &self.bundle());
        secret.annotate(annotation::GENERATION, &self.generation);
        secret.annotate(annotation::SINCE, &self.since_s);
        if !self.renewed_for.is_empty() {
            secret.annotate(annotation::RENEWED_FOR, &self.renewed_for);
        }
        secret
    }
}

/// A key that is lost leaves what is there: somebody may still repair it.
fn put_key(secret: &mut Secret, name: &str, key: Option<&PrivateKey>) {
    let Some(key) = key else { return };
    let there = secret.bytes(name).map(|bytes| PrivateKey::from_pem(bytes, name));
    let same = matches!(there, Some(Ok(there)) if there.public_key() == key.public_key());
    if !same {
        secret.put(name, key.to_pem());
    }
}

/// The best guess at who signed last; not who is about to.
fn newest<'a>(known: &'a [Certificate], next: Option<&Authority>) -> Option<&'a Certificate> {
    let is_next = |known: &Certificate| next.is_some_and(|next| next.chain().contains(known));
    known.iter().filter(|known| !is_next(known)).max_by_key(|known| known.not_before_s)
}

struct Reader<'a> {
    role: Role,
    known: Known<'a>,
    messages: &'a mut Vec<Message>,
}

impl Reader<'_> {
    /// Whom the Secret and nodes' Secrets trust: after a loss, or with an old Secret put back, the nodes know more. What they know
    /// too much goes as any old authority does.
    fn bundle(&self) -> Vec<Certificate> {
        let bundle = self.known.secret.map(|secret| secret.certificates(key::BUNDLE));
        let mut bundle: Vec<_> = bundle.unwrap_or_default();
        let found = self.known.found.iter().filter(|found| !bundle.contains(found)).cloned();
        let found: Vec<_> = found.collect();
        bundle.extend(found);
        bundle
    }

    fn certificates(&self, name: &str) -> Result<Vec<Certificate>, CaError> {
        let bytes = self.known.secret.and_then(|secret| secret.bytes(name));
        let bytes = bytes.ok_or_else(|| CaError::Missing(name.to_owned()))?;
        Certificate::all_from_pem(bytes, name)
    }

    fn key(&self, name: &str) -> Result<PrivateKey, CaError> {
        let bytes = self.known.secret.and_then(|secret| secret.bytes(name));
        PrivateKey::from_pem(bytes.ok_or_else(|| CaError::Missing(name.to_owned()))?, name)
    }

    fn current(&mut self, bundle: &[Certificate], next: Option<&Authority>) -> Option<Authority> {
        let chain = self.certificates(key::CA_CRT);
        let error = match (chain.clone(), self.key(key::CA_KEY)) {
            (Ok(chain), Ok(private)) if chain[0].belongs_to(&private) => {
                match Authority::new(chain, Some(private)) {
                    Ok(authority) => return Some(authority),
                    Err(error) => error,
                }
            }
            (chain, Ok(private)) => {
                // The key is the rarer good: whose certificate is it?
                if let Some(own) = bundle.iter().find(|known| known.belongs_to(&private)) {
                    self.tell_healed();
                    return Authority::new(vec![own.clone()], Some(private)).ok();
                }
                match chain {
                    Ok(chain) => CaError::KeyMismatch(chain[0].subject.clone()),
                    Err(error) => error,
                }
            }
            (_, Err(error)) => error,
        };
        let trusted = |chain: &Vec<Certificate>| bundle.is_empty() || bundle.contains(&chain[0]);
        let chain = chain.ok().filter(|chain| chain[0].is_authority && trusted(chain));
        let chain = chain.or_else(|| newest(bundle, next).map(|newest| vec![newest.clone()]));
        if self.known.secret.is_some() || chain.is_some() {
            self.tell_lost(&error);
        }
        chain.map(Authority::without_key)
    }

    /// Without its key it is nothing but one that somebody trusts.
    fn next(&mut self) -> Option<Authority> {
        let chain = self.certificates(key::NEXT_CRT).ok()?;
        Authority::new(chain, Some(self.key(key::NEXT_KEY).ok()?)).ok()
    }

    fn tell_healed(&mut self) {
        let text = format!(
            "the {}'s '{}' was not the certificate of its key; it is written again",
            self.role,
            key::CA_CRT
        );
        self.messages.push(Message::warning("AuthorityHealed", text));
    }

    fn tell_lost(&mut self, error: &CaError) {
        let missing = if self.known.secret.is_some() { "" } else { " (the Secret is gone)" };
        let mut text = format!("the {} cannot sign any more: {error}{missing}", self.role);
        if let Some(name) = self.known.own {
            text.push_str(&format!(
                "; put Secret '{name}' back if you have a copy: until then a new one is made known to the nodes, and takes over once \
                 all of them trust it"
            ));
        }
        self.messages.push(Message::warning("AuthorityLost", text));
    }
}

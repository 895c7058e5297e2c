//! A cluster's Secrets, nodes that load them when it suits them, and users, for tests.

use std::collections::{BTreeMap, BTreeSet};

use super::time::DAY_S;
use super::verify::{End, client_is_verified, handshake, server_is_verified};
use super::{
    Certificate, Decision, Existing, Leaf, Loaded, Name, NodeAddress, NodeState, Role, Secret,
    Severity, Signer, Source, SystemKeys, UserRequest, Wanted, What, fingerprint, renew,
    renew_user,
};
use crate::model::NodeId;

/// 2026-01-01.
pub(super) const START_S: u64 = 1_767_225_600;

/// Everything that is outside the decisions.
pub(super) struct World {
    pub(super) now_s: u64,
    pub(super) secrets: BTreeMap<What, Secret>,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) last: Option<Decision>,
    /// Verifications that held, and until when; each is done anew after that.
    held: BTreeMap<(Vec<u8>, Vec<u8>), u64>,
}

/// A node.
#[derive(Default)]
pub(super) struct Node {
    /// What its process has loaded; none if it does not run.
    pub(super) runs: Option<Secret>,
    /// Its agent cannot be asked.
    pub(super) is_silent: bool,
    pub(super) external: Vec<String>,
    /// When its Secret last changed while it runs.
    pub(super) changed_s: Option<u64>,
}

/// A user's Secret, and what the application has loaded of it.
#[derive(Default)]
pub(super) struct User {
    pub(super) secret: Option<Secret>,
    pub(super) loaded: Option<Secret>,
    pub(super) changed_s: Option<u64>,
    pub(super) is_behind: bool,
}

impl World {
    pub(super) fn new(nodes: u32, users: usize) -> Self {
        Self {
            now_s: START_S,
            secrets: BTreeMap::new(),
            nodes: (0..nodes).map(|id| (NodeId(id), Node::default())).collect(),
            users: (0..users).map(|i| (format!("user-{i}"), User::default())).collect(),
            last: None,
            held: BTreeMap::new(),
        }
    }

    /// With everything made and loaded.
    pub(super) fn running(nodes: u32, users: usize, wanted: &Wanted<'_>) -> Self {
        let mut world = Self::new(nodes, users);
        world.settle(wanted);
        world
    }

    pub(super) fn days(&mut self, days: u64) {
        self.now_s += days * DAY_S;
    }

    fn names(&self, id: NodeId) -> BTreeSet<Name> {
        let external = &self.nodes[&id].external;
        let address = NodeAddress { cluster: "c", namespace: "ns", pool: "p", id, external };
        address.names().unwrap()
    }

    pub(super) fn decide(&self, wanted: &Wanted<'_>) -> Decision {
        let nodes: Vec<_> = self.nodes.iter().map(|(id, node)| self.observe(*id, node)).collect();
        let existing = Existing {
            cluster: "c",
            internal: self.secrets.get(&What::Authority(Role::Internal)),
            clients: self.secrets.get(&What::Authority(Role::Clients)),
            trust: self.secrets.get(&What::Trust),
            nodes: &nodes,
            users_behind: Some(self.users.values().filter(|user| user.is_behind).count()),
        };
        renew(&existing, wanted, self.now_s, &mut SystemKeys).unwrap()
    }

    fn observe(&self, id: NodeId, node: &Node) -> NodeState<'_> {
        let loaded = match &node.runs {
            _ if node.is_silent => Loaded::Unknown,
            Some(loaded) => Loaded::Content(fingerprint(loaded)),
            None => Loaded::Down,
        };
        NodeState { id, names: self.names(id), secret: self.secrets.get(&What::Node(id)), loaded }
    }

    /// Decides and writes; killed after so many writes.
    pub(super) fn operate(&mut self, wanted: &Wanted<'_>, writes_max: usize) {
        let mut decision = self.decide(wanted);
        let all = decision.writes.len() <= writes_max;
        for write in decision.writes.drain(..).take(writes_max) {
            assert_eq!(write.is_new, !self.secrets.contains_key(&write.what), "{:?}", write.what);
            if let What::Node(id) = write.what {
                let now_s = self.now_s;
                let changed_s = &mut self.nodes.get_mut(&id).unwrap().changed_s;
                changed_s.get_or_insert(now_s);
            }
            self.secrets.insert(write.what, write.secret);
        }
        if !all {
            return;
        }
        self.users_operate(&decision, wanted);
        self.last = Some(decision);
    }

    fn users_operate(&mut self, decision: &Decision, wanted: &Wanted<'_>) {
        let Some(signer) = &decision.clients.signer else { return };
        for (name, user) in &mut self.users {
            let lifetime = wanted.policy.user();
            let trusted = decision.trusted.as_slice();
            let secret = user.secret.as_ref();
            let request = UserRequest { name, secret, lifetime, trusted, asked: "" };
            let decided = renew_user(&request, signer, self.now_s, &mut SystemKeys).unwrap();
            if user.secret.as_ref() != Some(&decided.secret) {
                user.changed_s.get_or_insert(self.now_s);
                user.secret = Some(decided.secret);
            }
            user.is_behind = decided.is_behind;
        }
    }

    /// The node's process loads its Secret, by reload or restart.
    pub(super) fn load(&mut self, id: NodeId) {
        if let Some(secret) = self.secrets.get(&What::Node(id)) {
            let node = self.nodes.get_mut(&id).unwrap();
            node.runs = Some(secret.clone());
            node.changed_s = None;
        }
    }

    pub(super) fn load_user(&mut self, name: &str) {
        let user = self.users.get_mut(name).unwrap();
        user.loaded.clone_from(&user.secret);
        user.changed_s = None;
    }

    pub(super) fn load_all(&mut self) {
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.load(id);
        }
        for name in self.users.keys().cloned().collect::<Vec<_>>() {
            self.load_user(&name);
        }
    }

    /// Decides and loads until nothing changes any more at this moment.
    pub(super) fn settle(&mut self, wanted: &Wanted<'_>) {
        for _ in 0..10 {
            self.operate(wanted, usize::MAX);
            self.load_all();
            if self.decide(wanted).writes.is_empty() {
                self.operate(wanted, usize::MAX);
                return;
            }
        }
        panic!("does not settle: {:?}", self.decide(wanted).writes);
    }

    pub(super) fn last(&self) -> &Decision {
        self.last.as_ref().expect("operated once")
    }

    pub(super) fn signer(&self, role: Role) -> &Signer {
        let status = match role {
            Role::Internal => &self.last().internal,
            Role::Clients => &self.last().clients,
        };
        status.signer.as_ref().expect("somebody signs")
    }

    pub(super) fn authority(&mut self, role: Role) -> &mut Secret {
        self.secrets.get_mut(&What::Authority(role)).unwrap()
    }

    /// Does it as if every node had loaded its Secret.
    pub(super) fn with_all_loaded(&mut self, operate: impl FnOnce(&mut Self)) {
        let real: Vec<_> =
            self.nodes.values().map(|node| (node.runs.clone(), node.is_silent)).collect();
        for (id, node) in &mut self.nodes {
            node.is_silent = false;
            if node.runs.is_some() {
                node.runs = self.secrets.get(&What::Node(*id)).cloned();
            }
        }
        operate(self);
        for (node, (runs, is_silent)) in self.nodes.values_mut().zip(real) {
            (node.runs, node.is_silent) = (runs, is_silent);
        }
    }

    pub(super) fn everybody_trusts(&self, authority: &Certificate) -> bool {
        let running = self.nodes.values().filter_map(|node| node.runs.as_ref());
        running
            .map(|runs| runs.certificates(super::data_key::TRUSTSTORE))
            .all(|t| t.contains(authority))
    }

    /// The reasons of what was told last, but for mere information.
    pub(super) fn warnings(&self) -> Vec<&'static str> {
        let told = self.last().messages.iter();
        told.filter(|m| m.severity > Severity::Info).map(|m| m.reason).collect()
    }

    /// Every connection that somebody may want to make now.
    pub(super) fn check(&mut self, with_users: bool) -> Result<(), String> {
        let running = self.nodes.iter().filter_map(|(id, node)| Some((*id, node.runs.clone()?)));
        let running: Vec<(NodeId, Secret)> = running.collect();
        let ends: Vec<_> = running.iter().map(|(id, s)| (*id, End::node(s))).collect();
        for (client_id, client) in &ends {
            for (server_id, server) in &ends {
                self.connects(client, server, *server_id)
                    .map_err(|why| format!("node {client_id} to node {server_id}: {why}"))?;
            }
        }
        if !with_users {
            return Ok(());
        }
        let users = self.users.iter().filter_map(|(n, u)| Some((n.clone(), u.loaded.clone()?)));
        for (name, loaded) in users.collect::<Vec<_>>() {
            for (id, secret) in &running {
                self.connects(&End::user(&loaded), &End::listener(secret), *id)
                    .map_err(|why| format!("{name} to node {id}: {why}"))?;
            }
        }
        Ok(())
    }

    /// The operator's own connections, with a certificate that was made now.
    pub(super) fn check_operator(&mut self) -> Result<(), String> {
        let decision = self.last();
        let signer = decision.internal.signer.as_ref().expect("somebody signs");
        let leaf = signer.operator("c", self.now_s, &mut SystemKeys).unwrap();
        let trusts = super::secret::bundle_pem(&decision.trusted).into_bytes();
        let operator = End { chain: leaf.chain_pem(), key: leaf.key_pem(), trusts };
        for (id, node) in &self.nodes {
            let Some(runs) = &node.runs else { continue };
            let server = End::node(runs);
            let name = host(*id);
            server_is_verified(&server, &name, &operator, self.now_s)
                .and_then(|()| client_is_verified(&operator, &server, self.now_s))
                .map_err(|why| format!("operator to node {id}: {why}"))?;
        }
        Ok(())
    }

    fn connects(&mut self, client: &End, server: &End, id: NodeId) -> Result<(), String> {
        let now_s = self.now_s;
        self.held(&server.chain, &client.trusts, |now| {
            server_is_verified(server, &host(id), client, now)
        })
        .map_err(|why| format!("the client refuses: {why}"))?;
        self.held(&client.chain, &server.trusts, |_| client_is_verified(client, server, now_s))
            .map_err(|why| format!("the server refuses: {why}"))
    }

    fn held(
        &mut self,
        chain: &[u8],
        trusts: &[u8],
        verify: impl Fn(u64) -> Result<(), String>,
    ) -> Result<(), String> {
        let pair = (chain.to_vec(), trusts.to_vec());
        if self.held.get(&pair).is_some_and(|until_s| *until_s >= self.now_s) {
            return Ok(());
        }
        verify(self.now_s)?;
        let ends = Certificate::all_from_pem(chain, "chain").unwrap();
        self.held.insert(pair, ends.iter().map(|c| c.not_after_s).min().unwrap());
        Ok(())
    }

    /// Whole handshakes between all nodes.
    pub(super) fn shake_hands(&self) {
        for (id, server) in &self.nodes {
            for client in self.nodes.values() {
                let (client, server) = (client.runs.as_ref(), server.runs.as_ref());
                let (client, server) = (End::node(client.unwrap()), End::node(server.unwrap()));
                handshake(&client, &server, &host(*id), self.now_s).unwrap();
            }
        }
    }

    pub(super) fn leaf(&self, id: u32) -> Certificate {
        let secret = &self.secrets[&What::Node(NodeId(id))];
        let keystore = &secret.data[super::data_key::KEYSTORE];
        Leaf::from_keystore(keystore, "keystore.pem").unwrap().certificate().clone()
    }
}

/// One of the names that a node is reached by.
pub(super) fn host(id: NodeId) -> String {
    format!("c-p-{id}-0.c-nodes.ns.svc")
}

/// A user's own authority in a Secret.
pub(super) fn given<'a>(name: &'static str, secret: &'a Secret) -> Source<'a> {
    Source::Given { name, secret: Some(secret) }
}

//! One member of a group.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::messages::join_group::JoinGroupRequest;

/// What a member costs besides what its client sent: ids, deadlines and a place in the map.
const MEMBER_BYTES: u64 = 500;

/// A member, and the answers it waits for.
#[derive(Debug)]
pub(crate) struct Member<T> {
    /// `group.instance.id` of a static member (KIP-345).
    pub(crate) instance_id: Option<Arc<str>>,
    /// As the client calls itself.
    pub(crate) client_id: Arc<str>,
    /// Where it connected from.
    pub(crate) client_host: Arc<str>,
    pub(super) session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
    /// Protocols the member knows, the preferred first, with its metadata for each.
    pub(super) protocols: Vec<(Arc<str>, Bytes)>,
    /// What it is to read, in its leader's words.
    pub(crate) assignment: Bytes,
    /// When it counts as lost unless it is heard of before.
    pub(super) deadline_ms: i64,
    /// The JoinGroup that waits for the next generation.
    pub(super) joining: Option<T>,
    /// The SyncGroup that waits for the assignment.
    pub(super) syncing: Option<T>,
    /// Its place in the order of joining.
    pub(super) joined: u64,
}

impl<T> Member<T> {
    /// It waits for an answer: that is as good as a heartbeat.
    pub(super) fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    pub(super) fn touch(&mut self, now_ms: i64) {
        self.deadline_ms = now_ms + i64::from(self.session_timeout_ms);
    }

    /// Takes over what a JoinGroup says. Copied, so that a small member does not keep a large request alive.
    pub(super) fn update(&mut self, request: &JoinGroupRequest) {
        self.session_timeout_ms = request.session_timeout_ms;
        self.rebalance_timeout_ms = rebalance_timeout_ms(request);
        self.protocols = protocols(request);
    }

    /// The request names the same protocols with the same metadata.
    pub(super) fn is_unchanged(&self, request: &JoinGroupRequest) -> bool {
        self.protocols.len() == request.protocols.len()
            && self
                .protocols
                .iter()
                .zip(&request.protocols)
                .all(|(ours, theirs)| theirs.name == *ours.0 && theirs.metadata == ours.1)
    }

    /// About what it costs in memory.
    pub(super) fn bytes(&self) -> u64 {
        let protocol = |(name, metadata): &(Arc<str>, Bytes)| name.len() + metadata.len();
        let protocols: usize = self.protocols.iter().map(protocol).sum();
        let names = self.client_id.len() + self.client_host.len();
        (protocols + names + self.assignment.len()) as u64 + MEMBER_BYTES
    }

    /// Its metadata for a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| **name == *protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    pub(super) fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| **name == *protocol)
    }
}

/// Version 0 of JoinGroup has only the session timeout for both.
pub(super) fn rebalance_timeout_ms(request: &JoinGroupRequest) -> i32 {
    match request.rebalance_timeout_ms {
        timeout_ms if timeout_ms < 0 => request.session_timeout_ms,
        timeout_ms => timeout_ms,
    }
}

pub(super) fn protocols(request: &JoinGroupRequest) -> Vec<(Arc<str>, Bytes)> {
    let owned = |metadata: &Bytes| Bytes::copy_from_slice(metadata);
    request.protocols.iter().map(|p| (Arc::from(&*p.name), owned(&p.metadata))).collect()
}

//! What Kafka changes while it runs (KIP-226), so that no restart is needed.

use std::collections::BTreeMap;

use crate::model::{Fingerprint, Node, Wanted};

/// How a running node differs from what it should be, leaving the opaque parts aside.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// To be altered while it runs; `None` takes the property away.
    pub(super) dynamic: BTreeMap<String, Option<String>>,
    /// Only a restart changes these.
    pub(super) fixed: Vec<String>,
    /// Another certificate, which the node can load while it runs.
    pub(super) certificate: bool,
    /// Another certificate, which it reads only when it starts.
    pub(super) fixed_certificate: bool,
}

/// What is to be tried live is known by this name.
pub(super) fn content(wanted: &Wanted) -> Fingerprint {
    Fingerprint::of(&(&wanted.setup.config, &wanted.setup.certificate))
}

/// The differences. A controller reads its properties and its certificate only when it starts; a combined node's broker takes
/// its own properties live, but they share the certificate.
pub(super) fn changes(node: &Node, wanted: &Wanted) -> Changes {
    let (is, should) = (&node.running.config, &wanted.setup.config);
    let other_certificate = node.running.certificate != wanted.setup.certificate;
    let mut changes = Changes {
        certificate: other_certificate && !node.roles.controller,
        fixed_certificate: other_certificate && node.roles.controller,
        ..Changes::default()
    };
    let changed = should.iter().filter(|(key, value)| is.get(*key) != Some(*value));
    let changed = changed.map(|(key, value)| (key, Some(value.clone())));
    let removed = is.keys().filter(|key| !should.contains_key(*key)).map(|key| (key, None));
    for (key, value) in changed.chain(removed) {
        if node.roles.broker && is_dynamic(key) {
            changes.dynamic.insert(key.clone(), value);
        } else {
            changes.fixed.push(key.clone());
        }
    }
    changes
}

/// The update mode of a broker property is "per-broker" or "cluster-wide", not "read-only".
fn is_dynamic(key: &str) -> bool {
    let own = match key.strip_prefix("listener.name.") {
        // Any dynamic listener property may be given for one listener.
        Some(rest) => rest.split_once('.').map_or("", |(_, own)| own),
        None => key,
    };
    DYNAMIC.binary_search(&own).is_ok() || own.starts_with("ssl.")
}

/// What Kafka 4.3 does not call read-only in DescribeConfigs; `ssl.*` apart. Throttles are dynamic alone and listed only while they are set.
/// `listeners`, `listener.security.protocol.map` and `config.providers` are left out on purpose: an override of them would go
/// before what a pod's own file says of its network from then on. A broker that is older refuses what it does not know. Sorted.
const DYNAMIC: &[&str] = &[
    "background.threads",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "cordoned.log.dirs",
    "follower.fetch.last.tiered.offset.enable",
    "follower.replication.throttled.rate",
    "group.consumer.assignment.interval.ms",
    "group.coordinator.cached.buffer.max.bytes",
    "group.share.assignment.interval.ms",
    "group.streams.assignment.interval.ms",
    "leader.replication.throttled.rate",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.delete.retention.ms",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.buffer.size",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.max.compaction.lag.ms",
    "log.cleaner.min.cleanable.ratio",
    "log.cleaner.min.compaction.lag.ms",
    "log.cleaner.threads",
    "log.cleanup.policy",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.local.retention.bytes",
    "log.local.retention.ms",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.retention.bytes",
    "log.retention.ms",
    "log.roll.jitter.ms",
    "log.roll.ms",
    "log.segment.bytes",
    "log.segment.delete.delay.ms",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "message.max.bytes",
    "metric.reporters",
    "min.insync.replicas",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "principal.builder.class",
    "producer.id.expiration.ms",
    "remote.fetch.max.wait.ms",
    "remote.list.offsets.request.timeout.ms",
    "remote.log.index.file.cache.total.size.bytes",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.copy.max.bytes.per.second",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.fetch.max.bytes.per.second",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.reader.threads",
    "replica.alter.log.dirs.io.max.bytes.per.second",
    "sasl.enabled.mechanisms",
    "sasl.jaas.config",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal.to.local.rules",
    "sasl.kerberos.service.name",
    "sasl.kerberos.ticket.renew.jitter",
    "sasl.kerberos.ticket.renew.window.factor",
    "sasl.login.refresh.buffer.seconds",
    "sasl.login.refresh.min.period.seconds",
    "sasl.login.refresh.window.factor",
    "sasl.login.refresh.window.jitter",
    "sasl.mechanism.inter.broker.protocol",
    "share.coordinator.cached.buffer.max.bytes",
    "transaction.partition.verification.enable",
    "unclean.leader.election.enable",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Roles;

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn table_is_sorted() {
        assert!(DYNAMIC.is_sorted());
    }

    #[test]
    fn dynamic_and_fixed_properties_are_told_apart() {
        let mut node = Node { roles: Roles::BROKER, ..Node::default() };
        node.running.config = pairs(&[("num.io.threads", "8"), ("log.roll.ms", "1"), ("a", "b")]);
        let mut wanted = Wanted::default();
        wanted.setup.config =
            pairs(&[("num.io.threads", "9"), ("a", "c"), ("listener.name.x.ssl.key", "k")]);
        let changes = changes(&node, &wanted);
        assert_eq!(changes.fixed, ["a"]);
        assert_eq!(
            changes.dynamic.into_iter().collect::<Vec<_>>(),
            [
                ("listener.name.x.ssl.key".to_owned(), Some("k".to_owned())),
                ("log.roll.ms".to_owned(), None),
                ("num.io.threads".to_owned(), Some("9".to_owned())),
            ]
        );
    }

    #[test]
    fn controller_takes_nothing_while_it_runs() {
        let mut wanted = Wanted::default();
        wanted.setup.config = pairs(&[("num.io.threads", "9")]);
        let node = Node { roles: Roles::CONTROLLER, ..Node::default() };
        assert_eq!(changes(&node, &wanted).fixed, ["num.io.threads"]);
    }
}

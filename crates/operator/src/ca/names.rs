//! Subjects and subject alternative names, as the cluster's parts expect them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::{DistinguishedName, DnType, SanType};

use super::{CaError, Name};

/// Upper bounds of CN and O. [RFC 5280 appendix A.1]: `ub-common-name`, `ub-organization-name`.
const SUBJECT_MAX: usize = 64;
/// RFC 1035 section 2.3.4.
const DNS_MAX: usize = 253;

/// A subject: a common name and, for the cluster's own parts, the cluster as organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    common_name: String,
    cluster: Option<String>,
}

impl Subject {
    /// `CN=node,O=<cluster>`.
    ///
    /// # Errors
    /// [`CaError::InvalidName`] for a cluster's name that no certificate can carry.
    pub fn node(cluster: &str) -> Result<Self, CaError> {
        Self::new("node", Some(cluster))
    }

    /// `CN=klamm-operator,O=<cluster>`.
    ///
    /// # Errors
    /// As [`Subject::node`].
    pub fn operator(cluster: &str) -> Result<Self, CaError> {
        Self::new("klamm-operator", Some(cluster))
    }

    /// `CN=<user>`.
    ///
    /// # Errors
    /// [`CaError::InvalidName`] for a name that is empty, longer than 64 characters or has control characters.
    pub fn user(name: &str) -> Result<Self, CaError> {
        Self::new(name, None)
    }

    pub(super) fn new(common_name: &str, cluster: Option<&str>) -> Result<Self, CaError> {
        for name in std::iter::once(common_name).chain(cluster) {
            let refuse = |why| Err(CaError::InvalidName { name: name.to_owned(), why });
            match name.chars().count() {
                0 => return refuse("it is empty"),
                1..=SUBJECT_MAX => {}
                _ => return refuse("a subject's part has at most 64 characters"),
            }
            if name.chars().any(char::is_control) {
                return refuse("it has control characters");
            }
        }
        Ok(Self { common_name: common_name.to_owned(), cluster: cluster.map(str::to_owned) })
    }

    /// In reverse: RFC 2253 and Kafka write the last part first.
    pub(super) fn distinguished(&self) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        if let Some(cluster) = &self.cluster {
            name.push(DnType::OrganizationName, cluster);
        }
        name.push(DnType::CommonName, &self.common_name);
        name
    }

    /// Whether a certificate has exactly this subject.
    pub(super) fn is_of(&self, certificate: &super::Certificate) -> bool {
        let escape = super::certificate::escaped;
        let mut expected = format!("CN={}", escape(&self.common_name));
        if let Some(cluster) = &self.cluster {
            expected += &format!(",O={}", escape(cluster));
        }
        certificate.subject == expected
    }
}

/// Where a node is reached.
#[derive(Debug, Clone, Copy)]
pub struct NodeAddress<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The node's pool.
    pub pool: &'a str,
    /// Its id.
    pub id: crate::model::NodeId,
    /// Hosts and addresses that clients outside use for this node or the bootstrap.
    pub external: &'a [String],
}

impl NodeAddress<'_> {
    /// The Secret with the node's certificate.
    pub fn secret(&self) -> String {
        format!("{}-{}-{}-tls", self.cluster, self.pool, self.id)
    }

    /// All names its certificate is for.
    ///
    /// # Errors
    /// [`CaError::InvalidName`] for an external host that is none.
    pub fn names(&self) -> Result<BTreeSet<Name>, CaError> {
        let Self { cluster, namespace, pool, id, external } = self;
        let services =
            [format!("{cluster}-{pool}-{id}-0.{cluster}-nodes"), format!("{cluster}-bootstrap")];
        let forms = ["", ".NS", ".NS.svc", ".NS.svc.cluster.local"];
        let inside = services.iter().flat_map(|service| {
            forms.map(|form| format!("{service}{}", form.replace("NS", namespace)))
        });
        let all = inside.chain(external.iter().cloned());
        all.chain(["localhost".to_owned(), "127.0.0.1".to_owned()]).map(|n| name(&n)).collect()
    }
}

/// A host's name or an address.
fn name(text: &str) -> Result<Name, CaError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Name::Ip(address));
    }
    let host = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() > DNS_MAX || !host.split('.').all(label) {
        let why = "neither a host's name (RFC 1035, without a port) nor an address";
        return Err(CaError::InvalidName { name: text.to_owned(), why });
    }
    Ok(Name::Dns(text.to_ascii_lowercase()))
}

pub(super) fn san(name: &Name) -> Result<SanType, CaError> {
    Ok(match name {
        Name::Ip(address) => SanType::IpAddress(*address),
        Name::Dns(host) => {
            SanType::DnsName(host.as_str().try_into().map_err(|e| CaError::making(&e))?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(external: &[&str]) -> Result<BTreeSet<Name>, CaError> {
        let external: Vec<_> = external.iter().map(|host| (*host).to_owned()).collect();
        let id = crate::model::NodeId(3);
        NodeAddress { cluster: "c", namespace: "ns", pool: "p", id, external: &external }.names()
    }

    #[test]
    fn node_is_named_in_all_forms() {
        let names = names(&["Kafka.example.com", "*.example.org", "10.0.0.1", "::1"]).unwrap();
        assert_eq!(names.len(), 8 + 4 + 2);
        for host in ["c-p-3-0.c-nodes.ns.svc", "c-bootstrap.ns", "kafka.example.com", "localhost"] {
            assert!(names.contains(&Name::Dns(host.into())), "{host}");
        }
        assert!(names.contains(&Name::Ip("::1".parse().unwrap())));
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for host in ["", "a:9092", "a..b", "-a", "a b", "ä.example", &"a".repeat(64), "a.*"] {
            assert!(names(&[host]).is_err(), "{host}");
        }
        assert!(Subject::user(&"u".repeat(64)).is_ok());
        for user in ["", &"u".repeat(65), "a\nb"] {
            assert!(Subject::user(user).is_err(), "{user}");
        }
    }
}

//! A cluster's certificates: read from its Secrets, renewed, written back, and used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use klamm_crd::{CertificatePolicy, KafkaCluster};
use klamm_kafka::security::{ClientCertificate, Security, Tls};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::strangers::{self, Stranger};
use super::{Names, users};
use crate::ca::{
    self, Lifetime, NodeAddress, NodeState, Policy, Severity, Source, SystemKeys, What,
};
use crate::context::Context;
use crate::controllers::user::LABEL_USER;
use crate::model::NodeId;

/// Annotation of a KafkaCluster whose change makes a new authority for nodes.
pub const RENEW_CLUSTER_AUTHORITY: &str = "klamm.dev/renew-cluster-authority";
/// Annotation of a KafkaCluster whose change makes a new authority for users.
pub const RENEW_CLIENTS_AUTHORITY: &str = "klamm.dev/renew-clients-authority";
/// Annotation of a KafkaCluster whose change gives every node a new certificate.
pub const RENEW_CERTIFICATES: &str = "klamm.dev/renew-certificates";

const DAY_S: u64 = 24 * 60 * 60;

/// Why a cluster's certificates could not be seen to.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// Of Kubernetes; also when somebody else wrote a Secret meanwhile.
    #[error("certificates: {}", crate::apply::words(.0))]
    Kubernetes(#[from] kube::Error),
    /// Of a certificate.
    #[error("certificates: {0}")]
    Ca(#[from] ca::CaError),
    /// In the spec.
    #[error("spec.certificates: {0}")]
    Policy(#[from] ca::InvalidPolicy),
    /// Nothing says any more whom running nodes trust.
    #[error("{0}")]
    Missing(String),
    /// Secrets of the cluster's names are somebody else's.
    #[error("certificates: names of Secrets are taken")]
    NamesTaken(Vec<Stranger>),
    /// What was made cannot be used.
    #[error("the operator's own certificate: {0}")]
    Unusable(String),
}

/// A node that is to have a certificate.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Its pool.
    pub pool: String,
    /// What its process has loaded.
    pub loaded: ca::Loaded,
}

/// The certificates of a cluster, as they are in its Secrets now.
#[derive(Debug)]
pub struct Certificates {
    /// Names the content of each node's Secret.
    pub fingerprints: BTreeMap<NodeId, String>,
    /// Running nodes whose certificate was over before they loaded another one: nobody accepts them.
    pub cut_off: BTreeSet<NodeId>,
    /// What somebody should know.
    pub warnings: Vec<String>,
    /// How the operator is known to the cluster; none while there is no authority.
    pub identity: Option<Identity>,
    /// When those of authorities and nodes end, in seconds since 1970, by their Secrets.
    pub ends: BTreeMap<String, i64>,
}

/// How the operator is known to a cluster.
#[derive(Debug, Clone)]
pub struct Identity {
    /// For connections to Kafka.
    pub security: Security,
    /// For connections to agents.
    pub tls: Arc<ClientConfig>,
    /// Names both.
    pub version: String,
}

/// The operator's own certificate for one cluster. It is never stored.
pub type OwnLeaf = Option<ca::Leaf>;

/// Sees to all Secrets of the cluster. `own` is kept by the caller from one call to the next.
///
/// # Errors
/// What is to be tried again; everything else is in the warnings.
pub async fn settle(
    context: &Context,
    cluster: &KafkaCluster,
    names: &Names,
    holders: &BTreeMap<NodeId, Holder>,
    own: &mut OwnLeaf,
    now_s: u64,
) -> Result<Certificates, CertificatesError> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &names.namespace);
    // Users have Secrets with this label too, by the thousand.
    let labels = format!("{}={},!{LABEL_USER}", super::names::LABEL_CLUSTER, names.cluster);
    let mut there = BTreeMap::new();
    for secret in api.list(&ListParams::default().labels(&labels)).await? {
        there.insert(secret.name_any(), secret);
    }
    let given = &cluster.spec.certificates;
    for named in [&given.cluster_authority, &given.clients_authority].into_iter().flatten() {
        if let Some(secret) = api.get_opt(&named.name).await? {
            there.insert(named.name.clone(), secret);
        }
    }
    let read: BTreeMap<&str, ca::Secret> =
        there.iter().map(|(name, secret)| (name.as_str(), content(secret))).collect();
    let clients = read.get(ca::Role::Clients.secret(&names.cluster).as_str());
    let users_behind = users::behind(context, names, clients, now_s).await;
    let decision = decide(cluster, names, holders, &read, users_behind, now_s)?;
    if let Some(missing) = decision.messages.iter().find(|m| m.reason == ca::MISSING) {
        return Err(CertificatesError::Missing(missing.text.clone()));
    }
    free(context, names, holders, &decision).await?;
    for write in &decision.writes {
        let name = secret_name(names, holders, write.what);
        save(&api, names, &name, there.get(&name), &write.secret).await?;
    }
    let told = decision.messages.iter();
    let told = told.filter(|message| message.severity != Severity::Info);
    let warnings = told.map(|message| message.text.clone()).collect();
    for message in decision.messages.iter().filter(|m| m.severity == Severity::Info) {
        tracing::info!(cluster = names.cluster, "{}", message.text);
    }
    let fingerprints = decision.nodes.iter();
    let fingerprints = fingerprints.filter_map(|(id, node)| Some((*id, node.fingerprint.clone()?)));
    let cut_off = decision.nodes.iter().filter(|(_, node)| node.is_cut_off);
    Ok(Certificates {
        fingerprints: fingerprints.collect(),
        cut_off: cut_off.map(|(id, _)| *id).collect(),
        warnings,
        identity: identity(&decision, names, own, now_s)?,
        ends: ends(&decision, names, holders),
    })
}

fn ends(
    decision: &ca::Decision,
    names: &Names,
    holders: &BTreeMap<NodeId, Holder>,
) -> BTreeMap<String, i64> {
    let authorities =
        [(ca::Role::Internal, &decision.internal), (ca::Role::Clients, &decision.clients)];
    let authorities = authorities.map(|(role, status)| (What::Authority(role), &status.expiry));
    let nodes = decision.nodes.iter().map(|(id, node)| (What::Node(*id), &node.expiry));
    let all = authorities.into_iter().chain(nodes);
    all.filter_map(|(what, expiry)| {
        let end = i64::try_from(expiry.as_ref()?.not_after_s).ok()?;
        Some((secret_name(names, holders, what), end))
    })
    .collect()
}

/// Secrets that are about to be made are not there already: with other labels nobody saw them.
async fn free(
    context: &Context,
    names: &Names,
    holders: &BTreeMap<NodeId, Holder>,
    decision: &ca::Decision,
) -> Result<(), CertificatesError> {
    let mut taken = Vec::new();
    for write in decision.writes.iter().filter(|write| write.is_new) {
        let place = strangers::secret(&secret_name(names, holders, write.what));
        let found = strangers::at(&context.client, &names.namespace, &place, &names.cluster);
        taken.extend(found.await?);
    }
    if taken.is_empty() { Ok(()) } else { Err(CertificatesError::NamesTaken(taken)) }
}

fn decide(
    cluster: &KafkaCluster,
    names: &Names,
    holders: &BTreeMap<NodeId, Holder>,
    read: &BTreeMap<&str, ca::Secret>,
    users_behind: Option<usize>,
    now_s: u64,
) -> Result<ca::Decision, CertificatesError> {
    let nodes: Result<Vec<NodeState<'_>>, ca::CaError> = holders
        .iter()
        .map(|(id, holder)| {
            let address = address(names, *id, &holder.pool);
            Ok(NodeState {
                id: *id,
                names: address.names()?,
                secret: read.get(address.secret().as_str()),
                loaded: holder.loaded.clone(),
            })
        })
        .collect();
    let authority = |role: ca::Role| role.secret(&names.cluster);
    let existing = ca::Existing {
        cluster: &names.cluster,
        internal: read.get(authority(ca::Role::Internal).as_str()),
        clients: read.get(authority(ca::Role::Clients).as_str()),
        trust: read.get(trust(names).as_str()),
        nodes: &nodes?,
        users_behind,
    };
    let annotation = |key: &str| cluster.annotations().get(key).map_or("", String::as_str);
    let given = &cluster.spec.certificates;
    let source = |named: &'_ Option<klamm_crd::SecretRef>| {
        named.as_ref().map(|named| (named.name.clone(), read.get(named.name.as_str()).cloned()))
    };
    let (internal, clients) = (source(&given.cluster_authority), source(&given.clients_authority));
    let wanted = ca::Wanted {
        policy: policy(cluster)?,
        internal: as_source(internal.as_ref()),
        clients: as_source(clients.as_ref()),
        asked: ca::Asked {
            internal: annotation(RENEW_CLUSTER_AUTHORITY),
            clients: annotation(RENEW_CLIENTS_AUTHORITY),
            nodes: annotation(RENEW_CERTIFICATES),
        },
    };
    Ok(ca::renew(&existing, &wanted, now_s, &mut SystemKeys)?)
}

fn as_source(given: Option<&(String, Option<ca::Secret>)>) -> Source<'_> {
    given.map_or(Source::Own, |(name, secret)| Source::Given { name, secret: secret.as_ref() })
}

/// What the spec says of lifetimes.
///
/// # Errors
/// When it cannot be meant.
pub fn policy(cluster: &KafkaCluster) -> Result<Policy, ca::InvalidPolicy> {
    let spec = &cluster.spec.certificates;
    let lifetime = |given: &Option<CertificatePolicy>| match given {
        None => Ok(Lifetime::YEAR),
        Some(given) => {
            let (validity, before) = (given.validity_days, given.renew_before_days);
            Lifetime::new(u64::from(validity) * DAY_S, u64::from(before) * DAY_S)
        }
    };
    let authority = lifetime(&spec.authority)?;
    // A week and a fortnight; less where the authority itself lives for weeks only.
    let before = spec.authority.as_ref().map_or(30, |given| u64::from(given.renew_before_days));
    let grace = |given: Option<u32>, days: u64| {
        DAY_S * given.map_or_else(|| days.min(before / 4), u64::from)
    };
    let (trust, user) = (grace(spec.trust_grace_days, 7), grace(spec.user_grace_days, 14));
    Policy::new(authority, lifetime(&spec.node)?, lifetime(&spec.user)?, trust, user)
}

fn identity(
    decision: &ca::Decision,
    names: &Names,
    own: &mut OwnLeaf,
    now_s: u64,
) -> Result<Option<Identity>, CertificatesError> {
    let Some(signer) = &decision.internal.signer else { return Ok(None) };
    if own.as_ref().is_none_or(|leaf| signer.operator_is_due(leaf, now_s)) {
        *own = Some(signer.operator(&names.cluster, now_s, &mut SystemKeys)?);
    }
    let Some(leaf) = own else { return Ok(None) };
    let trusted: String = decision.trusted.iter().map(ca::Certificate::to_pem).collect();
    let (chain, key) = (leaf.chain_pem(), leaf.key_pem());
    let unusable = |error: &dyn std::fmt::Display| CertificatesError::Unusable(error.to_string());
    // Agents trust whom their mounted Secret says at once; Kafka has to be told to load it, by somebody whom it trusts.
    let lent = decision.lent.as_ref().map(|lent| (&lent.chain, &lent.key));
    let (chain_for_kafka, key_for_kafka) = lent.unwrap_or((&chain, &key));
    let certificate = ClientCertificate { chain: chain_for_kafka, key: key_for_kafka };
    let tls = Tls::new(trusted.as_bytes(), Some(&certificate)).map_err(|error| unusable(&error))?;
    let config =
        client_config(trusted.as_bytes(), &chain, &key).map_err(|error| unusable(&error))?;
    let version = crate::model::Fingerprint::of(&(trusted, &chain, chain_for_kafka)).to_string();
    Ok(Some(Identity {
        security: Security::default().with_tls(tls),
        tls: Arc::new(config),
        version,
    }))
}

fn client_config(
    trusted: &[u8],
    chain: &[u8],
    key: &[u8],
) -> Result<ClientConfig, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trusted) {
        roots.add(certificate?)?;
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain?, PrivateKeyDer::from_pem_slice(key)?)?;
    // Room for sessions of 32 servers, and eight tickets of each, is more than the rest of a cluster's; a handshake takes less than
    // a millisecond.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn address<'a>(names: &'a Names, id: NodeId, pool: &'a str) -> NodeAddress<'a> {
    NodeAddress { cluster: &names.cluster, namespace: &names.namespace, pool, id, external: &[] }
}

/// The Secret with everything that clients are to trust.
pub fn trust(names: &Names) -> String {
    format!("{}-trust", names.cluster)
}

fn secret_name(names: &Names, holders: &BTreeMap<NodeId, Holder>, what: What) -> String {
    match what {
        What::Authority(role) => role.secret(&names.cluster),
        What::Trust => trust(names),
        What::Node(id) => {
            let pool = holders.get(&id).map_or("", |holder| &holder.pool);
            address(names, id, pool).secret()
        }
    }
}

fn content(secret: &Secret) -> ca::Secret {
    let data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
    ca::Secret { data: data.collect(), annotations: secret.annotations().clone() }
}

/// Nobody owns them: a deleted cluster that is made again finds its nodes and clients still trusting each other.
async fn save(
    api: &Api<Secret>,
    names: &Names,
    name: &str,
    there: Option<&Secret>,
    secret: &ca::Secret,
) -> Result<(), kube::Error> {
    let data = secret.data.iter().map(|(key, value)| (key.clone(), ByteString(value.clone())));
    let mut labels = there.map(|there| there.labels().clone()).unwrap_or_default();
    labels.extend(names.labels());
    let written = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(names.namespace.clone()),
            labels: Some(labels),
            annotations: Some(secret.annotations.clone()),
            resource_version: there.and_then(Secret::resource_version),
            ..ObjectMeta::default()
        },
        data: Some(data.collect()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    let parameters = PostParams {
        field_manager: Some(crate::apply::FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    match there {
        Some(_) => api.replace(name, &parameters, &written).await.map(drop),
        None => api.create(&parameters, &written).await.map(drop),
    }
}

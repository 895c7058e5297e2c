//! What a KafkaUser asks for, if it may. Pure.

use std::collections::{BTreeMap, BTreeSet};

use klamm_crd::{
    Authentication, KafkaCluster, KafkaUser, KafkaUserSpec, ListenerAuthentication, SecretKeyRef,
};
use klamm_kafka::admin as kafka;
use kube::ResourceExt;

use crate::controllers::board::{Item, Standing};
use crate::controllers::objects::{Edit, has_finalizer};
use crate::controllers::registry::{Claimant, Key};
use crate::controllers::status::Told;
use crate::controllers::told::{cluster_told, pause_told, standing_told};

/// A user as it should be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) authentication: Authentication,
    pub(crate) principal: String,
    /// Its name in quotas.
    pub(crate) entity: String,
    /// What it was before it authenticated in another way.
    pub(crate) former: Option<Leaving>,
    /// Where its Secret is, and the Secret of a password that is given.
    pub(crate) secret: Key,
    pub(crate) password: Option<SecretKeyRef>,
    /// None to leave them alone.
    pub(crate) acls: Option<BTreeSet<kafka::Acl>>,
    /// None to leave them alone; those without a value are taken away.
    pub(crate) quotas: Option<BTreeMap<String, Option<f64>>>,
    pub(crate) access: Access,
}

/// How the user gets to the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) bootstrap_servers: String,
    pub(crate) is_encrypted: bool,
    /// The listener's certificate is one of the cluster's own authority.
    pub(crate) trusts_cluster: bool,
}

/// What is to be done about a resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// Kafka should have this.
    Wanted(Box<Wanted>),
    /// Nothing is touched, and this is why.
    Refused(Told),
    /// What Kafka has of the user goes, then the resource.
    Delete(Leaving),
    /// The resource may go; what is left in Kafka, if a person should know.
    Release(Option<String>),
    /// Nothing, ever.
    Nothing,
}

/// What Kafka has of a user that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaving {
    pub(crate) name: String,
    pub(crate) has_credential: bool,
    /// The principals whose rules go.
    pub(crate) acls: Vec<String>,
    /// The entities whose quotas go.
    pub(crate) quotas: Vec<String>,
}

/// As whom Kafka may have heard of the user: one that authenticates in another way now is another one to Kafka.
const PRINCIPALS: &str = "klamm.dev/principals";

/// Kafka's type of all principals.
const USER: &str = "User:";

/// The names of all quotas a KafkaUser can have.
pub(crate) const QUOTAS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];

/// Kafka's name for a user in quotas: its principal's name.
pub(crate) fn entity(name: &str, authentication: Authentication) -> String {
    match authentication {
        Authentication::ScramSha512 => name.to_owned(),
        Authentication::Tls | Authentication::TlsExternal => format!("CN={name}"),
    }
}

pub(crate) fn principal(user: &KafkaUser) -> String {
    format!("{USER}{}", entity(user.claimed(), user.spec.authentication))
}

pub(crate) fn secret_name(user: &KafkaUser) -> String {
    user.spec.secret_name.clone().unwrap_or_else(|| format!("{}-kafka", user.name_any()))
}

pub(crate) fn validate(item: &Item<KafkaUser>, cluster: Option<&KafkaCluster>) -> Verdict {
    let user = &*item.resource;
    if user.metadata.deletion_timestamp.is_some() {
        return going(item, cluster);
    }
    let wanted = cluster_told(&user.cluster(), cluster)
        .and_then(|()| standing_told(item, "user"))
        .and_then(|()| pause_told(false, cluster))
        .and_then(|()| wanted(user, cluster.ok_or_else(|| Told::no("NoCluster", "gone"))?));
    match wanted {
        Ok(wanted) => Verdict::Wanted(Box::new(wanted)),
        Err(told) => Verdict::Refused(told),
    }
}

fn going(item: &Item<KafkaUser>, cluster: Option<&KafkaCluster>) -> Verdict {
    let user = &*item.resource;
    if !has_finalizer(&user.metadata) {
        return Verdict::Nothing;
    }
    if item.standing != Standing::Owner {
        return Verdict::Release(None);
    }
    let name = user.claimed();
    let possible = cluster_told(&user.cluster(), cluster).and_then(|()| pause_told(false, cluster));
    if let Err(told) = possible {
        return Verdict::Release(Some(format!("user '{name}' is left in Kafka: {}", told.message)));
    }
    Verdict::Delete(leaving(user, &principals(user)))
}

/// What Kafka has of a user under these principals, as far as it is the resource's.
fn leaving(user: &KafkaUser, principals: &BTreeSet<String>) -> Leaving {
    let entities: Vec<&str> =
        principals.iter().filter_map(|principal| principal.strip_prefix(USER)).collect();
    let owned = |of: &[&str]| of.iter().map(ToString::to_string).collect();
    Leaving {
        name: user.claimed().to_owned(),
        has_credential: entities.iter().any(|entity| !entity.starts_with("CN=")),
        acls: match &user.spec.acls {
            Some(_) => principals.iter().cloned().collect(),
            None => Vec::new(),
        },
        quotas: if user.spec.quotas.is_some() { owned(&entities) } else { Vec::new() },
    }
}

/// Whatever Kafka may have heard of the user as.
fn principals(user: &KafkaUser) -> BTreeSet<String> {
    let known = user.annotations().get(PRINCIPALS).map_or("", String::as_str);
    known.split(',').filter(|principal| !principal.is_empty()).map(str::to_owned).collect()
}

fn wanted(user: &KafkaUser, cluster: &KafkaCluster) -> Result<Wanted, Told> {
    let (name, spec) = (user.claimed(), &user.spec);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        let rule = "1 to 64 letters, digits, dots, underscores and dashes: set spec.userName";
        return Err(Told::no("InvalidName", format!("'{name}' is no user's name: {rule}")));
    }
    if spec.password.is_some() && spec.authentication != Authentication::ScramSha512 {
        let message = "spec.password is for authentication ScramSha512 alone";
        return Err(Told::no("InvalidPassword", message));
    }
    let principal = principal(user);
    authorization_told(user, &principal, cluster)?;
    Ok(Wanted {
        name: name.to_owned(),
        authentication: spec.authentication,
        secret: Key { namespace: user.namespace().unwrap_or_default(), name: secret_name(user) },
        password: spec.password.clone(),
        acls: acls(spec, &principal)?,
        quotas: spec.quotas.as_ref().map(quotas),
        access: access(spec.authentication, cluster)?,
        entity: entity(name, spec.authentication),
        former: former(user, &principal),
        principal,
    })
}

fn former(user: &KafkaUser, principal: &str) -> Option<Leaving> {
    let mut others = principals(user);
    others.remove(principal);
    (!others.is_empty()).then(|| leaving(user, &others))
}

impl Wanted {
    /// What must stand in the resource before Kafka is touched: whoever comes after a crash has to know what to take back.
    pub(crate) fn before(&self, user: &KafkaUser) -> Edit {
        let mut known = principals(user);
        known.insert(self.principal.clone());
        Self::edit(&known.into_iter().collect::<Vec<_>>().join(","))
    }

    /// What stands in it afterwards.
    pub(crate) fn after(&self) -> Edit {
        Self::edit(&self.principal)
    }

    fn edit(principals: &str) -> Edit {
        let annotations = [(PRINCIPALS, Some(principals.to_owned()))].into();
        Edit { finalizer: Some(true), annotations }
    }
}

fn authorization_told(
    user: &KafkaUser,
    principal: &str,
    cluster: &KafkaCluster,
) -> Result<(), Told> {
    let authorization = cluster.spec.authorization.as_ref();
    if user.spec.acls.is_some() && authorization.is_none() {
        let message = format!(
            "spec.acls mean nothing to KafkaCluster {}: it has no spec.authorization",
            cluster.name_any()
        );
        return Err(Told::no("NoAuthorization", message));
    }
    let is_super = authorization.is_some_and(|a| a.super_users.iter().any(|u| u == principal));
    if is_super && user.namespace() != cluster.namespace() {
        let message = format!(
            "{principal} may do everything (spec.authorization.superUsers): only a KafkaUser beside the KafkaCluster may be it"
        );
        return Err(Told::no("NotAllowed", message));
    }
    Ok(())
}

fn acls(spec: &KafkaUserSpec, principal: &str) -> Result<Option<BTreeSet<kafka::Acl>>, Told> {
    let Some(acls) = &spec.acls else { return Ok(None) };
    let mut all = BTreeSet::new();
    for (index, acl) in acls.iter().enumerate() {
        let resource = resource(acl)
            .map_err(|why| Told::no("InvalidAcl", format!("spec.acls[{index}].resource: {why}")))?;
        for operation in &acl.operations {
            all.insert(kafka::Acl {
                resource: resource.clone(),
                principal: principal.to_owned(),
                host: acl.host.clone(),
                operation: operation_of(*operation),
                permission: match acl.permission {
                    klamm_crd::AclPermission::Allow => kafka::AclPermission::Allow,
                    klamm_crd::AclPermission::Deny => kafka::AclPermission::Deny,
                },
            });
        }
    }
    Ok(Some(all))
}

/// Kafka's only name of the resource type `Cluster`.
const CLUSTER: &str = "kafka-cluster";

fn resource(acl: &klamm_crd::Acl) -> Result<kafka::AclResource, String> {
    use klamm_crd::AclResourceType as Type;
    let resource = &acl.resource;
    let is_cluster = resource.kind == Type::Cluster;
    if is_cluster && !["*", CLUSTER].contains(&resource.name.as_str()) {
        return Err(format!("type Cluster has no name but {CLUSTER}, which may be left out"));
    }
    if resource.name.is_empty() {
        return Err("the name must not be empty: '*' stands for all".to_owned());
    }
    let kind = match resource.kind {
        Type::Topic => kafka::ResourceType::Topic,
        Type::Group => kafka::ResourceType::Group,
        Type::Cluster => kafka::ResourceType::Cluster,
        Type::TransactionalId => kafka::ResourceType::TransactionalId,
        Type::DelegationToken => kafka::ResourceType::DelegationToken,
        Type::User => kafka::ResourceType::User,
    };
    let pattern = match resource.pattern_type {
        klamm_crd::PatternType::Literal => kafka::PatternType::Literal,
        klamm_crd::PatternType::Prefixed if is_cluster || resource.name == "*" => {
            return Err("patternType Prefixed needs what names begin with".to_owned());
        }
        klamm_crd::PatternType::Prefixed => kafka::PatternType::Prefixed,
    };
    let name = if is_cluster { CLUSTER.to_owned() } else { resource.name.clone() };
    Ok(kafka::AclResource { kind, name, pattern })
}

// tidy: flat match
fn operation_of(operation: klamm_crd::AclOperation) -> kafka::AclOperation {
    use klamm_crd::AclOperation as Operation;
    match operation {
        Operation::All => kafka::AclOperation::All,
        Operation::Read => kafka::AclOperation::Read,
        Operation::Write => kafka::AclOperation::Write,
        Operation::Create => kafka::AclOperation::Create,
        Operation::Delete => kafka::AclOperation::Delete,
        Operation::Alter => kafka::AclOperation::Alter,
        Operation::Describe => kafka::AclOperation::Describe,
        Operation::ClusterAction => kafka::AclOperation::ClusterAction,
        Operation::DescribeConfigs => kafka::AclOperation::DescribeConfigs,
        Operation::AlterConfigs => kafka::AclOperation::AlterConfigs,
        Operation::IdempotentWrite => kafka::AclOperation::IdempotentWrite,
        Operation::CreateTokens => kafka::AclOperation::CreateTokens,
        Operation::DescribeTokens => kafka::AclOperation::DescribeTokens,
        Operation::TwoPhaseCommit => kafka::AclOperation::TwoPhaseCommit,
    }
}

/// Byte rates stay below 2^53, where a float still counts in ones; the API server takes no larger ones seriously either.
#[expect(clippy::cast_precision_loss, reason = "a byte rate beyond 2^53 is no limit")]
fn quotas(quotas: &klamm_crd::Quotas) -> BTreeMap<String, Option<f64>> {
    let values = [
        quotas.producer_byte_rate.map(|rate| rate as f64),
        quotas.consumer_byte_rate.map(|rate| rate as f64),
        quotas.request_percentage.map(f64::from),
        quotas.controller_mutation_rate,
    ];
    QUOTAS.iter().map(ToString::to_string).zip(values).collect()
}

/// The first encrypted listener with the authentication, or the first at all.
fn access(authentication: Authentication, cluster: &KafkaCluster) -> Result<Access, Told> {
    let needed = match authentication {
        Authentication::ScramSha512 => ListenerAuthentication::ScramSha512,
        Authentication::Tls | Authentication::TlsExternal => ListenerAuthentication::Tls,
    };
    let fitting = cluster.spec.listeners.iter().filter(|l| l.authentication == Some(needed));
    let listener = fitting.min_by_key(|listener| listener.tls.is_none()).ok_or_else(|| {
        let message = format!(
            "KafkaCluster {} has no listener with authentication {needed:?}",
            cluster.name_any()
        );
        Told::no("NoListener", message)
    })?;
    let told = cluster.status.iter().flat_map(|status| &status.listeners);
    let told = told.filter(|told| told.name == listener.name && !told.bootstrap_servers.is_empty());
    let default = || {
        let namespace = cluster.namespace().unwrap_or_default();
        format!("{}-bootstrap.{namespace}.svc:{}", cluster.name_any(), listener.port)
    };
    Ok(Access {
        bootstrap_servers: told
            .map(|told| told.bootstrap_servers.clone())
            .next()
            .unwrap_or_else(default),
        is_encrypted: listener.tls.is_some(),
        trusts_cluster: listener.has_cluster_certificate(),
    })
}

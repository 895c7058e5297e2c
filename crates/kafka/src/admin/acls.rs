//! Who may do what: DescribeAcls, CreateAcls, DeleteAcls (KIP-140, KIP-290).

use klamm_kafka_proto::Str;
use klamm_kafka_proto::messages::create_acls::{AclCreation, CreateAcls, CreateAclsRequest};
use klamm_kafka_proto::messages::delete_acls::{
    DeleteAcls, DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest,
};
use klamm_kafka_proto::messages::describe_acls::{
    AclDescription, DescribeAcls, DescribeAclsRequest, DescribeAclsResource,
};

use super::numbered::numbered;
use super::{Admin, To, moved_among, said, text};
use crate::KafkaError;

numbered! {
    /// Kinds of things that rules are about.
    ResourceType {
        /// A topic.
        Topic = 2,
        /// A consumer group.
        Group = 3,
        /// The cluster, by the name `kafka-cluster`.
        Cluster = 4,
        /// A transactional id.
        TransactionalId = 5,
        /// A delegation token.
        DelegationToken = 6,
        /// A user, for delegation tokens.
        User = 7,
    }
}

numbered! {
    /// How a rule's name is compared.
    PatternType {
        /// The name itself, or `*` for all.
        Literal = 3,
        /// Names that begin so.
        Prefixed = 4,
    }
}

numbered! {
    /// Which rules a filter's name finds.
    PatternFilter {
        /// Those with that name, literal or prefixed.
        Any = 1,
        /// Those that apply to that name.
        Match = 2,
        /// Literal ones with that name.
        Literal = 3,
        /// Prefixed ones with that name.
        Prefixed = 4,
    }
}

numbered! {
    /// What is done.
    AclOperation {
        /// All of them.
        All = 2,
        /// Read.
        Read = 3,
        /// Write.
        Write = 4,
        /// Create.
        Create = 5,
        /// Delete.
        Delete = 6,
        /// Alter.
        Alter = 7,
        /// Describe; implied by read, write, delete and alter.
        Describe = 8,
        /// What brokers do among themselves.
        ClusterAction = 9,
        /// Describe configurations.
        DescribeConfigs = 10,
        /// Alter configurations.
        AlterConfigs = 11,
        /// Produce idempotently.
        IdempotentWrite = 12,
        /// Create delegation tokens.
        CreateTokens = 13,
        /// Describe delegation tokens.
        DescribeTokens = 14,
        /// Take part in two-phase commit.
        TwoPhaseCommit = 15,
    }
}

numbered! {
    /// Whether it may be done.
    AclPermission {
        /// No, whatever else allows it.
        Deny = 2,
        /// Yes.
        Allow = 3,
    }
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclResource {
    /// Of which kind.
    pub kind: ResourceType,
    /// Its name.
    pub name: String,
    /// How the name is compared.
    pub pattern: PatternType,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    /// What it is about.
    pub resource: AclResource,
    /// For whom, such as `User:a`.
    pub principal: String,
    /// From which address, or `*`.
    pub host: String,
    /// What is done.
    pub operation: AclOperation,
    /// Whether it may be.
    pub permission: AclPermission,
}

/// Which rules; what is not given matches any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclFilter {
    /// About what kind.
    pub kind: Option<ResourceType>,
    /// About which name.
    pub name: Option<String>,
    /// Which rules the name finds.
    pub pattern: PatternFilter,
    /// For whom.
    pub principal: Option<String>,
    /// From where.
    pub host: Option<String>,
    /// What is done.
    pub operation: Option<AclOperation>,
    /// Whether it may be.
    pub permission: Option<AclPermission>,
}

impl Default for AclFilter {
    /// Every rule.
    fn default() -> Self {
        Self {
            kind: None,
            name: None,
            pattern: PatternFilter::Any,
            principal: None,
            host: None,
            operation: None,
            permission: None,
        }
    }
}

impl From<&Acl> for AclFilter {
    /// That rule and no other.
    fn from(acl: &Acl) -> Self {
        Self {
            kind: Some(acl.resource.kind),
            name: Some(acl.resource.name.clone()),
            pattern: match acl.resource.pattern {
                PatternType::Literal => PatternFilter::Literal,
                PatternType::Prefixed => PatternFilter::Prefixed,
            },
            principal: Some(acl.principal.clone()),
            host: Some(acl.host.clone()),
            operation: Some(acl.operation),
            permission: Some(acl.permission),
        }
    }
}

/// A filter's number for "any".
const ANY: i8 = 1;

impl Admin {
    /// The rules that a filter finds. Those of kinds not known here are left out.
    ///
    /// # Errors
    /// `SecurityDisabled` where there is no authorizer.
    pub async fn describe_acls(&mut self, filter: &AclFilter) -> Result<Vec<Acl>, KafkaError> {
        let request = DescribeAclsRequest {
            resource_type_filter: filter.kind.map_or(ANY, ResourceType::number),
            resource_name_filter: filter.name.as_deref().map(Str::from),
            pattern_type_filter: filter.pattern.number(),
            principal_filter: filter.principal.as_deref().map(Str::from),
            host_filter: filter.host.as_deref().map(Str::from),
            operation: filter.operation.map_or(ANY, AclOperation::number),
            permission_type: filter.permission.map_or(ANY, AclPermission::number),
        };
        let response = self.call::<DescribeAcls>(To::Any, &request, |r| r.error_code).await?;
        said(response.error_code, response.error_message.as_ref(), || "ACLs".into())?;
        let of = |resource| move |acl| described(resource, acl);
        Ok(response.resources.iter().flat_map(|r| r.acls.iter().filter_map(of(r))).collect())
    }

    /// Makes rules; one that is there already is made again without a word. Outcomes are in the order of the rules.
    ///
    /// # Errors
    /// Of the connection. What is wrong with a rule stands in its outcome.
    pub async fn create_acls(
        &mut self,
        acls: &[Acl],
    ) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        let request = CreateAclsRequest { creations: acls.iter().map(creation).collect() };
        let response = self
            .call::<CreateAcls>(To::Controller, &request, |response| {
                moved_among(response.results.iter().map(|result| result.error_code))
            })
            .await?;
        let outcome = |(index, acl): (usize, &Acl)| {
            let answer = response.results.get(index).ok_or(KafkaError::Closed)?;
            said(answer.error_code, answer.error_message.as_ref(), || format!("create {acl:?}"))
        };
        Ok(acls.iter().enumerate().map(outcome).collect())
    }

    /// Deletes the rules that filters find, and tells which those were. Outcomes are in the order of the filters.
    ///
    /// # Errors
    /// Of the connection. What is wrong with a filter, or with a rule that it found, stands in its outcome.
    pub async fn delete_acls(
        &mut self,
        filters: &[AclFilter],
    ) -> Result<Vec<Result<Vec<Acl>, KafkaError>>, KafkaError> {
        let request = DeleteAclsRequest { filters: filters.iter().map(deletion).collect() };
        let response = self
            .call::<DeleteAcls>(To::Controller, &request, |response| {
                moved_among(response.filter_results.iter().map(|result| result.error_code))
            })
            .await?;
        let mut answers = response.filter_results.iter();
        let outcome = |_| answers.next().ok_or(KafkaError::Closed).and_then(deleted);
        Ok(filters.iter().map(outcome).collect())
    }
}

fn described(resource: &DescribeAclsResource, acl: &AclDescription) -> Option<Acl> {
    Some(Acl {
        resource: AclResource {
            kind: ResourceType::from_number(resource.resource_type)?,
            name: text(&resource.resource_name),
            pattern: PatternType::from_number(resource.pattern_type)?,
        },
        principal: text(&acl.principal),
        host: text(&acl.host),
        operation: AclOperation::from_number(acl.operation)?,
        permission: AclPermission::from_number(acl.permission_type)?,
    })
}

fn creation(acl: &Acl) -> AclCreation {
    AclCreation {
        resource_type: acl.resource.kind.number(),
        resource_name: acl.resource.name.as_str().into(),
        resource_pattern_type: acl.resource.pattern.number(),
        principal: acl.principal.as_str().into(),
        host: acl.host.as_str().into(),
        operation: acl.operation.number(),
        permission_type: acl.permission.number(),
    }
}

fn deletion(filter: &AclFilter) -> DeleteAclsFilter {
    DeleteAclsFilter {
        resource_type_filter: filter.kind.map_or(ANY, ResourceType::number),
        resource_name_filter: filter.name.as_deref().map(Str::from),
        pattern_type_filter: filter.pattern.number(),
        principal_filter: filter.principal.as_deref().map(Str::from),
        host_filter: filter.host.as_deref().map(Str::from),
        operation: filter.operation.map_or(ANY, AclOperation::number),
        permission_type: filter.permission.map_or(ANY, AclPermission::number),
    }
}

fn deleted(result: &DeleteAclsFilterResult) -> Result<Vec<Acl>, KafkaError> {
    let what = || "delete ACLs".to_owned();
    said(result.error_code, result.error_message.as_ref(), what)?;
    for acl in &result.matching_acls {
        let what = || format!("delete the ACL of {}", acl.principal);
        said(acl.error_code, acl.error_message.as_ref(), what)?;
    }
    Ok(result.matching_acls.iter().filter_map(matching).collect())
}

fn matching(acl: &DeleteAclsMatchingAcl) -> Option<Acl> {
    Some(Acl {
        resource: AclResource {
            kind: ResourceType::from_number(acl.resource_type)?,
            name: text(&acl.resource_name),
            pattern: PatternType::from_number(acl.pattern_type)?,
        },
        principal: text(&acl.principal),
        host: text(&acl.host),
        operation: AclOperation::from_number(acl.operation)?,
        permission: AclPermission::from_number(acl.permission_type)?,
    })
}

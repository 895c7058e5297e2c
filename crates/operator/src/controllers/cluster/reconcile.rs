//! One pass over a cluster: short, and from the beginning each time.
//!
//! ```text
//!   dereference -> validate -> build -> names free -> issuers asked -> ids stored -> certificates -> apply -> orphans -> disks
//!                                                                                                             |
//!                           status <- act <- progress stored <- decide <- look (pods, agents, machines, Kafka)
//! ```
//!
//! Nothing waits in here: what is not there yet is looked for in the next pass. So a pass that is killed, or a spec that turns out
//! bad, keeps nobody from the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use klamm_crd::{KafkaCluster, KafkaClusterStatus};
use kube::runtime::controller::Action as Again;

use super::act::{ActError, Actor};
use super::certificates::{self, Certificates, CertificatesError, Holder, OwnLeaf};
use super::issuers::{self, Issued, NotIssued};
use super::look::{self, Pools, Seen};
use super::racks::Racks;
use super::setup::{self, Verdict};
use super::status::{self, Told};
use super::strangers::{self, Stranger};
use super::{Dereferenced, Manifests, Validated, build, dereference, validate, write};
use crate::agents::Agents;
use crate::apply::words;
use crate::ca;
use crate::context::Context;
use crate::kafka::Target;
use crate::metrics::Outcome;
use crate::model::{Desired, Metadata, NodeId};
use crate::observe::settling::Settling;
use crate::packed::Packed;
use crate::step::{self, Progress, Spec};

/// While something is on its way.
const SOON: Duration = Duration::from_secs(1);
/// While everything is as it should be: what Kubernetes does not tell of, Kafka and agents, is looked at so often.
const LATER: Duration = Duration::from_secs(15);

/// An agent that was killed with its pod's container begins anew and waits three seconds before it starts Kafka by itself; Kafka takes
/// another second before it registers.
const SAID_MAX_MS: u64 = 2_500;

/// Why a pass ended early. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Of Kubernetes.
    #[error("{}", words(.0))]
    Kubernetes(#[from] kube::Error),
    /// Of certificates.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// The progress in the status cannot be read: only a person knows what became of it.
    #[error("status.progress cannot be read ({0}): was it edited?")]
    Progress(String),
    /// An object of the cluster that the API server took and that cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Names that the cluster wants are somebody else's.
    #[error("{}", sentence(.0))]
    NamesTaken(Vec<Stranger>),
    /// Certificates of listeners are not there yet.
    #[error("{}", sentence(.0))]
    NotIssued(Vec<NotIssued>),
    /// It took too long.
    #[error("the pass took longer than a minute")]
    TimedOut,
}

impl ReconcileError {
    /// Somebody else was faster; what there is now is to be looked at.
    pub fn is_conflict(&self) -> bool {
        let (Self::Kubernetes(error) | Self::Certificates(CertificatesError::Kubernetes(error))) =
            self
        else {
            return false;
        };
        matches!(error, kube::Error::Api(status) if status.code == 409)
    }
}

/// What is kept between two passes over one cluster. Losing it costs a second.
#[derive(Debug, Default)]
pub struct Memory {
    own: OwnLeaf,
    agents: Option<Agents>,
    identity: String,
    metadata: Option<Packed<Metadata>>,
    settling: Settling,
    racks: Racks,
    issued: Issued,
    /// Certificates that are counted, by their Secrets, and when they end.
    ends: BTreeMap<String, i64>,
}

impl Memory {
    /// These certificates there are, and no other ones any more.
    fn count(
        &mut self,
        context: &Context,
        namespace: &str,
        cluster: &str,
        ends: BTreeMap<String, i64>,
    ) {
        for gone in self.ends.keys().filter(|name| !ends.contains_key(*name)) {
            context.metrics.certificate(namespace, cluster, gone, None);
        }
        for (name, end) in &ends {
            context.metrics.certificate(namespace, cluster, name, Some(*end));
        }
        self.ends = ends;
    }
}

/// One pass.
///
/// # Errors
/// What is to be tried again.
pub async fn reconcile(
    context: &Context,
    namespace: &str,
    name: &str,
    memory: &mut Memory,
) -> Result<(Again, Outcome), ReconcileError> {
    let there = dereference::dereference(context, namespace, name).await?;
    let there = there.filter(|there| there.cluster.metadata.deletion_timestamp.is_none());
    let Some(there) = there else {
        context.kafka.remove(namespace, name);
        memory.count(context, namespace, name, BTreeMap::new());
        return Ok((Again::await_change(), Outcome::Fine));
    };
    if there.cluster.spec.paused {
        refuse(context, &there, "Paused", "spec.paused is true").await?;
        return Ok((Again::await_change(), Outcome::Fine));
    }
    let validated = match validate(&there) {
        Ok(validated) => validated,
        Err(invalid) => {
            write::pools_refused(context, &there, &invalid).await?;
            refuse(context, &there, "Invalid", &sentence(&invalid)).await?;
            return Ok((Again::requeue(LATER), Outcome::Refused));
        }
    };
    let pass = Pass { context, there: &there, validated: &validated, now_ms: now_ms() };
    let error = match pass.run(memory).await {
        Ok(again) => return Ok((again, Outcome::Fine)),
        Err(error) => error,
    };
    let reason = match &error {
        ReconcileError::NamesTaken(_) => "NameTaken",
        ReconcileError::NotIssued(_) => issuers::REASON,
        ReconcileError::Certificates(CertificatesError::Missing(_)) => ca::MISSING,
        _ => return Err(error),
    };
    refuse(context, &there, reason, &error.to_string()).await?;
    Ok((Again::requeue(LATER), Outcome::Refused))
}

struct Pass<'a> {
    context: &'a Context,
    there: &'a Dereferenced,
    validated: &'a Validated,
    now_ms: u64,
}

impl Pass<'_> {
    async fn run(&self, memory: &mut Memory) -> Result<Again, ReconcileError> {
        let Self { context, there, validated, now_ms } = *self;
        let names = &validated.names;
        let manifests = build(validated);
        none(strangers::find(context, there, validated, &manifests).await?)?;
        let issued = issuers::settle(context, there, &manifests, &mut memory.issued).await?;
        if !issued.missing.is_empty() {
            return Err(ReconcileError::NotIssued(issued.missing));
        }
        write::pools(context, there, validated).await?;
        let live = setup::by_id(there.stateful_sets.iter().cloned());
        let mut pools = look::pools(&live, &there.pods);
        pools.extend(validated.nodes.iter().map(|(id, node)| (*id, node.inputs.pool.clone())));
        let mut asked = look::agents(memory.agents.as_ref(), names, &there.pods, &pools).await;
        let is_first = memory.agents.is_none();
        let certificates = self.certificates(memory, &pools, &asked).await?;
        if is_first {
            asked = look::agents(memory.agents.as_ref(), names, &there.pods, &pools).await;
        }
        let verdicts = self.apply(manifests, &live).await?;
        let grown = write::growth(context, there, validated).await?;
        let rack_label = validated.rack_label.as_deref();
        let racks = memory.racks.of(&context.client, rack_label, &there.pods, now_ms).await?;
        let mut seen = look::nodes(names, &live, &there.pods, &pools, &asked, &racks, now_ms);
        look::kafka(&context.kafka, names, memory.metadata.as_ref(), &mut seen).await;
        if let Some(metadata) = seen.observed.metadata.as_mut().filter(|_| seen.partitions_known) {
            memory.settling.mark(metadata, now_ms);
            memory.metadata = Some(Packed::new(metadata));
        }
        let desired = setup::desired(validated, &verdicts, &live, &certificates.fingerprints);
        let mut warnings = validated.warnings.clone();
        warnings.extend(issued.warnings);
        warnings.extend(certificates.warnings.iter().cloned());
        warnings.extend(grown);
        seen.assume(&desired);
        seen.cut_off(&certificates.cut_off);
        self.decide(memory, desired, seen, &pools, warnings).await
    }

    async fn certificates(
        &self,
        memory: &mut Memory,
        pools: &Pools,
        asked: &BTreeMap<NodeId, klamm_agent::protocol::State>,
    ) -> Result<Certificates, ReconcileError> {
        let Self { context, there, validated, now_ms } = *self;
        let names = &validated.names;
        let pods = look::by_id(&there.pods);
        let holder = |(id, pool): (&NodeId, &String)| {
            let loaded = look::loaded(pods.get(id).copied(), asked.get(id));
            (*id, Holder { pool: pool.clone(), loaded })
        };
        let holders = pools.iter().map(holder).collect();
        let cluster = &there.cluster;
        let now_s = now_ms / 1000;
        let settled =
            certificates::settle(context, cluster, names, &holders, &mut memory.own, now_s).await;
        let certificates = settled.map_err(|error| match error {
            CertificatesError::NamesTaken(strangers) => ReconcileError::NamesTaken(strangers),
            error => error.into(),
        })?;
        memory.count(context, &names.namespace, &names.cluster, certificates.ends.clone());
        if let Some(identity) = &certificates.identity {
            if memory.identity != identity.version {
                memory.agents = Some(Agents::new(identity.tls.clone()));
                memory.identity.clone_from(&identity.version);
            }
            let target = target(validated, pools, identity);
            context.kafka.set(&names.namespace, &names.cluster, target);
        }
        Ok(certificates)
    }

    /// Everything but what is kept as it is, and nothing that is not wanted any more. StatefulSets of nodes that leave stay until
    /// they may go.
    async fn apply(
        &self,
        manifests: Manifests,
        live: &BTreeMap<NodeId, StatefulSet>,
    ) -> Result<BTreeMap<NodeId, Verdict>, ReconcileError> {
        write::manifests(self.context, self.there, &manifests).await?;
        let mut verdicts = BTreeMap::new();
        for (id, built) in manifests.stateful_sets {
            let verdict = setup::keep_or_replace(live.get(&id), built);
            write::stateful_set(self.context, live.get(&id), &verdict).await?;
            verdicts.insert(id, verdict);
        }
        Ok(verdicts)
    }

    async fn decide(
        &self,
        memory: &Memory,
        desired: Desired,
        seen: Seen,
        pools: &Pools,
        warnings: Vec<String>,
    ) -> Result<Again, ReconcileError> {
        let Self { context, there, validated, now_ms } = *self;
        let before = there.cluster.status.clone().unwrap_or_default();
        let spec = Spec {
            desired,
            policy: validated.policy.clone(),
            limits: validated.limits.clone(),
            spread: validated.spread,
        };
        let progress = stored(&before)?;
        let names = &validated.names;
        context.kafka.set_leaving(&names.namespace, &names.cluster, leaving(&seen, &spec));
        let step = step::step(&seen.observed, &spec, &progress, &mut draw, now_ms);
        let plan = step::plan(&seen.observed, &spec, &progress, now_ms);
        let told = |step: &step::Step, failures: Vec<String>| {
            let told = Told {
                generation: there.cluster.metadata.generation,
                observed: &seen.observed,
                desired: &spec.desired,
                pools,
                step,
                plan: &plan,
                listeners: super::listeners(validated),
                version: &there.cluster.spec.version,
                metadata_version: seen.metadata_version.map(super::metadata_version::name),
                warnings: warnings.clone(),
                failures,
            };
            status::status(told, &before, &now(now_ms))
        };
        // What failed last fails until it is seen to go well.
        let earlier = status::failing(&before);
        // What was decided is stored before it is done; a pass that looked at an older status than there is stores nothing.
        let status = told(&step, earlier.clone());
        let stored = write::status(context, &there.cluster, &before, &status).await?;
        let mut done = step.clone();
        let failures = self.act(memory, &seen, &spec, &mut done, &plan).await;
        if failures != earlier || done.progress != step.progress {
            let status = told(&done, failures);
            let before = stored.status.as_ref().unwrap_or(&before);
            write::status(context, &stored, before, &status).await?;
        }
        let settled = is_settled(&seen, &spec, &plan, &step.actions);
        Ok(Again::requeue(if settled { LATER } else { SOON }))
    }

    /// Does what was decided, and tells what failed. What came of changes to running nodes gets into the progress.
    async fn act(
        &self,
        memory: &Memory,
        seen: &Seen,
        spec: &Spec,
        step: &mut step::Step,
        plan: &crate::roller::Plan,
    ) -> Vec<String> {
        let Self { context, validated, now_ms, .. } = *self;
        let names = &validated.names;
        let actor = Actor {
            namespace: &names.namespace,
            name: &names.cluster,
            cluster_id: step.progress.quorum.cluster_id.map(|id| id.to_string()),
            agents: memory.agents.as_ref(),
            kafka: &context.kafka,
            applier: &context.applier,
            nodes: &seen.nodes,
            desired: &spec.desired,
            partitions_known: seen.partitions_known,
            settling: &memory.settling,
            throttled: spec.limits.throttle_bytes_per_s.is_some(),
        };
        // By what agents said a moment ago: one that has waited for long may have started Kafka since.
        let is_fresh = self::now_ms().saturating_sub(now_ms) < SAID_MAX_MS;
        let dead: Vec<NodeId> = seen.dead().filter(|_| is_fresh).collect();
        let mut failed: Vec<ActError> = actor.fence(&dead).await.err().into_iter().collect();
        failed.extend(actor.act(&step.actions, &mut step.progress, now_ms).await);
        failed.extend(actor.reload_listeners().await.err());
        let raised = super::metadata_version::raise(context, validated, seen, plan).await;
        failed.iter().map(ToString::to_string).chain(raised).collect()
    }
}

/// Nothing is on its way.
fn is_settled(
    seen: &Seen,
    spec: &Spec,
    plan: &crate::roller::Plan,
    actions: &[step::Action],
) -> bool {
    let ready = spec.desired.nodes.keys().all(|id| seen.observed.is_in_step(*id));
    let leaving = seen.observed.nodes.keys().any(|id| !spec.desired.nodes.contains_key(id));
    let acts = actions.iter().any(|action| !matches!(action, step::Action::Permit(..)));
    let rolls = !plan.steps.is_empty() || !plan.alterations.is_empty();
    ready && !leaving && !acts && !rolls && seen.observed.joining(&spec.desired).is_empty()
}

/// Brokers that are there and not wanted.
fn leaving(seen: &Seen, spec: &Spec) -> BTreeSet<NodeId> {
    let brokers = seen.observed.nodes.iter().filter(|(_, node)| node.roles.broker);
    let wanted = |id: &NodeId| spec.desired.nodes.get(id).is_some_and(|node| node.roles.broker);
    brokers.map(|(id, _)| *id).filter(|id| !wanted(id)).collect()
}

fn target(validated: &Validated, pools: &Pools, identity: &certificates::Identity) -> Target {
    let names = &validated.names;
    let servers = |is: fn(&crate::model::Roles) -> bool, port: u16| {
        let nodes = validated.nodes.iter().filter(|(_, node)| is(&node.inputs.roles));
        let servers =
            nodes.filter_map(|(id, _)| Some(format!("{}:{port}", names.host(pools.get(id)?, *id))));
        servers.collect::<Vec<_>>().join(",")
    };
    let brokers = servers(|roles| roles.broker, super::names::INTERNAL_PORT);
    let controllers = servers(|roles| roles.controller, super::names::CONTROLLER_PORT);
    let version = format!("{} {brokers} {controllers}", identity.version);
    Target { brokers, controllers, security: identity.security.clone(), version }
}

fn stored(status: &KafkaClusterStatus) -> Result<Progress, ReconcileError> {
    let Some(progress) = &status.progress else { return Ok(Progress::default()) };
    serde_json::from_str(progress).map_err(|error| ReconcileError::Progress(error.to_string()))
}

async fn refuse(
    context: &Context,
    there: &Dereferenced,
    reason: &str,
    message: &str,
) -> Result<(), kube::Error> {
    let cluster: &KafkaCluster = &there.cluster;
    let before = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation;
    let status = status::refused(&before, generation, reason, message, &now(now_ms()));
    write::status(context, cluster, &before, &status).await.map(drop)
}

fn sentence<T: ToString>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    all.join("; ")
}

fn none(strangers: Vec<Stranger>) -> Result<(), ReconcileError> {
    if strangers.is_empty() { Ok(()) } else { Err(ReconcileError::NamesTaken(strangers)) }
}

/// Random bits of the system.
fn draw() -> u128 {
    uuid::Uuid::new_v4().as_u128()
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn now(now_ms: u64) -> Time {
    let second = i64::try_from(now_ms / 1000).unwrap_or_default();
    Time(Timestamp::from_second(second).unwrap_or_default())
}

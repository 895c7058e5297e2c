//! `klamm-operator plan`: every restart that is due, and why, before it happens.

use std::fmt::Write as _;

use klamm_crd::{Conditions as _, KafkaCluster, PlanStatus, RolloutMode};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

/// Show which nodes of a KafkaCluster are going to be restarted, why, in which order, and what each waits for
///
/// It is what the operator wrote into the cluster's status. To see a change's plan before anything happens, set
/// spec.rollout.mode to Manual, make the change, look, and approve.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The KafkaCluster
    name: String,

    /// Its namespace [default: of the kubeconfig's context]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,

    /// Approve the plan that is shown, for a cluster whose spec.rollout.mode is Manual
    #[arg(long)]
    approve: bool,
}

/// Prints the plan, and approves it if that was asked for.
pub fn run(args: &Args) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(plan(args))
}

async fn plan(args: &Args) -> Result<(), String> {
    let config = kube::Config::infer().await.map_err(|error| format!("no Kubernetes: {error}"))?;
    let namespace = args.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = kube::Client::try_from(config).map_err(|error| error.to_string())?;
    let api: Api<KafkaCluster> = Api::namespaced(client, &namespace);
    let cluster = api.get(&args.name).await.map_err(|error| error.to_string())?;
    println!("{}", text(&namespace, &args.name, &cluster));
    if args.approve { approve(&api, args, &cluster).await } else { Ok(()) }
}

fn text(namespace: &str, name: &str, cluster: &KafkaCluster) -> String {
    let status = cluster.status.clone().unwrap_or_default();
    let mut text = format!("KafkaCluster {namespace}/{name}\n");
    for kind in ["Ready", "Progressing", "Degraded"] {
        if let Some(condition) = status.conditions.of(kind) {
            let _ = writeln!(text, "{kind:<12} {:<6} {}", condition.status, condition.message);
        }
    }
    if status.observed_generation != cluster.metadata.generation {
        text += "The operator has not looked at the latest change yet.\n";
    }
    match &status.plan {
        None => text += "\nNothing is going to be restarted.",
        Some(plan) => text += &planned(plan),
    }
    text
}

fn planned(plan: &PlanStatus) -> String {
    let mut text = format!("\nPlan {}\n", plan.fingerprint);
    for (node, keys) in &plan.alterations {
        let _ = writeln!(text, "  while it runs, node {node}: {}", keys.join(", "));
    }
    for restart in &plan.restarts {
        let why = restart.reasons.join(", ");
        let _ = write!(text, "  {}. restart node {}: {why}", restart.step, restart.node);
        if !restart.waits_for.is_empty() {
            let _ = write!(text, "; waits for {}", restart.waits_for.join(", "));
        }
        text.push('\n');
    }
    if let Some(stopped) = &plan.stopped {
        let _ = writeln!(text, "  stopped: {stopped}");
    }
    text.trim_end().to_owned()
}

async fn approve(
    api: &Api<KafkaCluster>,
    args: &Args,
    cluster: &KafkaCluster,
) -> Result<(), String> {
    if cluster.spec.rollout.mode != RolloutMode::Manual {
        return Err("nothing waits for an approval: spec.rollout.mode is not Manual".to_owned());
    }
    let plan = cluster.status.as_ref().and_then(|status| status.plan.as_ref());
    let plan = plan.ok_or("there is no plan to approve")?;
    // Only of the very cluster that was shown.
    let patch = json!({
        "metadata": { "resourceVersion": cluster.metadata.resource_version },
        "spec": { "rollout": { "approved": plan.fingerprint } },
    });
    let parameters =
        PatchParams { field_manager: Some("klamm-operator-plan".into()), ..PatchParams::default() };
    api.patch(&args.name, &parameters, &Patch::Merge(patch)).await.map_err(
        |error| match error {
            kube::Error::Api(status) if status.code == 409 => {
                "the cluster has changed since it was shown: look again".to_owned()
            }
            error => error.to_string(),
        },
    )?;
    println!("approved {}", plan.fingerprint);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_tells_each_restart_why_and_what_it_waits_for() {
        let status = json!({
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "3 nodes are ready",
                "lastTransitionTime": "2026-11-25T00:00:00Z"}],
            "plan": {"fingerprint": "00ff", "alterations": {"1": ["log.retention.ms"]}, "restarts": [
                {"step": 1, "node": 2, "reasons": ["revision"], "waitsFor": ["plan 00ff to be approved"]},
            ]},
        });
        let cluster: KafkaCluster = serde_json::from_value(json!({
            "apiVersion": "klamm.dev/v1alpha1", "kind": "KafkaCluster", "metadata": {"name": "k"},
            "spec": {"version": "4.3.0"}, "status": status,
        }))
        .unwrap();
        assert_eq!(
            text("ns", "k", &cluster),
            "KafkaCluster ns/k\nReady        True   3 nodes are ready\n\nPlan 00ff\n  while it runs, node 1: log.retention.ms\n  \
             1. restart node 2: revision; waits for plan 00ff to be approved"
        );
    }
}

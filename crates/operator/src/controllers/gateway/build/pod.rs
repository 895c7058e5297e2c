//! One pod: the `klamm` process in front of the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, HTTPGetAction, Lifecycle,
    LifecycleHandler, PodSecurityContext, PodSpec, Probe, ResourceRequirements, SeccompProfile,
    SecretVolumeSource, SecurityContext, SleepAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use klamm_crd::Gateway;

use super::deployment::spread;
use super::settings::{CONFIG_DIR, CONFIG_FILE, USER_DIR};
use super::{HTTP_PORT, MQTT_PORT, Surroundings, names};
use crate::controllers::gateway::validate::{Login, Validated};

/// Time between a pod being taken out of its service and its end, for every machine to have heard of it.
const GOODBYE_S: u32 = 3;
/// Time for what was taken to reach the cluster after clients have left; klamm gives it ten seconds.
const FLUSH_S: u32 = 12;
/// "nonroot" by convention; no file in the image belongs to it.
const USER: i64 = 65_532;

pub(super) fn spec(
    gateway: &Gateway,
    validated: &Validated,
    surroundings: &Surroundings<'_>,
) -> PodSpec {
    let added = &gateway.spec.template;
    let account = added.service_account_name.clone().unwrap_or_else(|| names::name(gateway));
    let some = |labels: &BTreeMap<_, _>| Some(labels.clone()).filter(|them| !them.is_empty());
    let constraints = added.topology_spread_constraints.clone();
    let pull_secrets = Some(added.image_pull_secrets.clone()).filter(|them| !them.is_empty());
    PodSpec {
        containers: vec![container(gateway, validated, surroundings)],
        volumes: Some(volumes(gateway, validated)),
        service_account_name: Some(account),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security(surroundings.openshift)),
        termination_grace_period_seconds: Some(grace_s(gateway, validated)),
        node_selector: some(&added.node_selector),
        affinity: added.affinity.clone(),
        tolerations: Some(added.tolerations.clone()).filter(|them| !them.is_empty()),
        topology_spread_constraints: Some(constraints.unwrap_or_else(|| spread(gateway))),
        priority_class_name: added.priority_class_name.clone(),
        image_pull_secrets: pull_secrets,
        ..Default::default()
    }
}

/// What is asked for, or Kubernetes' own 30 seconds, or more if clients are given more to leave.
fn grace_s(gateway: &Gateway, validated: &Validated) -> i64 {
    let needed = GOODBYE_S + validated.config.drain_ms.div_ceil(1000) + FLUSH_S;
    let wanted = gateway.spec.template.termination_grace_period_seconds;
    wanted.unwrap_or_else(|| i64::from(needed.max(30)))
}

fn container(
    gateway: &Gateway,
    validated: &Validated,
    surroundings: &Surroundings<'_>,
) -> Container {
    let image = gateway.spec.image.clone().unwrap_or_else(|| surroundings.image.to_owned());
    let port = |name: &str, number: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        protocol: Some("TCP".into()),
        ..Default::default()
    };
    Container {
        name: "klamm".into(),
        image: Some(image),
        args: Some(vec!["--config".into(), format!("{CONFIG_DIR}/{CONFIG_FILE}")]),
        ports: Some(vec![port("mqtt", MQTT_PORT), port("http", HTTP_PORT)]),
        volume_mounts: Some(mounts(validated)),
        resources: Some(gateway.spec.resources.clone().unwrap_or_else(resources)),
        readiness_probe: Some(probe("/readyz", 5, 2)),
        liveness_probe: Some(probe("/healthz", 10, 6)),
        // The sleep is the kubelet's: there is no program for it in the image.
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: i64::from(GOODBYE_S) }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        // What klamm says before it ends with an error goes into the gateway's condition.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        security_context: Some(security()),
        ..Default::default()
    }
}

/// Enough for what may be under way to the cluster (64 MiB) and ten thousand connections.
fn resources() -> ResourceRequirements {
    let of = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, text)| ((*name).to_owned(), Quantity((*text).into())));
        Some(pairs.collect())
    };
    ResourceRequirements {
        requests: of(&[("cpu", "100m"), ("memory", "128Mi")]),
        limits: of(&[("memory", "512Mi")]),
        ..Default::default()
    }
}

fn probe(path: &str, period_s: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".into()),
            scheme: Some("HTTP".into()),
            ..Default::default()
        }),
        period_seconds: Some(period_s),
        timeout_seconds: Some(3),
        failure_threshold: Some(failures),
        ..Default::default()
    }
}

fn volumes(gateway: &Gateway, validated: &Validated) -> Vec<Volume> {
    let config = Volume {
        name: "config".into(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::name(gateway),
            ..Default::default()
        }),
        ..Default::default()
    };
    let secret = match &validated.login {
        Login::Nobody => return vec![config],
        Login::Scram { secret, .. } | Login::Certificate { secret, .. } => secret,
    };
    let user = Volume {
        name: "user".into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.clone()),
            default_mode: Some(0o440),
            ..Default::default()
        }),
        ..Default::default()
    };
    vec![config, user]
}

fn mounts(validated: &Validated) -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..Default::default()
    };
    let mut mounts = vec![mount("config", CONFIG_DIR)];
    if validated.login != Login::Nobody {
        mounts.push(mount("user", USER_DIR));
    }
    mounts
}

/// As the pod security standard "restricted" wants it. On OpenShift ids are the platform's to give.
fn pod_security(openshift: bool) -> PodSecurityContext {
    let id = (!openshift).then_some(USER);
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: id,
        run_as_group: id,
        fs_group: id,
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), ..Default::default() }),
        ..Default::default()
    }
}

//! The volumes of a pod: disks, certificates, configuration, room to write.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource, ObjectFieldSelector,
    PersistentVolumeClaim, PersistentVolumeClaimSpec, SecretVolumeSource, Volume, VolumeMount,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::super::{Inputs, NodeSpec, Validated, claims, setup};
use crate::model::NodeId;

/// Where the agent's program is.
pub(super) const AGENT: &str = "/opt/klamm";
/// The volume it is in.
pub(super) const AGENT_VOLUME: &str = "agent";

/// The name of a disk in the pod.
fn disk(id: u32) -> String {
    format!("data-{id}")
}

fn mount_path(id: u32) -> String {
    format!("/var/lib/kafka/{}", disk(id))
}

/// The ids of the disks in their order. A node without any has one that lives as long as its pod.
fn disks(inputs: &Inputs) -> Vec<u32> {
    if inputs.volumes.is_empty() { vec![0] } else { inputs.volumes.iter().map(|v| v.id).collect() }
}

/// Kafka's directories: below the volumes' roots, which may have a `lost+found`.
pub(super) fn log_dirs(inputs: &Inputs) -> Vec<String> {
    disks(inputs).into_iter().map(|id| format!("{}/log", mount_path(id))).collect()
}

/// On the first disk.
pub(super) fn metadata_dir(inputs: &Inputs) -> String {
    log_dirs(inputs).swap_remove(0)
}

/// Names which disks are mounted.
pub(super) fn storage(inputs: &Inputs) -> String {
    if inputs.volumes.is_empty() {
        return "ephemeral".to_owned();
    }
    let ids: Vec<String> = inputs.volumes.iter().map(|volume| volume.id.to_string()).collect();
    ids.join(",")
}

/// For Kubernetes to make claims of.
pub(super) fn claim_templates(
    node: &NodeSpec,
    labels: &BTreeMap<String, String>,
) -> Vec<PersistentVolumeClaim> {
    let claim = |volume: &super::super::validated::Disk| {
        let size = node.sizes.get(&volume.id).cloned().unwrap_or_default();
        let annotations = [(claims::SIZE.to_owned(), size.0.clone())];
        PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some(disk(volume.id)),
                labels: Some(labels.clone()),
                annotations: Some(annotations.into()),
                ..ObjectMeta::default()
            },
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
                storage_class_name: volume.storage_class.clone(),
                resources: Some(VolumeResourceRequirements {
                    requests: Some([("storage".to_owned(), size)].into()),
                    ..VolumeResourceRequirements::default()
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            status: None,
        }
    };
    node.inputs.volumes.iter().map(claim).collect()
}

/// All volumes of a pod but the claimed ones.
pub(super) fn volumes(validated: &Validated, id: NodeId, inputs: &Inputs) -> Vec<Volume> {
    let empty = |name: &str| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    let mut volumes = vec![empty(AGENT_VOLUME), empty("run"), empty("tmp"), pod_files()];
    volumes.push(secret("tls", validated.names.tls_secret(&inputs.pool, id)));
    volumes.extend(own_certificates(validated, inputs).map(|(name, from)| secret(&name, from)));
    if inputs.volumes.is_empty() {
        volumes.push(empty(&disk(0)));
    }
    volumes
}

/// Listeners with a certificate of their own: volume and Secret.
fn own_certificates<'a>(
    validated: &'a Validated,
    inputs: &'a Inputs,
) -> impl Iterator<Item = (String, String)> + 'a {
    inputs.listeners.iter().filter_map(|listener| {
        Some((own_volume(&listener.name), validated.names.own_certificate(listener)?))
    })
}

/// Where the Secret of a listener with a certificate of its own is mounted.
pub(super) fn own_certificate(listener: &str) -> String {
    format!("/etc/klamm/listeners/{listener}")
}

fn own_volume(listener: &str) -> String {
    format!("listener-{listener}")
}

/// The group of the pod may read it and nobody else.
fn secret(name: &str, secret: String) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The pod's own annotations as files: what it runs is what they say.
fn pod_files() -> Volume {
    let files = [
        ("server.properties", setup::PROPERTIES),
        ("log4j2.yaml", setup::LOG4J2),
        ("agent.json", setup::AGENT),
    ];
    let item = |(path, annotation): (&str, &str)| DownwardAPIVolumeFile {
        path: path.to_owned(),
        field_ref: Some(ObjectFieldSelector {
            api_version: None,
            field_path: format!("metadata.annotations['{annotation}']"),
        }),
        ..DownwardAPIVolumeFile::default()
    };
    Volume {
        name: "pod".to_owned(),
        downward_api: Some(DownwardAPIVolumeSource {
            items: Some(files.map(item).into()),
            ..DownwardAPIVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Where Kafka's container has them.
pub(super) fn mounts(inputs: &Inputs) -> Vec<VolumeMount> {
    let mut mounts = vec![
        VolumeMount { read_only: Some(true), ..mount(AGENT_VOLUME, AGENT) },
        mount("run", "/run/kafka"),
        mount("tmp", "/tmp"),
        VolumeMount { read_only: Some(true), ..mount("pod", "/etc/klamm/pod") },
        VolumeMount { read_only: Some(true), ..mount("tls", "/etc/klamm/tls") },
    ];
    for listener in inputs.listeners.iter().filter(|listener| listener.has_own_certificate()) {
        let (name, path) = (own_volume(&listener.name), own_certificate(&listener.name));
        mounts.push(VolumeMount { read_only: Some(true), ..mount(&name, &path) });
    }
    mounts.extend(disks(inputs).into_iter().map(|id| mount(&disk(id), &mount_path(id))));
    mounts
}

pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

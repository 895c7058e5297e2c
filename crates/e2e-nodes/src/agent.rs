//! The agent of each pod: formats and starts at once.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use klamm_agent::protocol::{
    self, Certificate, Config, Disk, Format, Formatted, Loaded, PROTOCOL, Permit, Phase, Refusal,
    Role, State, Volume,
};
use klamm_kafka_proto::Uuid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kafka::Kafka;
use crate::world::{Name, Shared, Started, World, now_ms};

/// What the operator sends is smaller.
const BODY_BYTES_MAX: usize = 64 << 10;
/// What each disk is said to have.
const DISK_BYTES: u64 = 100 << 30;

type Answer = Response<Full<Bytes>>;

/// Answers the operator.
pub async fn respond(world: &Shared, at: Ipv4Addr, request: Request<Incoming>) -> Answer {
    let done = match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/state") => {
            let state = state(&world.lock(), at);
            return match state {
                Some(state) => json(StatusCode::OK, &state),
                None => refuse(StatusCode::NOT_FOUND, "the pod is gone".to_owned()),
            };
        }
        (&Method::PUT, "/v1/permit") => put(world, at, request, permit).await,
        (&Method::PUT, "/v1/certificate") => put(world, at, request, loaded).await,
        (method, path) => Err((StatusCode::NOT_FOUND, format!("there is no {method} {path}"))),
    };
    match done {
        Ok(()) => {
            let mut response = Answer::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Err((status, message)) => refuse(status, message),
    }
}

async fn put<T: DeserializeOwned>(
    world: &Shared,
    at: Ipv4Addr,
    request: Request<Incoming>,
    handle: fn(&mut World, Ipv4Addr, T) -> Result<Option<Name>, String>,
) -> Result<(), (StatusCode, String)> {
    let bad = |error: String| (StatusCode::BAD_REQUEST, error);
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| bad(error.to_string()))?.to_bytes();
    let value = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    let ready = handle(&mut world.lock(), at, value);
    match ready {
        Ok(Some(pod)) => world.tell_ready(pod).await,
        Ok(None) => {}
        Err(why) => return Err((StatusCode::CONFLICT, why)),
    }
    Ok(())
}

fn state(world: &World, at: Ipv4Addr) -> Option<State> {
    let node = world.nodes.get(&at)?;
    let disk = world.disks.get(&node.claim).map_or(Disk::Empty, |d| Disk::Formatted(d.clone()));
    let volume = |path: &std::path::PathBuf| Volume {
        path: path.clone(),
        disk: disk.clone(),
        total_bytes: DISK_BYTES,
        free_bytes: DISK_BYTES,
    };
    let started = node.started.as_ref();
    Some(State {
        protocol: PROTOCOL,
        node_id: node.config.node_id,
        phase: node.phase.clone(),
        phase_since_ms: node.since_ms,
        certificate: Certificate {
            started: started.map(|started| started.certificate.clone()),
            mounted: world.certificates.get(&node.secret).map(|c| c.fingerprint.clone()),
        },
        listeners: Certificate::default(),
        volumes: node.config.log_dirs.iter().map(volume).collect(),
        rack: started.and_then(|started| started.rack.clone()),
        kafka: started.map(|started| protocol::Kafka { pid: 2, started_ms: started.at_ms }),
        said: None,
        disk,
    })
}

/// The pod, if it became ready.
fn permit(world: &mut World, at: Ipv4Addr, permit: Permit) -> Result<Option<Name>, String> {
    let node = world.nodes.get_mut(&at).ok_or("the pod is gone")?;
    if node.started.is_some() {
        return Ok(None);
    }
    let disk = world.disks.get(&node.claim);
    match permit {
        Permit::Wait(wait) => node.wait(wait.reason),
        Permit::Format(format) => {
            if disk.is_some() {
                return Err("the disk is formatted".to_owned());
            }
            let directory = directory(&node.config, &format)?;
            let (cluster_id, node_id) = (format.cluster_id.clone(), node.config.node_id);
            let formatted = Formatted { cluster_id, node_id, directory_id: directory };
            world.disks.insert(node.claim.clone(), formatted);
            node.wait("the disk is formatted".to_owned());
            let name = node.cluster.clone();
            let known = world.kafkas.get(&name).is_some_and(|kafka| kafka.id == format.cluster_id);
            if !known {
                let voters = voters(format.initial.as_deref().unwrap_or_default())?;
                world.kafkas.insert(name, Kafka::new(format.cluster_id, voters));
            }
        }
        Permit::Start(start) => {
            if disk.is_none() {
                return Err("the disk is not formatted".to_owned());
            }
            let certificate = world.certificates.get(&node.secret).ok_or("no certificate")?;
            let certificate = certificate.fingerprint.clone();
            (node.phase, node.since_ms) = (Phase::Ready, now_ms());
            let rack = start.rack;
            node.started = Some(Started { at_ms: node.since_ms, rack: rack.clone(), certificate });
            let kafka = world.kafkas.get_mut(&node.cluster).ok_or("no such cluster")?;
            if node.config.is(Role::Broker) {
                kafka.register(node.config.node_id, &node.host, rack);
            }
            return Ok(Some(node.pod.clone()));
        }
    }
    Ok(None)
}

fn loaded(world: &mut World, at: Ipv4Addr, loaded: Loaded) -> Result<Option<Name>, String> {
    let node = world.nodes.get_mut(&at).ok_or("the pod is gone")?;
    let started = node.started.as_mut().ok_or("Kafka does not run")?;
    started.certificate = loaded.loaded;
    Ok(None)
}

impl crate::world::Node {
    fn wait(&mut self, reason: String) {
        let phase = Phase::Waiting { reason };
        if self.phase != phase {
            (self.phase, self.since_ms) = (phase, now_ms());
        }
    }
}

/// The directory's id: the one that it has among the first voters, or a new one.
fn directory(config: &Config, format: &Format) -> Result<String, String> {
    let voters = voters(format.initial.as_deref().unwrap_or_default())?;
    let given = voters.get(&config.node_id).copied();
    let id = given.unwrap_or_else(|| Uuid(uuid::Uuid::new_v4().into_bytes()));
    Ok(URL_SAFE_NO_PAD.encode(id.0))
}

/// As `--initial-controllers` is written: `0@host:9090:directory,...`.
fn voters(initial: &str) -> Result<std::collections::BTreeMap<i32, Uuid>, String> {
    let one = |voter: &str| {
        let (node, rest) = voter.split_once('@')?;
        let (_, directory) = rest.rsplit_once(':')?;
        Some((node.parse().ok()?, id(directory)?))
    };
    let voters = initial.split(',').filter(|voter| !voter.is_empty());
    voters.map(|voter| one(voter).ok_or_else(|| format!("no voter: {voter}"))).collect()
}

/// An id of 22 characters.
pub fn id(text: &str) -> Option<Uuid> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Uuid)
}

fn refuse(status: StatusCode, message: String) -> Answer {
    json(status, &Refusal { message })
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_are_read_as_they_are_given_to_kafkas_tool() {
        let read = voters(
            "0@c-p-0-0.c-nodes.ns.svc:9090:JEXY6aqzQY-32P5TStzaFg,2@h:9090:q1Sh-9_ISia_zwGINzRvyQ",
        );
        let read = read.unwrap();
        assert_eq!(read.keys().copied().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(URL_SAFE_NO_PAD.encode(read[&0].0), "JEXY6aqzQY-32P5TStzaFg");
        assert_eq!(voters("").unwrap().len(), 0);
        assert!(voters("0@h:9090:short").is_err());
    }
}

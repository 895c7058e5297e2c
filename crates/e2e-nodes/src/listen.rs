//! Sockets for every pod: the whole net of pods is this machine's, and the address that was called says which pod is meant.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use klamm_agent::protocol::{PORT, Role};
use klamm_kafka_proto::{
    ApiKey, ErrorCode, Request, RequestHeader, Response, response_frame, take_frame,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::agent;
use crate::kafka::{self, Here};
use crate::world::{Shared, World};

/// Addresses of pods (`e2e/kube`).
const PODS: &str = "10.244.0.0/16";
/// Of the listener `CONTROLLER`.
const CONTROLLER: u16 = 9090;
/// Of the listener `INTERNAL`.
const INTERNAL: u16 = 9091;
/// Longer than any request of the operator: ten thousand topics of a hundred bytes.
const REQUEST_BYTES_MAX: usize = 8 << 20;
/// When there are no more sockets.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes the net of pods this machine's, and listens.
///
/// # Errors
/// When it may not, or somebody else listens.
pub async fn listen(world: &Shared, parts: &mut JoinSet<()>) -> Result<(), String> {
    let route = ["route", "replace", "local", PODS, "dev", "lo"];
    let routed = Command::new("ip").args(route).status();
    match routed {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("ip {}: {status}", route.join(" "))),
        Err(error) => return Err(format!("ip: {error}")),
    }
    for port in [PORT, CONTROLLER, INTERNAL] {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
        let listener = listener.map_err(|error| format!("port {port}: {error}"))?;
        parts.spawn(accept(listener, port, world.clone()));
    }
    Ok(())
}

async fn accept(listener: TcpListener, port: u16, world: Shared) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, port, world.clone()));
            }
            Err(error) => {
                eprintln!("port {port}: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whoever calls a pod that does not listen is hung up on.
async fn serve(stream: TcpStream, port: u16, world: Shared) {
    let Some(at) = stream.local_addr().ok().and_then(|address| match address.ip() {
        IpAddr::V4(at) => Some(at),
        IpAddr::V6(_) => None,
    }) else {
        return;
    };
    let Some(tls) = tls(&world.lock(), at, port) else { return };
    let _ = stream.set_nodelay(true);
    let Ok(stream) = Box::pin(TlsAcceptor::from(tls).accept(stream)).await else { return };
    if port == PORT {
        let service = service_fn(|request| {
            let world = world.clone();
            async move { Ok::<_, Infallible>(agent::respond(&world, at, request).await) }
        });
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // It ends with the caller.
        let _ = serving.await;
    } else if let Err(error) = converse(stream, at, port, &world).await {
        eprintln!("{at}:{port}: {error}");
    }
}

fn tls(world: &World, at: Ipv4Addr, port: u16) -> Option<Arc<ServerConfig>> {
    let node = world.nodes.get(&at)?;
    let listens = match port {
        CONTROLLER => node.started.is_some() && node.config.is(Role::Controller),
        INTERNAL => node.started.is_some() && node.config.is(Role::Broker),
        _ => true,
    };
    let certificate = world.certificates.get(&node.secret).filter(|_| listens)?;
    Some(certificate.server.clone())
}

/// Answers requests of Kafka's protocol, one after the other, until the caller leaves or the node is no more.
async fn converse(
    mut stream: TlsStream<TcpStream>,
    at: Ipv4Addr,
    port: u16,
    world: &Shared,
) -> Result<(), String> {
    let mut received = BytesMut::new();
    loop {
        let frame = take_frame(&mut received, REQUEST_BYTES_MAX).map_err(|e| e.to_string())?;
        let Some(frame) = frame else {
            match stream.read_buf(&mut received).await {
                Ok(0) | Err(_) => return Ok(()),
                Ok(_) => continue,
            }
        };
        let Some(answer) = answer(frame, at, port, world)? else { return Ok(()) };
        if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
            return Ok(());
        }
    }
}

fn answer(
    mut frame: Bytes,
    at: Ipv4Addr,
    port: u16,
    world: &Shared,
) -> Result<Option<Bytes>, String> {
    let header = RequestHeader::read(&mut frame).map_err(|error| error.to_string())?;
    let unknown = || format!("API {} version {}", header.api_key, header.api_version);
    let key = ApiKey::from_number(header.api_key).ok_or_else(unknown)?;
    let mut world = world.lock();
    let (version, response): (i16, Response) = if key.versions().contains(&header.api_version) {
        let request = Request::read(key, header.api_version, &mut frame);
        let request = request.map_err(|error| format!("{}: {error}", unknown()))?;
        let Some(here) = Here::of(&world, at, port == CONTROLLER) else { return Ok(None) };
        let cluster = here.cluster.clone();
        let Some(kafka) = world.kafkas.get_mut(&cluster) else { return Ok(None) };
        (header.api_version, kafka::answer(kafka, &here, request).ok_or_else(unknown)?)
    } else if key == ApiKey::ApiVersions {
        (0, kafka::api_versions(None, ErrorCode::UnsupportedVersion).into())
    } else {
        return Err(unknown());
    };
    response_frame(version, header.correlation_id, &response)
        .map(Some)
        .map_err(|error| format!("{}: {error}", unknown()))
}

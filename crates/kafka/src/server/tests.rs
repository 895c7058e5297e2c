use std::time::Duration;

use klamm_kafka_proto::messages::api_versions::ApiVersions;
use klamm_kafka_proto::messages::heartbeat::{Heartbeat, HeartbeatRequest, HeartbeatResponse};
use klamm_kafka_proto::messages::metadata::{Metadata, MetadataRequest, MetadataResponse};
use klamm_net::{ListenOptions, Listener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::client::Client;

/// Answers Metadata at once, and Heartbeat when it is let go.
struct Waiting {
    served: Vec<Served>,
    go: std::sync::Arc<Notify>,
    taken: std::sync::Arc<Notify>,
}

impl Service for Waiting {
    fn served(&self) -> &[Served] {
        &self.served
    }

    async fn call(&self, _: &Context, header: &RequestHeader, request: Request) -> Answer {
        let id = header.correlation_id;
        match request {
            Request::Heartbeat(_) => {
                let go = self.go.clone();
                self.taken.notify_one();
                Answer::Later(Box::pin(async move {
                    go.notified().await;
                    HeartbeatResponse { throttle_time_ms: id, ..Default::default() }.into()
                }))
            }
            Request::Metadata(_) => {
                Answer::ready(MetadataResponse { throttle_time_ms: id, ..Default::default() })
            }
            _ => Answer::Close,
        }
    }
}

fn start(limits: Limits) -> (SocketAddr, std::sync::Arc<Notify>, CancellationToken) {
    let (address, go, _, shutdown) = start_watched(limits);
    (address, go, shutdown)
}

type Watched = (SocketAddr, std::sync::Arc<Notify>, std::sync::Arc<Notify>, CancellationToken);

fn start_watched(limits: Limits) -> Watched {
    let taken = std::sync::Arc::new(Notify::new());
    let go = std::sync::Arc::new(Notify::new());
    let serve_api = |key, versions, advertised_min| Served { key, versions, advertised_min };
    let service: &'static Waiting = Box::leak(Box::new(Waiting {
        served: vec![serve_api(ApiKey::Metadata, 1..=9, 0), serve_api(ApiKey::Heartbeat, 0..=4, 0)],
        go: go.clone(),
        taken: taken.clone(),
    }));
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind("kafka", any, ListenOptions::default()).unwrap();
    let address = listener.local_address();
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        listener
            .serve(stop, move |connection| async move { serve(service, &limits, connection).await })
            .await
    });
    (address, go, taken, shutdown)
}

#[tokio::test]
async fn responses_keep_the_order_of_their_requests() {
    let (address, go, _shutdown) = start(Limits::default());
    let mut client = Client::connect(address, "me").await.unwrap();
    client.send::<Heartbeat>(4, &HeartbeatRequest::default()).await.unwrap();
    client.send::<Metadata>(9, &MetadataRequest::default()).await.unwrap();
    client.send::<Heartbeat>(4, &HeartbeatRequest::default()).await.unwrap();
    go.notify_one();
    let first = client.receive::<Heartbeat>(4).await.unwrap();
    let second = client.receive::<Metadata>(9).await.unwrap();
    go.notify_one();
    let third = client.receive::<Heartbeat>(4).await.unwrap();
    let ids = [first.throttle_time_ms, second.throttle_time_ms, third.throttle_time_ms];
    assert_eq!(ids, [2, 3, 4]);
}

#[tokio::test]
async fn unknown_version_of_api_versions_gets_the_table_in_version_0() {
    let (address, _go, _shutdown) = start(Limits::default());
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Version 99 with a body that only its author understands.
    stream.write_all(b"\0\0\0\x0c\0\x12\0\x63\0\0\0\x05\xff\xff\0\xbb").await.unwrap();
    let mut answer = vec![0; 4 + 4 + 2 + 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer[4..], b"\0\0\0\x05\0\x23\0\0\0\x03");
    let mut client = Client::connect(address, "me").await.unwrap();
    let table = client.call::<ApiVersions>(&Default::default()).await.unwrap();
    let row = table.api_keys.iter().find(|a| a.api_key == ApiKey::Metadata as i16).unwrap();
    assert_eq!((row.min_version, row.max_version), (0, 9));
}

async fn closes(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    // Closed either way; a reset is what bytes left unread bring.
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn what_is_no_request_closes_the_connection() {
    let (address, _go, _shutdown) = start(Limits::default());
    closes(address, b"\x7f\xff\xff\xff").await;
    closes(address, b"\xff\xff\xff\xff").await;
    closes(address, b"GET / HTTP/1.1\r\n\r\n").await;
    closes(address, b"\0\0\0\x02\0\x03").await;
    closes(address, b"\0\0\0\x0a\x7f\0\0\0\0\0\0\0\0\0").await;
    closes(address, b"\0\0\0\x0a\0\x03\0\0\0\0\0\0\xff\xff").await; // Metadata 0 is advertised, not served
    closes(address, b"\0\0\0\x0e\0\x03\0\x01\0\0\0\0\xff\xff\x7f\xff\xff\xff").await;
}

#[tokio::test]
async fn bytes_after_a_request_are_let_pass_as_librdkafka_needs_it() {
    let (address, _go, _shutdown) = start(Limits::default());
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Metadata 9 for all topics as librdkafka 2.12 writes it: four bytes of null where one says it.
    let request = b"\0\0\0\x13\0\x03\0\x09\0\0\0\x07\0\x00\0\0\0\0\0\x01\0\0\0";
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[4..], [0, 0, 0, 7]);
}

#[tokio::test]
async fn silence_closes_the_connection() {
    let quick = Duration::from_millis(20);
    let (address, go, _shutdown) =
        start(Limits { idle: quick, stalled: quick, ..Limits::default() });
    closes(address, b"").await;
    closes(address, b"\0\0\0\x7f\0\x03").await;
    // Waiting for an answer is no silence.
    let mut client = Client::connect(address, "me").await.unwrap();
    client.send::<Heartbeat>(4, &HeartbeatRequest::default()).await.unwrap();
    tokio::time::sleep(quick * 3).await;
    go.notify_one();
    assert!(client.receive::<Heartbeat>(4).await.is_ok());
}

#[tokio::test]
async fn drain_finishes_what_is_in_flight() {
    let (address, go, taken, shutdown) = start_watched(Limits::default());
    let mut client = Client::connect(address, "me").await.unwrap();
    client.send::<Metadata>(9, &MetadataRequest::default()).await.unwrap();
    client.send::<Heartbeat>(4, &HeartbeatRequest::default()).await.unwrap();
    client.receive::<Metadata>(9).await.unwrap();
    taken.notified().await;
    client.send::<Metadata>(9, &MetadataRequest::default()).await.unwrap();
    shutdown.cancel();
    go.notify_one();
    assert!(client.receive::<Heartbeat>(4).await.is_ok());
    // The second may have been taken before the drain or not; nothing is taken after it.
    let _ = client.receive::<Metadata>(9).await;
    assert!(client.call::<Metadata>(&MetadataRequest::default()).await.is_err());
}

//! The client's side of the agents' protocol: one short HTTPS connection for each question.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use klamm_agent::protocol::{Loaded, PORT, Permit, Refusal, State};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// An agent answers from memory; what takes longer than this is not there.
const CALL_TIME_MAX: Duration = Duration::from_secs(2);
/// A state is about a kilobyte; sixteen disks with long words are ten.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why an agent gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Nobody there, or not yet.
    #[error("the agent at {address} does not answer: {why}")]
    Unreachable {
        /// Of the pod.
        address: SocketAddr,
        /// In the system's words.
        why: String,
    },
    /// It refused, and said why.
    #[error("the agent at {address} refused: {message}")]
    Refused {
        /// Of the pod.
        address: SocketAddr,
        /// In its words.
        message: String,
    },
}

/// Where an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The pod's.
    pub ip: IpAddr,
    /// The name in its certificate.
    pub name: String,
}

/// Talks to the agents of one cluster.
#[derive(Clone)]
pub struct Agents {
    tls: TlsConnector,
    port: u16,
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agents").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Agents {
    /// With the operator's certificate and the cluster's authorities.
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Self { tls: TlsConnector::from(tls), port: PORT }
    }

    /// How the node is.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn state(&self, address: &Address) -> Result<State, AgentError> {
        let body = self.call(address, Method::GET, "/v1/state", Bytes::new()).await?;
        serde_json::from_slice(&body).map_err(|error| self.unreachable(address, &error))
    }

    /// Tells it what it may do.
    ///
    /// # Errors
    /// When there is no answer, or it refuses.
    pub async fn permit(&self, address: &Address, permit: &Permit) -> Result<(), AgentError> {
        self.put(address, "/v1/permit", permit).await
    }

    /// Tells it that Kafka has read its certificates again.
    ///
    /// # Errors
    /// When there is no answer, or it refuses.
    pub async fn loaded(&self, address: &Address, loaded: &Loaded) -> Result<(), AgentError> {
        self.put(address, "/v1/certificate", loaded).await
    }

    async fn put(
        &self,
        address: &Address,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(), AgentError> {
        let body = serde_json::to_vec(body).expect("plain data with text as keys");
        self.call(address, Method::PUT, path, body.into()).await.map(drop)
    }

    async fn call(
        &self,
        address: &Address,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, AgentError> {
        let call = Box::pin(self.exchange(address, method, path, body));
        let answer = tokio::time::timeout(CALL_TIME_MAX, call).await;
        let (status, body) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.unreachable(address, &error)),
            Err(_) => return Err(self.unreachable(address, &"no answer in 2 s")),
        };
        if status.is_success() {
            return Ok(body);
        }
        let refusal: Result<Refusal, _> = serde_json::from_slice(&body);
        let message = refusal.map_or_else(|_| status.to_string(), |refusal| refusal.message);
        Err(AgentError::Refused { address: self.socket(address), message })
    }

    async fn exchange(
        &self,
        address: &Address,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.socket(address)).await?;
        let name = ServerName::try_from(address.name.clone())?;
        let stream = self.tls.connect(name, stream).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &address.name)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await?;
            Ok((status, body.to_bytes()))
        };
        // The connection does the reading and writing; it ends with the exchange.
        tokio::select! {
            answer = exchange => answer,
            ended = connection => Err(ended.err().map_or("it closed the connection".into(), Into::into)),
        }
    }

    fn socket(&self, address: &Address) -> SocketAddr {
        SocketAddr::new(address.ip, self.port)
    }

    fn unreachable(&self, address: &Address, why: &dyn std::fmt::Display) -> AgentError {
        AgentError::Unreachable { address: self.socket(address), why: why.to_string() }
    }
}

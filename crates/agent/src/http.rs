//! The operator's calls.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use klamm_agent::protocol::{Loaded, Permit, Refusal};
use klamm_net::{Connection, ConnectionLimit, ListenOptions, Listener};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use crate::subject::subject;

/// One operator, its successor, and a few that try: each costs a TLS session of some 40 KB.
const CONNECTIONS_MAX: usize = 16;
/// For the TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// For a request's head, also on a connection that is kept; longer than the operator's usual interval.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// A request's head in bytes; the smallest that hyper takes.
const HEAD_BYTES: usize = 8 << 10;
/// A permit names at most some ten controllers, each with a host name of at most 253 bytes.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What a listener for these calls is bound with.
pub fn options() -> ListenOptions {
    ListenOptions { connections: ConnectionLimit::new(CONNECTIONS_MAX), ..Default::default() }
}

/// Answers until the program ends.
pub async fn serve(listener: Listener, shared: Arc<Shared>) {
    let never = CancellationToken::new();
    listener.serve(never, |connection| answer(shared.clone(), connection)).await;
}

async fn answer(shared: Arc<Shared>, connection: Connection) {
    let Some(tls) = shared.tls() else { return };
    let accepting = TlsAcceptor::from(tls.server).accept(connection.stream);
    // Whoever cannot show a certificate of ours learns so from TLS, and is nobody to tell of.
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIME, Box::pin(accepting)).await else {
        return;
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let caller = certificate.and_then(|der| subject(der)).unwrap_or_default();
    let service = service_fn(|request| {
        let (shared, caller) = (shared.clone(), caller.clone());
        async move { Ok::<_, Infallible>(respond(&shared, &caller, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // It ends with the caller or for want of a request.
    let _ = serving.await;
}

type Answer = Response<Full<Bytes>>;

async fn respond(shared: &Arc<Shared>, caller: &str, request: Request<Incoming>) -> Answer {
    if caller != shared.config.operator {
        let expected = &shared.config.operator;
        return refuse(StatusCode::FORBIDDEN, format!("only {expected} may call, not '{caller}'"));
    }
    let done = match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/state") => return state(shared).await,
        (&Method::PUT, "/v1/permit") => permit(shared, request).await,
        (&Method::PUT, "/v1/certificate") => loaded(shared, request).await,
        (_, "/v1/state" | "/v1/permit" | "/v1/certificate") => {
            let message = "the state is read, the others are put".into();
            return refuse(StatusCode::METHOD_NOT_ALLOWED, message);
        }
        (_, path) => return refuse(StatusCode::NOT_FOUND, format!("there is no {path}")),
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

async fn state(shared: &Arc<Shared>) -> Answer {
    let asked = shared.clone();
    match tokio::task::spawn_blocking(move || asked.state()).await {
        Ok(state) => json(StatusCode::OK, &state),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

type Done = Result<(), (StatusCode, String)>;

async fn permit(shared: &Shared, request: Request<Incoming>) -> Done {
    let permit: Permit = body(request).await?;
    let done = shared.life(|life, now_ms| life.handle_permit(permit, now_ms));
    shared.wake.notify_one();
    done.map_err(|why| (StatusCode::CONFLICT, why))
}

async fn loaded(shared: &Shared, request: Request<Incoming>) -> Done {
    let Loaded { loaded, listeners } = body(request).await?;
    let done = shared.life(|life, _| life.handle_loaded(loaded));
    done.map_err(|why| (StatusCode::CONFLICT, why))?;
    if listeners.is_some() {
        shared.note_listeners_loaded(listeners);
    }
    Ok(())
}

async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, (StatusCode, String)> {
    let read = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let bytes = read.map_err(|error| (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
    serde_json::from_slice(&bytes.to_bytes())
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn refuse(status: StatusCode, message: String) -> Answer {
    json(status, &Refusal { message })
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

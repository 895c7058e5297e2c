//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use klamm_log::Status;
use klamm_net::{Connection, Listener};
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time for a request's head to be there, also on a connection that is kept; longer than a scraper's usual interval.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// A request's head in bytes: there is nothing here that needs more.
const HEAD_BYTES: usize = 16 << 10;

/// What the pages are made from.
#[derive(Debug)]
pub struct Pages {
    pub registry: Registry,
    pub log: watch::Receiver<Status>,
    pub draining: CancellationToken,
}

/// Serves the pages until told to drain.
pub async fn serve(listener: Listener, pages: Arc<Pages>, shutdown: CancellationToken) {
    let app = Router::new()
        .route("/", get(index))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(pages);
    listener.serve(shutdown, |connection| answer(app.clone(), connection)).await;
}

async fn answer(app: Router, connection: Connection) {
    let peer = connection.peer;
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(connection.stream), TowerToHyperService::new(app))
    );
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = connection.draining.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "HTTP connection closed");
    }
}

async fn index() -> &'static str {
    "klamm\n\n/healthz  the process is well\n/readyz   messages are taken\n/metrics  Prometheus\n"
}

/// Alive unless only a restart helps.
async fn healthz(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    match &*pages.log.borrow() {
        Status::Failed(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("failed: {why}\n")),
        Status::Ready | Status::Unavailable(_) => (StatusCode::OK, "ok\n".to_owned()),
    }
}

/// Ready when messages are taken now.
async fn readyz(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    if pages.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    match &*pages.log.borrow() {
        Status::Ready => (StatusCode::OK, "ready\n".to_owned()),
        Status::Unavailable(why) | Status::Failed(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("the log takes nothing now: {why}\n"))
        }
    }
}

async fn metrics(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &pages.registry) {
        Ok(()) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
            text,
        ),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            format!("cannot write the metrics: {error}\n"),
        ),
    }
}

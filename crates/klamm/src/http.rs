//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use klamm_log::Status;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the pages are made from.
#[derive(Debug)]
pub struct Pages {
    pub registry: Registry,
    pub log: watch::Receiver<Status>,
    pub draining: CancellationToken,
}

/// Serves the pages until the process drains.
pub async fn serve(listener: TcpListener, pages: Arc<Pages>) -> std::io::Result<()> {
    let draining = pages.draining.clone();
    let app = Router::new()
        .route("/", get(index))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(pages);
    axum::serve(listener, app).with_graceful_shutdown(draining.cancelled_owned()).await
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

//! `/healthz`, `/readyz` and `/metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::metrics::Metrics;

/// Time for a request's head to be there, also on a connection that is kept; longer than a scraper's usual interval.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// A request's head in bytes: there is nothing here that needs more, and hyper takes no less.
const HEAD_BYTES: usize = 8 << 10;
/// Kubelet, scrapers and a person; a head each is half a megabyte together.
const CONNECTIONS_MAX: usize = 64;
/// When the system has no more descriptors to give, trying again at once is no use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Whether the process does what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does not, and why.
    Not(&'static str),
}

/// What the pages are made from.
#[derive(Debug, Clone)]
pub struct Pages {
    /// The numbers.
    pub metrics: Metrics,
    /// For `/readyz`.
    pub ready: watch::Receiver<Readiness>,
}

/// Listens, which is the first thing to fail if the address is taken.
///
/// # Errors
/// A sentence with the address in it.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("http-listen: {address}: {error}"))
}

/// Serves the pages for as long as it is polled.
pub async fn serve(listener: TcpListener, pages: Pages) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // No new connection before there is a place: the system's queue holds the others.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let pages = pages.clone();
                tokio::spawn(async move {
                    answer(stream, pages).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "HTTP connection not taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, pages: Pages) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = page(&pages, request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP connection closed");
    }
}

fn page(pages: &Pages, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET\n");
    }
    match path {
        "/" => text(
            StatusCode::OK,
            "klamm-operator\n\n/healthz  the process is well\n/readyz   it leads, or waits to\n\
             /metrics  Prometheus\n",
        ),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match *pages.ready.borrow() {
            Readiness::Ready => text(StatusCode::OK, "ready\n"),
            Readiness::Not(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => match pages.metrics.text() {
            Ok(numbers) => {
                let mut response = text(StatusCode::OK, numbers);
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                response
            }
            Err(error) => {
                let why = format!("cannot write the metrics: {error}\n");
                text(StatusCode::INTERNAL_SERVER_ERROR, why)
            }
        },
        _ => text(StatusCode::NOT_FOUND, "no such page\n"),
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pages: &Pages, path: &str) -> u16 {
        page(pages, &Method::GET, path).status().as_u16()
    }

    #[test]
    fn ready_is_what_it_is_said_to_be() {
        let (say, ready) = watch::channel(Readiness::Not("starting"));
        let pages = Pages { metrics: Metrics::default(), ready };
        assert_eq!((status(&pages, "/healthz"), status(&pages, "/readyz")), (200, 503));
        say.send_replace(Readiness::Ready);
        assert_eq!(status(&pages, "/readyz"), 200);
        assert_eq!(status(&pages, "/metrics"), 200);
    }

    #[test]
    fn what_is_not_there_and_what_is_no_question_is_refused() {
        let pages =
            Pages { metrics: Metrics::default(), ready: watch::channel(Readiness::Ready).1 };
        assert_eq!(status(&pages, "/x"), 404);
        assert_eq!(page(&pages, &Method::POST, "/healthz").status(), 405);
    }
}

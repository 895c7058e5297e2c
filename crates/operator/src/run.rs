//! Assembly: an election, the controllers, the pages, and an orderly end.

use std::net::SocketAddr;
use std::time::Duration;

use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::apply::Applier;
use crate::context::{Context, Settings};
use crate::controllers;
use crate::http::{self, Pages, Readiness};
use crate::kafka::Connections;
use crate::lease::Election;
use crate::metrics::Metrics;
use crate::surroundings::Surroundings;

/// The lease of all operators that look at the same resources.
pub const LEASE: &str = "klamm-operator";
/// Time to finish what is under way after being told to end; the lease is renewed meanwhile. A look takes seconds.
const DRAIN: Duration = Duration::from_secs(20);

/// How to run.
#[derive(Debug)]
pub struct Options {
    /// For the controllers.
    pub settings: Settings,
    /// Where the lease is.
    pub namespace: Option<String>,
    /// This process's name in the lease; no other's.
    pub identity: String,
    /// Where the pages are, if anywhere.
    pub http: Option<SocketAddr>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// It cannot start, or the lease is lost: the process has to end.
pub async fn run(options: Options) -> Result<(), String> {
    let shutdown = end_signal()?;
    let metrics = Metrics::default();
    let (ready, says) = watch::channel(Readiness::Not("starting"));
    if let Some(address) = options.http {
        let listener = http::bind(address).await?;
        tokio::spawn(http::serve(listener, Pages { metrics: metrics.clone(), ready: says }));
    }
    let (client, home) = connect().await?;
    let surroundings = Surroundings::look(&client).await?;
    ready.send_replace(Readiness::Ready);

    let namespace = options.namespace.unwrap_or(home);
    tracing::info!(
        namespace, identity = options.identity, openshift = surroundings.openshift,
        looks_at = ?options.settings.namespaces, "started"
    );
    let mut election = Election::new(client.clone(), &namespace, LEASE, options.identity);
    if !election.win(&shutdown).await.map_err(|error| error.to_string())? {
        tracing::info!("ended without having led");
        return Ok(());
    }
    metrics.leads(true);
    tracing::info!("leading");
    let context = Context {
        applier: Applier::new(client.clone()),
        client,
        kafka: Connections::default(),
        settings: options.settings,
        openshift: surroundings.openshift,
        metrics: metrics.clone(),
    };
    let work = tokio::spawn(controllers::run(context, shutdown.clone()));
    lead(&mut election, work, &shutdown, &ready).await?;
    metrics.leads(false);
    tracing::info!("ended");
    Ok(())
}

/// Leads until told to end, then finishes what is under way, then lets go of the lease: in this order.
async fn lead(
    election: &mut Election,
    mut work: JoinHandle<()>,
    shutdown: &CancellationToken,
    ready: &watch::Sender<Readiness>,
) -> Result<(), String> {
    let release = CancellationToken::new();
    let finish = async {
        tokio::select! {
            ended = &mut work => return over(ended, shutdown),
            () = shutdown.cancelled() => {}
        }
        ready.send_replace(Readiness::Not("draining"));
        match tokio::time::timeout(DRAIN, &mut work).await {
            Ok(ended) => over(ended, shutdown),
            Err(_) => {
                tracing::warn!(after_s = DRAIN.as_secs(), "ends with work under way");
                work.abort();
                Ok(())
            }
        }
    };
    let finish = async {
        let finished = finish.await;
        release.cancel();
        finished
    };
    let keep = async { election.keep(&release).await.map_err(|error| error.to_string()) };
    tokio::try_join!(finish, keep).map(|_| ())
}

/// Controllers end only when told to.
fn over(ended: Result<(), JoinError>, shutdown: &CancellationToken) -> Result<(), String> {
    match ended {
        Ok(()) if shutdown.is_cancelled() => Ok(()),
        Ok(()) => Err("the controllers ended by themselves".to_owned()),
        Err(error) => Err(format!("a controller broke: {error}")),
    }
}

/// The API server, and the namespace this process is in.
async fn connect() -> Result<(Client, String), String> {
    let config = kube::Config::infer().await.map_err(|error| {
        format!("no Kubernetes: neither a service account nor a usable KUBECONFIG: {error}")
    })?;
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| format!("no Kubernetes: {error}"))?;
    Ok((client, namespace))
}

/// Cancelled when the process is told to end.
fn end_signal() -> Result<CancellationToken, String> {
    let cannot = |error| format!("cannot wait for signals: {error}");
    let mut term = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut int = signal(SignalKind::interrupt()).map_err(cannot)?;
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        let why = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        };
        tracing::info!(why, "draining");
        told.cancel();
    });
    Ok(shutdown)
}

//! `klamm-operator run`: the operator.

use std::net::{IpAddr, SocketAddr};

use klamm_operator::context::Settings;
use klamm_operator::run::{Options, run as lead};

use crate::logging::{self, LogFormat};

/// Run the operator
///
/// Several may run: the one that holds the lease works, the others wait. Kubernetes is found by the pod's service account, or by
/// KUBECONFIG.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look at this namespace only; may be repeated [default: all]
    #[arg(long = "namespace", env = "KLAMM_NAMESPACE", value_name = "NAME", value_delimiter = ',')]
    namespaces: Vec<String>,

    /// Image with the agent in it, for the pods of Kafka: the operator's own
    #[arg(long, env = "KLAMM_AGENT_IMAGE", value_name = "IMAGE")]
    agent_image: String,

    /// Image of gateways that name none
    #[arg(long, env = "KLAMM_KLAMM_IMAGE", value_name = "IMAGE")]
    klamm_image: String,

    /// Where health and metrics are served, or "off" [default: 0.0.0.0:8080 in a pod, else 127.0.0.1:8080]
    #[arg(long, env = "KLAMM_HTTP_LISTEN", value_name = "HOST:PORT", value_parser = listen)]
    http_listen: Option<Listen>,

    /// Namespace of the lease [default: the pod's own]
    #[arg(long, env = "KLAMM_LEASE_NAMESPACE", value_name = "NAME")]
    lease_namespace: Option<String>,

    /// This process's name in the lease; no other process's [default: host name and a random part]
    #[arg(long, env = "KLAMM_IDENTITY", value_name = "NAME")]
    identity: Option<String>,

    /// Log lines: human, json, or auto (human on a terminal)
    #[arg(long, env = "KLAMM_LOG_FORMAT", value_name = "FORMAT", default_value = "auto")]
    log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or a filter such as info,kube=debug
    #[arg(long, env = "KLAMM_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listen {
    On(SocketAddr),
    Off,
}

fn listen(text: &str) -> Result<Listen, String> {
    match text {
        "off" => Ok(Listen::Off),
        _ => text.parse().map(Listen::On).map_err(|_| format!("'{text}' is not ADDRESS:PORT")),
    }
}

/// Runs until told to end.
pub fn run(args: Args) -> Result<(), String> {
    logging::start(args.log_format, &args.log)?;
    // One thread: the work is waiting, and a second one's memory would be better spent on clusters.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let result = runtime.block_on(lead(options(args)?));
    // A lease that is lost allows no further step of what is under way.
    runtime.shutdown_background();
    result
}

fn options(args: Args) -> Result<Options, String> {
    let namespaces = args.namespaces.into_iter().filter(|name| !name.is_empty()).collect();
    let http = match args.http_listen {
        Some(Listen::Off) => None,
        Some(Listen::On(address)) => Some(address),
        None => Some(SocketAddr::new(default_host(), 8080)),
    };
    let identity = match args.identity {
        Some(name) if name.is_empty() => return Err("identity: a name is not empty".to_owned()),
        Some(name) => name,
        None => identity()?,
    };
    let (agent_image, klamm_image) = (args.agent_image, args.klamm_image);
    let settings = Settings { agent_image, klamm_image, namespaces };
    Ok(Options { settings, namespace: args.lease_namespace, identity, http })
}

/// A pod is reached by its probes from outside; elsewhere nobody has to reach the operator.
fn default_host() -> IpAddr {
    let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if in_pod { [0, 0, 0, 0].into() } else { [127, 0, 0, 1].into() }
}

/// The host's name tells people who it is, the random part that it is nobody else.
fn identity() -> Result<String, String> {
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map_err(|error| format!("identity: give one, there is no random one: {error}"))?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(format!("{host}-{}", random.trim()))
}

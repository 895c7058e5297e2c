//! What there is of nodes, in memory.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use klamm_agent::protocol::{Config, Formatted, Phase};
use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::certificates::Certificate;
use crate::kafka::Kafka;
use crate::{certificates, disks, kubelet, listen, machines};

/// Namespace and name.
pub type Name = (String, String);

/// Nodes that became ready and whose pods have yet to say so: more than there can be pods.
const READY_MAX: usize = 65_536;

/// All of it.
#[derive(Debug, Default)]
pub struct World {
    /// Pods that run, by their address.
    pub nodes: HashMap<Ipv4Addr, Node>,
    /// Addresses of pods that run.
    pub pods: HashMap<Name, Ipv4Addr>,
    /// Kafka clusters, by the name of the KafkaCluster.
    pub kafkas: HashMap<Name, Kafka>,
    /// Disks that were formatted, by their claim.
    pub disks: HashMap<Name, Formatted>,
    /// Certificates of nodes, by their Secret.
    pub certificates: HashMap<Name, Certificate>,
    /// When pods were first seen, and when they were given a machine.
    pub births: HashMap<Name, Birth>,
    addresses: u16,
}

/// A pod's first moments, which are Kubernetes' own.
#[derive(Debug, Clone, Copy)]
pub struct Birth {
    /// The pod was there.
    pub seen: Instant,
    /// It had a machine.
    pub placed: Option<Instant>,
}

/// A pod that runs.
#[derive(Debug)]
pub struct Node {
    pub uid: String,
    pub pod: Name,
    pub cluster: Name,
    pub host: String,
    /// Of the metadata log's disk.
    pub claim: Name,
    pub secret: Name,
    pub config: Config,
    /// `server.properties`.
    pub properties: BTreeMap<String, String>,
    pub phase: Phase,
    pub since_ms: u64,
    pub started: Option<Started>,
}

/// Kafka's process.
#[derive(Debug, Clone)]
pub struct Started {
    pub at_ms: u64,
    pub rack: Option<String>,
    pub certificate: String,
}

impl World {
    /// An address for a new pod, of 10.244.0.0/16.
    pub fn address(&mut self) -> Ipv4Addr {
        loop {
            self.addresses = self.addresses.wrapping_add(1);
            let [high, low] = self.addresses.to_be_bytes();
            let address = Ipv4Addr::new(10, 244, high, low);
            if !self.nodes.contains_key(&address) && !matches!(low, 0 | 255) {
                return address;
            }
        }
    }

    /// The pod is no more.
    pub fn remove(&mut self, pod: &Name) {
        self.births.remove(pod);
        if let Some(address) = self.pods.remove(pod) {
            self.nodes.remove(&address);
        }
    }
}

/// The world, and a word to the kubelet when a node is ready.
#[derive(Debug, Clone)]
pub struct Shared {
    world: Arc<Mutex<World>>,
    ready: mpsc::Sender<Name>,
    becoming: Arc<Mutex<Option<mpsc::Receiver<Name>>>>,
}

impl Default for Shared {
    fn default() -> Self {
        let (ready, becoming) = mpsc::channel(READY_MAX);
        let becoming = Arc::new(Mutex::new(Some(becoming)));
        Self { world: Arc::default(), ready, becoming }
    }
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kubelet learns that a node is ready.
    pub async fn tell_ready(&self, pod: Name) {
        // Without a kubelet nobody has to know.
        let _ = self.ready.send(pod).await;
    }
}

/// Plays all parts for as long as the set is kept.
///
/// # Errors
/// When one cannot begin.
pub async fn play(client: &Client, world: Shared) -> Result<JoinSet<()>, String> {
    let becoming = world.becoming.lock().unwrap_or_else(PoisonError::into_inner).take();
    let becoming = becoming.ok_or("it is played already")?;
    let mut parts = JoinSet::new();
    machines::make(client).await.map_err(|error| format!("machines: {error}"))?;
    parts.spawn(machines::keep(client.clone()));
    parts.spawn(disks::provide(client.clone(), world.clone()));
    parts.spawn(certificates::watch(client.clone(), world.clone()));
    parts.spawn(kubelet::watch(client.clone(), world.clone()));
    parts.spawn(kubelet::tell(client.clone(), world.clone(), becoming));
    listen::listen(&world, &mut parts).await?;
    Ok(parts)
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

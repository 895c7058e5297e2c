//! What the parts of a running agent share.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use klamm_agent::protocol::{self, Config, Phase, State, Volume};
use tokio::sync::Notify;

use crate::disk::{self, Disks};
use crate::life::Life;
use crate::listener;
use crate::tls::{Pems, Tls};

/// The life, and what is around it.
#[derive(Debug)]
pub struct Shared {
    /// What the agent was started with.
    pub config: Config,
    /// There may be something to do.
    pub wake: Notify,
    life: Mutex<Life>,
    certificate: Mutex<Certificate>,
    listeners: Mutex<Listeners>,
    not_ready: Mutex<String>,
}

/// The listeners' own certificates.
#[derive(Debug, Default)]
struct Listeners {
    certificate: protocol::Certificate,
    trouble: String,
}

#[derive(Debug, Default)]
struct Certificate {
    pems: Option<Pems>,
    tls: Option<Tls>,
    trouble: String,
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A line about the agent, among those of Kafka.
pub fn tell(words: &str) {
    eprintln!("klamm-agent: {words}");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Of an agent that begins.
    pub fn new(config: Config) -> Self {
        Self {
            life: Mutex::new(Life::new(config.clone(), now_ms())),
            config,
            wake: Notify::new(),
            certificate: Mutex::default(),
            listeners: Mutex::default(),
            not_ready: Mutex::default(),
        }
    }

    /// Does something with the life; tells when another phase begins.
    pub fn life<T>(&self, work: impl FnOnce(&mut Life, u64) -> T) -> T {
        let mut life = lock(&self.life);
        let before = life.phase();
        let done = work(&mut life, now_ms());
        let after = life.phase();
        if std::mem::discriminant(&before) != std::mem::discriminant(&after) {
            tell(&words(&after));
        }
        done
    }

    /// Reads the certificate's files and takes them if they have changed. Files that cannot be used change nothing.
    pub fn read_certificate(&self, dir: &Path) {
        let read = Pems::read(dir);
        let mut certificate = lock(&self.certificate);
        let made = match read {
            Ok(pems) if certificate.pems.as_ref() == Some(&pems) => return,
            Ok(pems) => {
                let made = pems.tls();
                certificate.pems = Some(pems);
                made
            }
            Err(why) => Err(why),
        };
        let trouble = match made {
            Ok(tls) => {
                certificate.tls = Some(tls);
                String::new()
            }
            Err(why) => why,
        };
        if !trouble.is_empty() && certificate.trouble != trouble {
            let words = format!("the certificate cannot be used: {trouble}");
            tell(&words);
            lock(&self.life).handle_said(&words);
        }
        certificate.trouble = trouble;
    }

    /// The newest certificate that can be used.
    pub fn tls(&self) -> Option<Tls> {
        lock(&self.certificate).tls.clone()
    }

    /// The fingerprint of the files.
    pub fn mounted(&self) -> Option<String> {
        lock(&self.certificate).pems.as_ref().map(Pems::fingerprint)
    }

    /// Joins the listeners' own certificates if they have changed; files that cannot be used change nothing.
    ///
    /// # Errors
    /// They cannot be used: a sentence.
    pub fn join_listeners(&self) -> Result<(), String> {
        let joined = listener::join(&self.config.listeners);
        let mut listeners = lock(&self.listeners);
        match joined {
            Ok(mounted) => {
                listeners.certificate.mounted = mounted;
                listeners.trouble.clear();
                Ok(())
            }
            Err(why) => {
                let words = format!("the certificate of a listener cannot be used: {why}");
                if listeners.trouble != why {
                    tell(&words);
                    lock(&self.life).handle_said(&words);
                }
                listeners.trouble = why;
                Err(words)
            }
        }
    }

    /// Kafka has loaded the listeners' certificates of this fingerprint.
    pub fn note_listeners_loaded(&self, fingerprint: Option<String>) {
        lock(&self.listeners).certificate.started = fingerprint;
    }

    /// Kafka starts, and reads them.
    pub fn note_listeners_started(&self) {
        let mut listeners = lock(&self.listeners);
        listeners.certificate.started = listeners.certificate.mounted.clone();
    }

    /// Keeps why Kafka was not ready when it was asked last.
    pub fn note_not_ready(&self, why: String) {
        *lock(&self.not_ready) = why;
    }

    /// The node's state. Asks file systems, which may take long.
    pub fn state(&self) -> State {
        let disks = lock(&self.life).disks().clone();
        let volumes = volumes(&disks);
        let mounted = self.mounted();
        let listeners = lock(&self.listeners).certificate.clone();
        State { listeners, ..lock(&self.life).state(mounted, volumes) }
    }

    /// Whether the node is ready, in a line.
    ///
    /// # Errors
    /// It is not: why.
    pub fn ready(&self) -> Result<String, String> {
        let phase = lock(&self.life).phase();
        match &phase {
            Phase::Ready => Ok(words(&phase)),
            Phase::Starting | Phase::Recovering { .. } | Phase::Unresponsive => {
                Err(format!("{}: {}", words(&phase), lock(&self.not_ready)))
            }
            _ => Err(words(&phase)),
        }
    }
}

fn volumes(disks: &Disks) -> Vec<Volume> {
    let volume = |dir: &disk::LogDir| {
        let volume = dir.path.parent().unwrap_or(&dir.path);
        // One that does not answer has no room.
        let stat = rustix::fs::statvfs(volume).ok();
        let bytes = |blocks: fn(&rustix::fs::StatVfs) -> u64| {
            stat.as_ref().map_or(0, |stat| blocks(stat).saturating_mul(stat.f_frsize))
        };
        Volume {
            path: dir.path.clone(),
            disk: dir.content.disk(),
            total_bytes: bytes(|stat| stat.f_blocks),
            free_bytes: bytes(|stat| stat.f_bavail),
        }
    };
    disks.dirs.iter().map(volume).collect()
}

/// For people.
pub fn words(phase: &Phase) -> String {
    match phase {
        Phase::Waiting { reason } => format!("waiting: {reason}"),
        Phase::Formatting => "formatting".into(),
        Phase::Starting => "starting".into(),
        Phase::Recovering { logs_left } => format!("recovering, {logs_left} logs left"),
        Phase::Ready => "ready".into(),
        Phase::Unresponsive => "unresponsive".into(),
        Phase::Failed { why } => format!("failed: {why}"),
        Phase::Stopping => "stopping".into(),
    }
}

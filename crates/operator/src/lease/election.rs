//! The loop around a [`Candidate`]: reads, writes and waits.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio_util::sync::CancellationToken;

use super::{Candidate, Record, Timing, Verdict};
use crate::clock;

/// An answer of the API server that takes longer is none: several fit into the time a leader has to renew.
const CALL: Duration = Duration::from_secs(3);

/// Why one leads no more. The process has to end: what it has under way must not go on beside the next leader's.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    /// Somebody else's name is in the lease.
    #[error("lease {lease}: {holder} has it now")]
    Taken {
        /// The lease.
        lease: String,
        /// Who has it.
        holder: String,
    },
    /// Nothing was heard from the API server for too long.
    #[error("lease {lease}: not renewed for {seconds} s: {why}")]
    Expired {
        /// The lease.
        lease: String,
        /// How long.
        seconds: u64,
        /// What the last try ended with.
        why: String,
    },
    /// The API server refuses, for good.
    #[error(
        "lease {lease}: {why}; the operator's role needs get, create and update of leases.coordination.k8s.io there"
    )]
    Forbidden {
        /// The lease.
        lease: String,
        /// What it says.
        why: String,
    },
}

/// One process's part in an election.
#[derive(Debug)]
pub struct Election {
    api: Api<Lease>,
    lease: String,
    candidate: Candidate,
    last: Option<Lease>,
}

impl Election {
    /// About the lease of this namespace and name. `me` must be no other process's name, also none that ran before if that one may
    /// still run: a pod's uid is good, a machine's name is not.
    pub fn new(client: kube::Client, namespace: &str, lease: &str, me: String) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            lease: lease.to_owned(),
            candidate: Candidate::new(me, Timing::default()),
            last: None,
        }
    }

    /// Waits to be the leader; false if told to end before.
    ///
    /// # Errors
    /// The API server forbids it. Everything else is tried again.
    pub async fn win(&mut self, shutdown: &CancellationToken) -> Result<bool, ElectionError> {
        let look = Duration::from_millis(self.candidate.timing().look_ms);
        let mut told = String::new();
        loop {
            let tried = tokio::select! {
                tried = self.turn() => tried,
                () = shutdown.cancelled() => return Ok(false),
            };
            if self.candidate.leads(clock::now_ms()) {
                return Ok(true);
            }
            let why = match tried {
                Ok(()) => format!("{} leads", self.holder()),
                Err(Failure::Forbidden(why)) => return Err(self.forbidden(why)),
                Err(Failure::Passing(why)) => why,
            };
            if why != told {
                tracing::info!(lease = self.lease, why, "waiting to lead");
                told = why;
            }
            tokio::select! {
                () = tokio::time::sleep(look) => {}
                () = shutdown.cancelled() => return Ok(false),
            }
        }
    }

    /// Keeps the lease until told to let go, and then releases it, so that the next one need not wait.
    ///
    /// # Errors
    /// It is lost.
    pub async fn keep(&mut self, release: &CancellationToken) -> Result<(), ElectionError> {
        let renew = Duration::from_millis(self.candidate.timing().renew_ms);
        let mut why = String::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(renew) => {}
                () = release.cancelled() => {
                    self.release().await;
                    return Ok(());
                }
            }
            let until_ms = self.candidate.leads_until_ms().unwrap_or(0);
            let left = Duration::from_millis(until_ms.saturating_sub(clock::now_ms()));
            match tokio::time::timeout(left, self.turn()).await {
                Ok(Ok(())) => why.clear(),
                Ok(Err(Failure::Forbidden(text) | Failure::Passing(text))) => {
                    tracing::warn!(lease = self.lease, why = text, "lease not renewed");
                    why = text;
                }
                Err(_) if why.is_empty() => "the API server does not answer".clone_into(&mut why),
                Err(_) => {}
            }
            if !self.candidate.leads(clock::now_ms()) {
                return Err(self.lost(why));
            }
        }
    }

    /// One look, and one write if it is due.
    async fn turn(&mut self) -> Result<(), Failure> {
        let read = within(self.api.get_opt(&self.lease)).await?;
        let record = read.as_ref().map(record);
        let verdict = self.candidate.handle_record(record, clock::now_ms());
        self.last = read;
        if verdict == Verdict::Yield {
            return Ok(());
        }
        let lease = self.written(self.candidate.name(), verdict == Verdict::Acquire);
        let sent_ms = clock::now_ms();
        let written = match self.last {
            Some(_) => within(self.api.replace(&self.lease, &PostParams::default(), &lease)).await,
            None => within(self.api.create(&PostParams::default(), &lease)).await,
        }?;
        self.candidate.handle_written(sent_ms);
        self.last = Some(written);
        Ok(())
    }

    /// The lease with a name in it, over the version that was read.
    fn written(&self, holder: &str, changes: bool) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = self.last.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let seconds = self.candidate.timing().duration_ms / 1000;
        let transitions = before.lease_transitions.unwrap_or(0) + i32::from(changes);
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: i32::try_from(seconds).ok(),
            acquire_time: if changes { Some(now.clone()) } else { before.acquire_time.clone() },
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..before
        };
        let metadata = match &self.last {
            Some(lease) => lease.metadata.clone(),
            None => ObjectMeta { name: Some(self.lease.clone()), ..Default::default() },
        };
        Lease { metadata, spec: Some(spec) }
    }

    async fn release(&mut self) {
        self.candidate.handle_released();
        let lease = self.written("", false);
        match within(self.api.replace(&self.lease, &PostParams::default(), &lease)).await {
            Ok(_) => tracing::info!(lease = self.lease, "lease released"),
            Err(Failure::Forbidden(why) | Failure::Passing(why)) => {
                tracing::warn!(
                    lease = self.lease,
                    why,
                    "lease not released; the next one waits 15 s"
                );
            }
        }
    }

    fn holder(&self) -> String {
        let spec = self.last.as_ref().and_then(|lease| lease.spec.as_ref());
        let holder = spec.and_then(|spec| spec.holder_identity.clone());
        holder.filter(|name| !name.is_empty()).unwrap_or_else(|| "nobody".to_owned())
    }

    fn forbidden(&self, why: String) -> ElectionError {
        ElectionError::Forbidden { lease: self.lease.clone(), why }
    }

    fn lost(&self, why: String) -> ElectionError {
        let (lease, holder) = (self.lease.clone(), self.holder());
        if holder != self.candidate.name() && holder != "nobody" {
            return ElectionError::Taken { lease, holder };
        }
        let seconds = self.candidate.timing().deadline_ms / 1000;
        ElectionError::Expired { lease, seconds, why }
    }
}

enum Failure {
    /// Trying again may help.
    Passing(String),
    /// It does not.
    Forbidden(String),
}

async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
            Err(Failure::Forbidden(status.message.clone()))
        }
        Ok(Err(error)) => Err(Failure::Passing(error.to_string())),
        Err(_) => Err(Failure::Passing("the API server does not answer".to_owned())),
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration_ms: seconds * 1000,
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}

//! The same faults for every way to run Kafka, so that their numbers stand side by side.
//!
//! | fault | what is done | counted from |
//! |---|---|---|
//! | [`Fault::JavaKilled`] | `kill -9` of java in the pod of a leader | the kill |
//! | [`Fault::PodDeleted`] | the pod of a leader is deleted | the deletion |
//! | [`Fault::MachineRestarted`] | a leader's machine dies and is started again at once | its start |
//! | [`Fault::MachineAway`] | it dies and stays away for a minute | its start |
//! | [`Fault::WireCut`] | its wire is cut until Kubernetes has noticed | the mending |
//!
//! Produce and consume stop as long as they do, from the fault on.

use std::time::{Duration, Instant};

use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::kubectl::Namespace;
use crate::load::{Load, Spec, Window};
use crate::machines::Machines;
use crate::pod::Pod;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

/// How long a machine stays away: longer than Kubernetes waits before it evicts.
const AWAY: Duration = Duration::from_secs(60);

/// A Kafka of three brokers, however it is run.
pub trait Target {
    /// Where it runs.
    fn namespace(&self) -> &Namespace;
    /// Servers for clients to begin with.
    fn bootstrap(&self) -> String;
    /// The pod that a broker has.
    fn pod(&self, broker: i32) -> String;
    /// The file on a broker's disk that says whose it is.
    fn meta_properties(&self) -> String;
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies.
    JavaKilled,
    /// Somebody, or a drain, deletes the pod.
    PodDeleted,
    /// The machine reboots.
    MachineRestarted,
    /// The machine is gone for a while.
    MachineAway,
    /// The machine runs and nobody reaches it.
    WireCut,
}

impl Fault {
    /// All, mildest first.
    pub const ALL: [Self; 5] = [
        Self::JavaKilled,
        Self::PodDeleted,
        Self::MachineRestarted,
        Self::MachineAway,
        Self::WireCut,
    ];

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::JavaKilled => "kill -9 of java",
            Self::PodDeleted => "pod deleted",
            Self::MachineRestarted => "machine restarted",
            Self::MachineAway => "machine away for 60 s",
            Self::WireCut => "wire cut until noticed",
        }
    }

    fn hurts_machine(self) -> bool {
        !matches!(self, Self::JavaKilled | Self::PodDeleted)
    }
}

/// Strikes a cluster with each fault in turn under load. Each time the broker must come back by itself with its id,
/// name, address and data, and into every ISR; in the end nothing acknowledged may be lost.
///
/// # Errors
/// When something does not come back, or is lost.
pub fn faults(stage: &mut Stage<'_>, target: &dyn Target, which: &[Fault]) -> Outcome {
    let machines = stage.cluster().machines()?;
    let mut load = Load::start(stage, target.namespace(), &Spec::new(&target.bootstrap()))?;
    load.full(PATIENCE)?;
    for fault in which {
        let mut strike = Strike::new(&mut load, target, &machines, *fault)?;
        let struck = strike.run().map_err(|error| match error {
            End::Failed(why) => End::Failed(format!("{}: {why}", fault.name())),
            skipped @ End::Skipped(_) => skipped,
        })?;
        let name = fault.name();
        stage.number(&format!("{name}: pod Ready after"), struck.ready_ms, "ms");
        stage.number(&format!("{name}: every ISR full after"), struck.full_ms, "ms");
        stage.number(&format!("{name}: produce stopped"), struck.window.produce_stop_ms, "ms");
        stage.number(&format!("{name}: consume stopped"), struck.window.consume_stop_ms, "ms");
    }
    let verdict = load.stop()?;
    stage.number("records acknowledged", verdict.acknowledged, "");
    stage.number("records lost", verdict.lost, "");
    stage.number("records twice", verdict.twice, "");
    verdict.nothing_lost()
}

/// What a fault cost.
struct Struck {
    ready_ms: u64,
    full_ms: u64,
    window: Window,
}

struct Strike<'a> {
    load: &'a mut Load,
    target: &'a dyn Target,
    machines: &'a Machines,
    fault: Fault,
    broker: i32,
    name: String,
    before: Pod,
    disk: String,
    address: String,
}

impl<'a> Strike<'a> {
    fn new(
        load: &'a mut Load,
        target: &'a dyn Target,
        machines: &'a Machines,
        fault: Fault,
    ) -> Outcome<Self> {
        let state = load.state()?;
        let (broker, name, before) = victim(target, fault, &state.leaders)?;
        let disk = target.namespace().exec(&name, &["cat", &target.meta_properties()])?;
        let address = state.brokers.get(&broker).cloned().unwrap_or_default();
        load.window()?;
        println!("    {}: broker {broker}, {before}", fault.name());
        Ok(Self { load, target, machines, fault, broker, name, before, disk, address })
    }

    fn run(&mut self) -> Outcome<Struck> {
        let from = self.strike()?;
        let ready_ms = self.ready(from)?;
        let full_ms = self.load.full_since(from, PATIENCE)?.as_millis() as u64;
        self.same()?;
        Ok(Struck { ready_ms, full_ms, window: self.load.window()? })
    }

    /// Does it, and says what the way back is counted from.
    fn strike(&self) -> Outcome<Instant> {
        let (here, node) = (self.target.namespace(), &self.before.node);
        let mut from = now();
        match self.fault {
            Fault::JavaKilled => self.machines.kill(here, &self.name, "java")?,
            Fault::PodDeleted => here.delete_pod(&self.name)?,
            Fault::MachineRestarted => {
                self.machines.crash(node)?;
                from = now();
                self.machines.start(node)?;
            }
            Fault::MachineAway => {
                self.machines.crash(node)?;
                // Nothing comes true in this minute that could be waited for; what happens in it is the point.
                std::thread::sleep(AWAY.saturating_sub(now() - from));
                println!("    after a minute: {}", here.pod(&self.name)?);
                from = now();
                self.machines.start(node)?;
            }
            Fault::WireCut => {
                self.machines.cut(node)?;
                until("Kubernetes noticing", PATIENCE, || {
                    let pod = here.pod(&self.name)?;
                    if pod.ready { Err(pod.to_string()) } else { Ok(()) }
                })?;
                from = now();
                self.machines.heal(node)?;
            }
        }
        Ok(from)
    }

    fn ready(&self, from: Instant) -> Result<u64, String> {
        let here = self.target.namespace();
        if self.fault != Fault::WireCut {
            let back = here.back_since(from, &self.name, &self.before, PATIENCE)?;
            return Ok(back.as_millis() as u64);
        }
        // It may never have stopped.
        until(&format!("pod {} Ready again", self.name), PATIENCE, || {
            let pod = here.pod(&self.name)?;
            if pod.ready && !pod.deleting { Ok(()) } else { Err(pod.to_string()) }
        })?;
        Ok(since_ms(from))
    }

    /// The broker is who it was: id, name and address in the cluster's metadata, and its disk.
    fn same(&mut self) -> Outcome {
        let disk =
            self.target.namespace().exec(&self.name, &["cat", &self.target.meta_properties()])?;
        End::unless(disk == self.disk, || format!("other disk: {disk} was {}", self.disk))?;
        let state = self.load.state()?;
        let address = state.brokers.get(&self.broker);
        End::unless(address == Some(&self.address), || {
            format!("broker {} was at {} and is at {address:?}", self.broker, self.address)
        })
    }
}

/// A leader; for a fault of a machine one that the load does not share its machine with.
fn victim(target: &dyn Target, fault: Fault, leaders: &[i32]) -> Outcome<(i32, String, Pod)> {
    for broker in leaders {
        let name = target.pod(*broker);
        let pod = target.namespace().pod(&name)?;
        if !fault.hurts_machine() || pod.node != Machines::own() {
            return Ok((*broker, name, pod));
        }
    }
    Err(End::Failed(format!("every leader of {leaders:?} is on {}", Machines::own())))
}

//! The life of an agent and its Kafka: what to do next, decided without doing it.
//!
//! ```text
//!            permit to format            formatted
//!   idle ----------------------> formatting -------> idle
//!    |                               ^  |
//!    | permit to start, or           |  | formatted
//!    | marker and end of grace       |  v
//!    +--- a data directory is empty -+  running: starting, recovering -> ready <-> unresponsive
//!    +------------------------------------^         |
//!                                                   | Kafka ends, or a signal and Kafka ends
//!                                                   v
//!                                                  over
//! ```
//!
//! Idle is `waiting` when the disk allows something and `failed` when not, or when formatting or starting went wrong. The disk that
//! decisions rest on changes only here: by what was read while idle, and by what was read after formatting.

mod permit;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem::{Discriminant, discriminant};

use klamm_agent::protocol::{
    Certificate, Config, Disk, Kafka, PROTOCOL, Permit, Phase, Role, Start, State, Volume, Wait,
};

use crate::disk::{Disks, Marker, Verdict, judge};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Format the empty log directories, then tell [`Life::handle_formatted`].
    Format(Formatting),
    /// Write the marker; without it the next start waits for the operator.
    Mark(Marker),
    /// Start Kafka with this `broker.rack`, then tell [`Life::handle_started`] or [`Life::handle_not_started`].
    Start(Option<String>),
    /// Kill Kafka, then tell [`Life::handle_ended`].
    Kill,
    /// End with this code.
    Exit(u8),
}

/// How to format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatting {
    /// `--cluster-id`.
    pub cluster_id: String,
    /// Of the controllers.
    pub quorum: Quorum,
    /// `--ignore-formatted`: some directories are formatted already.
    pub ignore_formatted: bool,
}

/// How the metadata quorum comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quorum {
    /// `--initial-controllers`.
    Initial(String),
    /// `--no-initial-controllers`.
    Join,
    /// The node is no controller.
    None,
}

/// An answer of Kafka to the question whether it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Ready,
    /// No, or no answer.
    NotReady,
}

/// An answer of a Kafka that is told to end to the question for the controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controllers {
    /// One leads, or Kafka asks none any more.
    Heard,
    /// None leads that Kafka could reach.
    Silent,
}

/// Misses in a row before a Kafka that was ready counts as unresponsive: a garbage collection of some seconds is no reason to take it
/// out of the service.
const MISSES_MAX: u32 = 3;
/// How long a Kafka that is told to end may find no controller. It waits for the active one to move its leaders, longer than a
/// pod's grace; a quorum that is well elects a leader within seconds, and one that was deleted with its cluster does not come back.
const SILENT_MS_MAX: u64 = 30_000;
/// Of what is said in [`State::said`]; an error's first line is shorter.
const SAID_BYTES_MAX: usize = 1 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Idle { trouble: Option<String> },
    Formatting { run: Formatting, then: Option<Start> },
    Running { was_ready: bool, misses: u32 },
    Stopping { silent_since_ms: Option<u64> },
    Over,
}

/// The state machine. Times are milliseconds since 1970.
#[derive(Debug)]
pub struct Life {
    config: Config,
    born_ms: u64,
    disks: Disks,
    stage: Stage,
    phase: Discriminant<Phase>,
    phase_since_ms: u64,
    permit: Option<Permit>,
    rack: Option<String>,
    kafka: Option<Kafka>,
    logs_left: u64,
    certificate: Option<String>,
    said: Option<String>,
    leaving: bool,
    /// At most a marker and a start, or an end.
    actions: VecDeque<Action>,
}

impl Life {
    /// Begins.
    pub fn new(config: Config, now_ms: u64) -> Self {
        Self {
            config,
            born_ms: now_ms,
            disks: Disks::default(),
            stage: Stage::Idle { trouble: None },
            phase: discriminant(&Phase::Ready),
            phase_since_ms: now_ms,
            permit: None,
            rack: None,
            kafka: None,
            logs_left: 0,
            certificate: None,
            said: None,
            leaving: false,
            actions: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether nothing is under way, so that the disks may be read and told to [`Life::handle_disks`].
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle { .. })
    }

    /// Whether Kafka is to be asked if it is ready.
    pub fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running { .. }) && self.kafka.is_some()
    }

    /// Whether Kafka was told to end and has not yet.
    pub fn is_stopping(&self) -> bool {
        matches!(self.stage, Stage::Stopping { .. }) && self.kafka.is_some()
    }

    /// Whether Kafka was ready since it started.
    pub fn was_ready(&self) -> bool {
        matches!(self.stage, Stage::Running { was_ready: true, .. })
    }

    /// The disks were read. Of no effect while something is under way.
    pub fn handle_disks(&mut self, disks: Disks, now_ms: u64) {
        if self.is_idle() {
            self.disks = disks;
        }
        self.note(now_ms);
    }

    /// Time has passed.
    pub fn handle_tick(&mut self, now_ms: u64) {
        let over = now_ms.saturating_sub(self.born_ms) >= self.config.grace_ms;
        let idle = matches!(self.stage, Stage::Idle { trouble: None });
        if idle && over && self.permit.is_none() && self.starts_by_itself() {
            let rack = self.disks.marker.as_ref().and_then(|marker| marker.rack.clone());
            self.start(Start { rack });
        }
        self.note(now_ms);
    }

    fn starts_by_itself(&self) -> bool {
        let verdict = judge(&self.config, &self.disks);
        matches!(verdict, Verdict::Formatted { empty: None, marked: true, .. })
    }

    /// Formatting has ended; the disks were read since.
    pub fn handle_formatted(&mut self, result: Result<(), String>, disks: Disks, now_ms: u64) {
        let idle = Stage::Idle { trouble: None };
        let Stage::Formatting { run, then } = std::mem::replace(&mut self.stage, idle) else {
            return;
        };
        self.disks = disks;
        let result = result.and_then(|()| self.check_formatted(&run));
        match (result, then) {
            _ if self.leaving => self.exit(0),
            (Ok(()), Some(start)) => self.start(start),
            (Ok(()), None) => {}
            (Err(why), _) => {
                self.permit = None;
                self.handle_said(&why);
                self.stage = Stage::Idle { trouble: Some(why) };
            }
        }
        self.note(now_ms);
    }

    fn check_formatted(&self, run: &Formatting) -> Result<(), String> {
        let tool = self.config.storage.display();
        let Verdict::Formatted { disk, empty, .. } = judge(&self.config, &self.disks) else {
            return Err(format!("{tool} said nothing of a failure, and the disk is not formatted"));
        };
        if let Some(dir) = empty {
            let path = dir.path.display();
            return Err(format!("{tool} said nothing of a failure, and {path} is not formatted"));
        }
        let ours = permit::directory_id(&run.quorum, self.config.node_id);
        if disk.cluster_id != run.cluster_id || ours.is_some_and(|id| id != disk.directory_id) {
            return Err(format!("{tool} formatted the disk with other ids than it was given"));
        }
        Ok(())
    }

    fn start(&mut self, start: Start) {
        if let Disk::Formatted(disk) = self.disks.metadata() {
            self.actions.push_back(Action::Mark(Marker::of(&disk, start.rack.clone())));
        }
        self.rack.clone_from(&start.rack);
        self.logs_left = 0;
        self.actions.push_back(Action::Start(start.rack));
        self.stage = Stage::Running { was_ready: false, misses: 0 };
    }

    /// Kafka's process runs, with the certificate of this fingerprint.
    pub fn handle_started(&mut self, pid: u32, certificate: Option<String>, now_ms: u64) {
        self.kafka = Some(Kafka { pid, started_ms: now_ms });
        self.certificate = certificate;
        self.note(now_ms);
    }

    /// Kafka's process cannot be started.
    pub fn handle_not_started(&mut self, why: String, now_ms: u64) {
        self.permit = None;
        self.rack = None;
        self.handle_said(&why);
        self.stage = Stage::Idle { trouble: Some(why) };
        self.note(now_ms);
    }

    /// Kafka was asked whether it is ready.
    pub fn handle_health(&mut self, health: Health, now_ms: u64) {
        if let Stage::Running { was_ready, misses } = &mut self.stage {
            match health {
                Health::Ready => {
                    (*was_ready, *misses) = (true, 0);
                    // Registered, so it has read its logs, whatever it wrote.
                    self.logs_left = 0;
                }
                Health::NotReady => *misses = misses.saturating_add(1),
            }
        }
        self.note(now_ms);
    }

    /// Kafka, which is told to end, was asked for the controllers.
    pub fn handle_controllers(&mut self, controllers: Controllers, now_ms: u64) {
        let Stage::Stopping { silent_since_ms } = &mut self.stage else { return };
        match controllers {
            Controllers::Heard => *silent_since_ms = None,
            Controllers::Silent => {
                let since_ms = *silent_since_ms.get_or_insert(now_ms);
                if now_ms.saturating_sub(since_ms) >= SILENT_MS_MAX {
                    // Once more after as long, should it still be there.
                    *silent_since_ms = None;
                    self.actions.push_back(Action::Kill);
                }
            }
        }
    }

    /// Kafka told how many logs it has to read yet.
    pub fn handle_logs_left(&mut self, logs_left: u64, now_ms: u64) {
        self.logs_left = logs_left;
        self.note(now_ms);
    }

    /// Kafka, a tool or the agent told of an error.
    pub fn handle_said(&mut self, line: &str) {
        let end = line.floor_char_boundary(SAID_BYTES_MAX);
        self.said = Some(line[..end].trim_end().to_owned());
    }

    /// The operator had Kafka load its certificate anew.
    ///
    /// # Errors
    /// Kafka does not run.
    pub fn handle_loaded(&mut self, fingerprint: String) -> Result<(), String> {
        if !self.is_running() {
            return Err("Kafka does not run".into());
        }
        self.certificate = Some(fingerprint);
        Ok(())
    }

    /// Kafka's process has ended.
    pub fn handle_ended(&mut self, code: u8, now_ms: u64) {
        self.kafka = None;
        self.exit(code);
        self.note(now_ms);
    }

    /// A signal that asks to end came. Kafka gets it from whoever received it; what is being formatted is formatted to the end.
    pub fn handle_end_asked(&mut self, now_ms: u64) {
        match self.stage {
            Stage::Idle { .. } => self.exit(0),
            Stage::Formatting { .. } => self.leaving = true,
            Stage::Running { .. } => self.stage = Stage::Stopping { silent_since_ms: None },
            Stage::Stopping { .. } | Stage::Over => {}
        }
        self.note(now_ms);
    }

    fn exit(&mut self, code: u8) {
        self.stage = Stage::Over;
        self.actions.push_back(Action::Exit(code));
    }

    fn note(&mut self, now_ms: u64) {
        let phase = discriminant(&self.phase());
        if phase != self.phase {
            (self.phase, self.phase_since_ms) = (phase, now_ms);
        }
    }

    /// What goes on.
    pub fn phase(&self) -> Phase {
        match &self.stage {
            Stage::Idle { trouble } => self.idle(trouble.as_deref()),
            Stage::Formatting { .. } => Phase::Formatting,
            Stage::Running { was_ready: false, .. } if self.logs_left > 0 => {
                Phase::Recovering { logs_left: self.logs_left }
            }
            Stage::Running { was_ready: false, .. } => Phase::Starting,
            Stage::Running { misses, .. } if *misses >= MISSES_MAX => Phase::Unresponsive,
            Stage::Running { .. } => Phase::Ready,
            Stage::Stopping { .. } | Stage::Over => Phase::Stopping,
        }
    }

    fn idle(&self, trouble: Option<&str>) -> Phase {
        let verdict = judge(&self.config, &self.disks);
        let reason = match (verdict, trouble, &self.permit) {
            (Verdict::Unusable(why), ..) => return Phase::Failed { why },
            (_, Some(why), _) => return Phase::Failed { why: why.into() },
            (_, _, Some(Permit::Wait(Wait { reason }))) => reason.clone(),
            (Verdict::Empty { .. }, ..) => "the disk is empty: for a permit to format it".into(),
            (Verdict::Formatted { empty: Some(dir), .. }, ..) => format!(
                "{} is empty beside a formatted disk: for a permit to format it and start",
                dir.path.display()
            ),
            (Verdict::Formatted { marked: true, .. }, ..) => {
                "for a word of the operator, or for the end of the grace time".into()
            }
            (Verdict::Formatted { .. }, ..) => {
                "Kafka never started on this disk: for a permit to start".into()
            }
        };
        Phase::Waiting { reason }
    }

    /// All of it, for the operator.
    pub fn state(&self, mounted: Option<String>, volumes: Vec<Volume>) -> State {
        State {
            protocol: PROTOCOL,
            node_id: self.config.node_id,
            phase: self.phase(),
            phase_since_ms: self.phase_since_ms,
            disk: self.disks.metadata(),
            certificate: Certificate { started: self.certificate.clone(), mounted },
            listeners: Certificate::default(),
            volumes,
            rack: self.rack.clone(),
            kafka: self.kafka.clone(),
            said: self.said.clone(),
        }
    }

    /// The disks that decisions rest on.
    pub fn disks(&self) -> &Disks {
        &self.disks
    }

    fn quorum(&self, initial: Option<String>) -> Quorum {
        match initial {
            _ if !self.config.is(Role::Controller) => Quorum::None,
            Some(controllers) => Quorum::Initial(controllers),
            None => Quorum::Join,
        }
    }
}

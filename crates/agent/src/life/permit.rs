//! What the operator permits.

use klamm_agent::protocol::{Format, Permit, Role, Start};

use super::{Action, Formatting, Life, Quorum, Stage};
use crate::disk::{Verdict, is_id, judge};

impl Life {
    /// The operator said what may be done. A permit that was done, or is being done, may come again.
    ///
    /// # Errors
    /// It cannot be done: a sentence. Nothing has changed.
    pub fn handle_permit(&mut self, permit: Permit, now_ms: u64) -> Result<(), String> {
        if matches!(self.stage, Stage::Stopping { .. } | Stage::Over) || self.leaving {
            return Err("the pod is being stopped".into());
        }
        if self.permit.as_ref() != Some(&permit) {
            self.obey(&permit)?;
            self.permit = Some(permit);
        }
        self.note(now_ms);
        Ok(())
    }

    fn obey(&mut self, permit: &Permit) -> Result<(), String> {
        match (&self.stage, permit) {
            (Stage::Formatting { .. }, _) => Err("the disk is being formatted".into()),
            (Stage::Running { .. }, Permit::Start(start)) => self.confirm(start),
            (Stage::Running { .. }, Permit::Wait(_)) => Err("Kafka runs already".into()),
            (Stage::Running { .. }, Permit::Format(_)) => Err("the disk is in use".into()),
            (_, Permit::Wait(_)) => Ok(()),
            (_, Permit::Format(format)) => self.format(format),
            (_, Permit::Start(start)) => self.start_on(start),
        }
    }

    /// Kafka runs already, by itself.
    fn confirm(&self, start: &Start) -> Result<(), String> {
        if start.rack == self.rack {
            return Ok(());
        }
        let rack = |rack: &Option<String>| rack.clone().unwrap_or_else(|| "none".into());
        let (runs, asked) = (rack(&self.rack), rack(&start.rack));
        Err(format!("Kafka runs with broker.rack {runs}; {asked} takes a restart of the pod"))
    }

    fn format(&mut self, format: &Format) -> Result<(), String> {
        let others = match judge(&self.config, &self.disks) {
            Verdict::Unusable(why) => return Err(why),
            Verdict::Formatted { disk, .. } => {
                let Format { cluster_id, .. } = format;
                let (directory, of) = (&disk.directory_id, &disk.cluster_id);
                return Err(format!(
                    "the disk is formatted already, with directory id {directory} of cluster {of}; it \
                     is not formatted for cluster {cluster_id}"
                ));
            }
            Verdict::Empty { cluster_id: Some(of), .. } if of != format.cluster_id => {
                return Err(format!("the disk is of cluster {of}, not of {}", format.cluster_id));
            }
            Verdict::Empty { others, .. } => others,
        };
        self.check(format)?;
        self.begin(Formatting {
            cluster_id: format.cluster_id.clone(),
            quorum: self.quorum(format.initial.clone()),
            ignore_formatted: others,
        });
        Ok(())
    }

    fn check(&self, format: &Format) -> Result<(), String> {
        if !is_id(&format.cluster_id) {
            return Err(format!("'{}' is not an id of 22 characters", format.cluster_id));
        }
        let Some(initial) = &format.initial else { return Ok(()) };
        if !self.config.is(Role::Controller) {
            return Err("a node that is no controller is none of the initial controllers".into());
        }
        match directory_id_in(initial, self.config.node_id) {
            Some(id) if is_id(id) => Ok(()),
            Some(id) => Err(format!("'{id}' is not an id of 22 characters")),
            None => Err(format!("node {} is not among '{initial}'", self.config.node_id)),
        }
    }

    fn begin(&mut self, run: Formatting) {
        self.actions.push_back(Action::Format(run.clone()));
        self.stage = Stage::Formatting { run, then: None };
    }

    fn start_on(&mut self, start: &Start) -> Result<(), String> {
        if let Some(rack) = start.rack.as_ref().filter(|rack| !is_label(rack)) {
            return Err(format!(
                "'{rack}' is no zone: letters, digits, '-', '_' and '.', at most 63"
            ));
        }
        let cluster_id = match judge(&self.config, &self.disks) {
            Verdict::Unusable(why) => return Err(why),
            Verdict::Empty { .. } => return Err("the disk is not formatted".into()),
            Verdict::Formatted { disk, empty, .. } => empty.map(|_| disk.cluster_id.clone()),
        };
        let Some(cluster_id) = cluster_id else {
            self.start(start.clone());
            return Ok(());
        };
        let quorum = self.quorum(None);
        self.begin(Formatting { cluster_id, quorum, ignore_formatted: true });
        if let Stage::Formatting { then, .. } = &mut self.stage {
            *then = Some(start.clone());
        }
        Ok(())
    }
}

/// What Kubernetes allows as a label's value, and Java takes as it stands in a property file.
fn is_label(text: &str) -> bool {
    /// Of Kubernetes.
    const LABEL_BYTES_MAX: usize = 63;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.len() <= LABEL_BYTES_MAX && text.bytes().all(allowed)
}

/// The directory id that a quorum gives a node.
pub(super) fn directory_id(quorum: &Quorum, node_id: i32) -> Option<&str> {
    match quorum {
        Quorum::Initial(controllers) => directory_id_in(controllers, node_id),
        Quorum::Join | Quorum::None => None,
    }
}

/// In `0@host:9090:directory id,...`.
fn directory_id_in(controllers: &str, node_id: i32) -> Option<&str> {
    controllers.split(',').find_map(|controller| {
        let (id, place) = controller.trim().split_once('@')?;
        let (_, directory_id) = place.rsplit_once(':')?;
        (id.parse() == Ok(node_id)).then_some(directory_id)
    })
}

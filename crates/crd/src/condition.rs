//! Conditions, as Kubernetes' API conventions have them.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A resource's conditions, by type.
pub trait Conditions {
    /// Sets a condition; the time of its last transition moves only when its status does.
    fn set(
        &mut self,
        kind: &str,
        status: bool,
        reason: &str,
        message: &str,
        generation: Option<i64>,
        now: Time,
    );
    /// The condition of a type.
    fn of(&self, kind: &str) -> Option<&Condition>;
}

impl Conditions for Vec<Condition> {
    fn set(
        &mut self,
        kind: &str,
        status: bool,
        reason: &str,
        message: &str,
        generation: Option<i64>,
        now: Time,
    ) {
        let status = if status { "True" } else { "False" };
        let before = self.iter().position(|condition| condition.type_ == kind);
        let since = before.map(|index| &self[index]).filter(|known| known.status == status);
        let condition = Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: generation,
            last_transition_time: since.map_or(now, |known| known.last_transition_time.clone()),
        };
        match before {
            Some(index) => self[index] = condition,
            None => self.push(condition),
        }
    }

    fn of(&self, kind: &str) -> Option<&Condition> {
        self.iter().find(|condition| condition.type_ == kind)
    }
}

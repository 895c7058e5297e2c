//! When nodes are restarted.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When and how nodes are restarted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.mode) || self.mode != 'Window' || (has(self.windows) && size(self.windows) > 0)")
    .message("mode Window needs windows"))]
pub struct Rollout {
    /// When.
    #[serde(default)]
    pub mode: RolloutMode,
    /// For mode `Window`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub windows: Vec<MaintenanceWindow>,
    /// For mode `Manual`: the `status.plan.fingerprint` that is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// How many together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<Parallelism>,
    /// A restarted node that comes no nearer to being in step for so long stops the roll. 600 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30, max = 86400))]
    pub no_progress_timeout_seconds: Option<u32>,
    /// A node that runs and does not answer for so long is restarted. 300 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30, max = 86400))]
    pub unresponsive_timeout_seconds: Option<u32>,
}

/// When nodes are restarted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RolloutMode {
    /// As soon as it is safe.
    #[default]
    Auto,
    /// While a window is open.
    Window,
    /// Once the plan is approved.
    Manual,
}

/// A time of the week, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindow {
    /// Every day without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub days: Vec<Day>,
    /// `HH:MM`.
    #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: String,
    /// It may reach over midnight.
    #[schemars(range(min = 1, max = 10080))]
    pub minutes: u32,
}

/// A day of the week.
#[expect(missing_docs, reason = "they speak for themselves")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// How many nodes are restarted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parallelism {
    /// Up to so many brokers of one rack, once a first one came back with the new setup.
    #[schemars(range(min = 1, max = 1000))]
    pub brokers_of_one_rack: u32,
}

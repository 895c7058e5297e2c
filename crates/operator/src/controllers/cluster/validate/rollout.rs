//! When nodes are restarted, and how replicas are moved.

use klamm_crd::{Day, KafkaClusterSpec, MaintenanceWindow, Reassignment, Rollout, RolloutMode};

use super::Findings;
use crate::roller::{self, Parallelism, Policy, Weekday, Window};
use crate::{drain, model::Fingerprint};

/// A week.
const WINDOW_MINUTES_MAX: u32 = 7 * 24 * 60;

pub(super) fn check(spec: &KafkaClusterSpec, found: &mut Findings) {
    let rollout = &spec.rollout;
    if rollout.mode == RolloutMode::Window && rollout.windows.is_empty() {
        found.cluster(
            "spec.rollout.windows",
            "is empty, and the mode is Window",
            "write at least one window",
        );
    }
    for (index, window) in rollout.windows.iter().enumerate() {
        let field = format!("spec.rollout.windows[{index}]");
        if from_minute(&window.from).is_none() {
            let wrong = format!("is {:?}", window.from);
            found.cluster(
                format!("{field}.from"),
                wrong,
                "write a time of the day in UTC, 00:00 to 23:59",
            );
        }
        if !(1..=WINDOW_MINUTES_MAX).contains(&window.minutes) {
            let wrong = format!("is {}", window.minutes);
            found.cluster(format!("{field}.minutes"), wrong, "write 1 to 10080, which is a week");
        }
    }
    if spec.rack.as_ref().is_some_and(|rack| rack.topology_key.is_empty()) {
        found.cluster("spec.rack.topologyKey", "is empty", "name a label that machines have");
    }
    let certificates = &spec.certificates;
    for (which, policy) in [
        ("authority", &certificates.authority),
        ("node", &certificates.node),
        ("user", &certificates.user),
    ] {
        if policy.as_ref().is_some_and(|policy| policy.renew_before_days >= policy.validity_days) {
            let field = format!("spec.certificates.{which}.renewBeforeDays");
            found.cluster(
                field,
                "is not less than validityDays",
                "renew while the certificate is valid",
            );
        }
    }
}

/// As the roller wants it told. Times that are none were refused before.
pub(super) fn policy(rollout: &Rollout) -> Policy {
    let default = Policy::default();
    let ms =
        |seconds: Option<u32>, default_ms| seconds.map_or(default_ms, |s| u64::from(s) * 1_000);
    Policy {
        rollout: match rollout.mode {
            RolloutMode::Auto => roller::Rollout::Auto,
            RolloutMode::Window => {
                roller::Rollout::Window(rollout.windows.iter().filter_map(window).collect())
            }
            RolloutMode::Manual => roller::Rollout::Manual {
                approved: rollout.approved.clone().map(Fingerprint::from),
            },
        },
        parallelism: rollout.parallelism.as_ref().map_or(Parallelism::OneAtATime, |parallelism| {
            Parallelism::Rack { nodes_max: parallelism.brokers_of_one_rack as usize }
        }),
        no_progress_timeout_ms: ms(
            rollout.no_progress_timeout_seconds,
            default.no_progress_timeout_ms,
        ),
        unresponsive_timeout_ms: ms(
            rollout.unresponsive_timeout_seconds,
            default.unresponsive_timeout_ms,
        ),
    }
}

fn window(window: &MaintenanceWindow) -> Option<Window> {
    Some(Window {
        days: window.days.iter().copied().map(weekday).collect(),
        from_minute: from_minute(&window.from)?,
        length_minutes: window.minutes,
    })
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Monday => Weekday::Monday,
        Day::Tuesday => Weekday::Tuesday,
        Day::Wednesday => Weekday::Wednesday,
        Day::Thursday => Weekday::Thursday,
        Day::Friday => Weekday::Friday,
        Day::Saturday => Weekday::Saturday,
        Day::Sunday => Weekday::Sunday,
    }
}

/// `HH:MM`.
fn from_minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str, below: u32| {
        let number: u32 = (digits.len() == 2).then(|| digits.parse().ok())??;
        (number < below && digits.bytes().all(|b| b.is_ascii_digit())).then_some(number)
    };
    Some(two(hours, 24)? * 60 + two(minutes, 60)?)
}

/// As the drain wants it told.
pub(super) fn limits(reassignment: &Reassignment) -> drain::Limits {
    let default = drain::Limits::default();
    drain::Limits {
        partitions_max: reassignment.partitions_max.map_or(default.partitions_max, |n| n as usize),
        throttle_bytes_per_s: reassignment
            .throttle_bytes_per_second
            .or(default.throttle_bytes_per_s),
        ..default
    }
}

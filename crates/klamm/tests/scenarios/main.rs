//! The scenario table: real clients and servers, every scenario on the embedded log and on a real Apache Kafka.
//!
//! On the embedded log Kafka clients connect to klamm; on Apache Kafka they connect to that Kafka, and klamm is a gateway
//! in front of it. What a scenario expects is the same on both.

// A program has no outside: `pub` here means public to the program.
#![allow(unreachable_pub)]

mod consumers;
mod hostile;
mod messages;
mod restarts;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with the chaos test, each of which uses a part")]
mod support;
mod world;

use std::process::ExitCode;

use klamm_testkit::Skip;
use klamm_testkit::table::{self, Case};
use world::{Log, Shared, World};

type Scenario = fn(&World<'_>) -> Result<(), Skip>;

macro_rules! scenarios {
    ($($module:ident::$name:ident,)*) => {
        /// Name and test of each scenario, the longest first.
        const SCENARIOS: &[(&str, Scenario)] = &[$((stringify!($name), $module::$name),)*];
    };
}

scenarios! {
    hostile::silence_and_half_a_packet_cost_nothing_and_are_closed,
    restarts::log_restarted_under_load_keeps_what_was_acknowledged,
    restarts::killed_under_load_keeps_what_was_acknowledged,
    consumers::group_of_three_members_joins_and_leaves,
    consumers::cooperative_group_joins_and_leaves,
    consumers::group_goes_on_where_it_was_after_a_restart,
    hostile::slow_subscriber_gets_everything_and_holds_up_nobody,
    consumers::kafka_console_consumer_reads_values_keys_and_headers,
    messages::every_qos_in_both_versions_arrives_once_and_in_order,
    messages::mosquitto_pub_is_read_by_kcat_with_key_and_headers,
    messages::kcat_is_read_by_mosquitto_sub,
    restarts::orderly_restart_keeps_messages_and_loses_no_client_for_good,
    hostile::oversized_packet_is_refused_and_others_go_on,
    hostile::malformed_packets_close_their_connection_alone,
    hostile::malformed_kafka_frames_close_their_connection_alone,
}

fn main() -> ExitCode {
    let shared = Shared::new(env!("CARGO_BIN_EXE_klamm").as_ref());
    let mut cases = Vec::new();
    for (name, scenario) in SCENARIOS {
        for log in [Log::ApacheKafka, Log::Embedded] {
            let world = World::new(&shared, log, name);
            cases.push(Case::new(world.name(), move || scenario(&world)));
        }
    }
    let outcome = table::run(cases);
    // Ends the Apache Kafka that scenarios shared.
    drop(shared);
    outcome
}

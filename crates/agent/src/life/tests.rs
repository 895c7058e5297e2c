use klamm_agent::protocol::{Config, Disk, Format, Permit, Phase, Role, Start, Wait};

use super::{Action, Controllers, Formatting, Health, Life, Quorum};
use crate::disk::{Content, Disks, Marker};
use crate::testing::{CLUSTER, OTHER_CLUSTER, config, dirs, disk};

const INITIAL: &str = "0@a:9090:aaaaaaaaaaaaaaaaaaaaaa,3@b:9090:JEXY6aqzQY-32P5TStzaF0";

fn life(config: Config, disks: Disks) -> Life {
    let mut life = Life::new(config, 1_000);
    life.handle_disks(disks, 1_000);
    life
}

fn empty() -> Life {
    life(config(), dirs(&[Content::Empty]))
}

fn formatted() -> Disks {
    dirs(&[Content::Formatted(disk(3, CLUSTER, 0))])
}

fn marked(rack: Option<&str>) -> Disks {
    let marker = Marker::of(&disk(3, CLUSTER, 0), rack.map(Into::into));
    Disks { marker: Some(marker), ..formatted() }
}

fn format(cluster_id: &str, initial: Option<&str>) -> Permit {
    Permit::Format(Format { cluster_id: cluster_id.into(), initial: initial.map(Into::into) })
}

fn start(rack: Option<&str>) -> Permit {
    Permit::Start(Start { rack: rack.map(Into::into) })
}

fn wait(reason: &str) -> Permit {
    Permit::Wait(Wait { reason: reason.into() })
}

fn actions(life: &mut Life) -> Vec<Action> {
    std::iter::from_fn(|| life.poll_action()).collect()
}

fn started(rack: Option<&str>) -> Vec<Action> {
    let rack = rack.map(str::to_owned);
    let marker = Marker::of(&disk(3, CLUSTER, 0), rack.clone());
    vec![Action::Mark(marker), Action::Start(rack)]
}

#[track_caller]
fn refused(life: &mut Life, permit: Permit, why: &str) {
    let before = life.phase();
    let said = life.handle_permit(permit, 1_000).unwrap_err();
    assert!(said.contains(why), "{said}");
    assert_eq!(life.phase(), before);
    assert_eq!(life.poll_action(), None);
}

#[track_caller]
fn waits(life: &Life, why: &str) {
    match life.phase() {
        Phase::Waiting { reason } => assert!(reason.contains(why), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn failed(life: &Life, said: &str) {
    match life.phase() {
        Phase::Failed { why } => assert!(why.contains(said), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn empty_disk_waits_for_ever() {
    let mut life = empty();
    life.handle_tick(u64::MAX);
    waits(&life, "empty");
    assert_eq!(life.poll_action(), None);
    refused(&mut life, start(None), "not formatted");
}

#[test]
fn empty_disk_is_formatted_once_and_then_waits_for_a_permit_to_start() {
    let mut life = empty();
    let permit = format(CLUSTER, Some(INITIAL));
    life.handle_permit(permit.clone(), 1_000).unwrap();
    assert_eq!(life.phase(), Phase::Formatting);
    life.handle_permit(permit.clone(), 1_000).unwrap();
    let run = Formatting {
        cluster_id: CLUSTER.into(),
        quorum: Quorum::Initial(INITIAL.into()),
        ignore_formatted: false,
    };
    assert_eq!(actions(&mut life), [Action::Format(run)]);
    refused(&mut life, start(None), "being formatted");
    refused(&mut life, format(CLUSTER, None), "being formatted");
    assert_eq!(life.disks().metadata(), Disk::Empty);
    life.handle_formatted(Ok(()), formatted(), 2_000);
    assert_eq!(life.disks().metadata(), Disk::Formatted(disk(3, CLUSTER, 0)));
    waits(&life, "never started");
    life.handle_permit(permit, 2_000).unwrap();
    life.handle_tick(u64::MAX);
    assert_eq!(life.poll_action(), None);
    life.handle_permit(start(Some("zone-a")), 3_000).unwrap();
    assert_eq!(actions(&mut life), started(Some("zone-a")));
    assert_eq!(life.phase(), Phase::Starting);
}

#[test]
fn permit_of_an_earlier_life_is_worth_nothing() {
    let mut life = empty();
    life.handle_permit(format(CLUSTER, None), 1_000).unwrap();
    let mut next = empty();
    next.handle_tick(u64::MAX);
    assert_eq!(next.poll_action(), None);
}

#[test]
fn disk_read_while_it_is_formatted_changes_nothing() {
    let mut life = empty();
    life.handle_permit(format(CLUSTER, Some(INITIAL)), 1_000).unwrap();
    actions(&mut life);
    life.handle_disks(formatted(), 1_000);
    assert_eq!(life.disks().metadata(), Disk::Empty);
    life.handle_formatted(Ok(()), formatted(), 2_000);
    life.handle_permit(start(None), 2_000).unwrap();
    actions(&mut life);
    // Read before and told now: Kafka runs on the disk, which is not formatted again.
    life.handle_disks(dirs(&[Content::Empty]), 2_000);
    refused(&mut life, format(CLUSTER, Some(INITIAL)), "in use");
}

#[test]
fn formatted_disk_is_not_formatted() {
    let mut life = life(config(), formatted());
    refused(&mut life, format(CLUSTER, None), "formatted already");
    refused(&mut life, format(OTHER_CLUSTER, Some(INITIAL)), "formatted already");
}

#[test]
fn format_that_is_not_for_this_node_is_refused() {
    refused(&mut empty(), format("short", None), "22 characters");
    refused(&mut empty(), format(CLUSTER, Some("0@a:9090:aaaaaaaaaaaaaaaaaaaaaa")), "node 3");
    refused(&mut empty(), format(CLUSTER, Some("3@a:9090:aaaa")), "22 characters");
    let broker = Config { roles: vec![Role::Broker], ..config() };
    let mut broker = life(broker, dirs(&[Content::Empty]));
    refused(&mut broker, format(CLUSTER, Some(INITIAL)), "no controller");
    broker.handle_permit(format(CLUSTER, None), 1_000).unwrap();
    let Some(Action::Format(run)) = broker.poll_action() else { panic!("not formatted") };
    assert_eq!(run.quorum, Quorum::None);
}

#[test]
fn lost_disk_of_a_node_is_formatted_only_for_its_cluster() {
    let others = [Content::Empty, Content::Formatted(disk(3, CLUSTER, 1))];
    let mut life = life(config(), dirs(&others));
    refused(&mut life, format(OTHER_CLUSTER, None), "of cluster");
    life.handle_permit(format(CLUSTER, None), 1_000).unwrap();
    let Some(Action::Format(run)) = life.poll_action() else { panic!("not formatted") };
    assert_eq!((run.quorum, run.ignore_formatted), (Quorum::Join, true));
}

#[test]
fn failed_formatting_is_told_and_may_be_permitted_again() {
    let mut life = empty();
    let permit = format(CLUSTER, Some(INITIAL));
    life.handle_permit(permit.clone(), 1_000).unwrap();
    actions(&mut life);
    life.handle_formatted(Err("no space left".into()), dirs(&[Content::Empty]), 2_000);
    failed(&life, "no space left");
    assert_eq!(life.state(None, vec![]).said.as_deref(), Some("no space left"));
    life.handle_permit(permit, 3_000).unwrap();
    assert_eq!(actions(&mut life).len(), 1);
}

#[test]
fn formatting_with_other_ids_than_permitted_is_a_failure() {
    for wrong in [disk(3, CLUSTER, 1), disk(3, OTHER_CLUSTER, 0)] {
        let mut life = empty();
        life.handle_permit(format(CLUSTER, Some(INITIAL)), 1_000).unwrap();
        life.handle_formatted(Ok(()), dirs(&[Content::Formatted(wrong)]), 2_000);
        failed(&life, "other ids");
    }
    let mut life = empty();
    life.handle_permit(format(CLUSTER, Some(INITIAL)), 1_000).unwrap();
    life.handle_formatted(Ok(()), dirs(&[Content::Empty]), 2_000);
    failed(&life, "not formatted");
}

#[test]
fn unmarked_disk_waits_for_its_first_permit() {
    let mut life = life(config(), formatted());
    life.handle_tick(u64::MAX);
    assert_eq!(life.poll_action(), None);
    waits(&life, "never started");
    life.handle_permit(start(None), 1_000).unwrap();
    assert_eq!(actions(&mut life), started(None));
}

#[test]
fn marked_disk_is_started_on_when_nobody_speaks_within_the_grace_time() {
    let mut life = life(config(), marked(Some("zone-a")));
    life.handle_tick(3_999);
    assert_eq!(life.poll_action(), None);
    life.handle_tick(4_000);
    assert_eq!(actions(&mut life), started(Some("zone-a")));
    life.handle_tick(9_000);
    assert_eq!(life.poll_action(), None);
    life.handle_started(7, None, 4_000);
    life.handle_permit(start(Some("zone-a")), 9_000).unwrap();
    refused(&mut life, start(Some("zone-b")), "takes a restart");
    refused(&mut life, start(None), "takes a restart");
    refused(&mut life, wait("x"), "runs already");
}

#[test]
fn operator_that_says_wait_is_waited_for() {
    let mut life = life(config(), marked(None));
    life.handle_permit(wait("the quorum has not formed"), 1_500).unwrap();
    life.handle_tick(u64::MAX);
    assert_eq!(life.poll_action(), None);
    waits(&life, "the quorum has not formed");
    life.handle_permit(start(Some("zone-b")), 2_000).unwrap();
    assert_eq!(actions(&mut life), started(Some("zone-b")));
}

#[test]
fn copied_marker_starts_nothing() {
    for copied in [disk(4, CLUSTER, 0), disk(3, OTHER_CLUSTER, 0), disk(3, CLUSTER, 1)] {
        let marker = Some(Marker::of(&copied, None));
        let mut life = life(config(), Disks { marker, ..formatted() });
        life.handle_tick(u64::MAX);
        assert_eq!(life.poll_action(), None);
    }
}

#[test]
fn foreign_disk_is_failed_whatever_is_permitted() {
    let foreign = dirs(&[Content::Formatted(disk(4, CLUSTER, 0))]);
    let mut life = life(config(), foreign);
    failed(&life, "formatted for node 4");
    life.handle_tick(u64::MAX);
    refused(&mut life, start(None), "formatted for node 4");
    refused(&mut life, format(CLUSTER, None), "formatted for node 4");
    life.handle_permit(wait("a foreign disk"), 1_000).unwrap();
    failed(&life, "formatted for node 4");
}

#[test]
fn empty_disk_beside_a_formatted_one_is_formatted_with_the_permit_to_start_and_not_before() {
    let one = Content::Formatted(disk(3, CLUSTER, 0));
    let marker = Some(Marker::of(&disk(3, CLUSTER, 0), None));
    let disks = Disks { marker, ..dirs(&[one.clone(), Content::Empty]) };
    let mut life = life(config(), disks);
    life.handle_tick(u64::MAX);
    assert_eq!(life.poll_action(), None);
    waits(&life, "/d1/log is empty");
    life.handle_permit(start(None), 1_000).unwrap();
    let run =
        Formatting { cluster_id: CLUSTER.into(), quorum: Quorum::Join, ignore_formatted: true };
    assert_eq!(actions(&mut life), [Action::Format(run)]);
    let both = dirs(&[one, Content::Formatted(disk(3, CLUSTER, 1))]);
    life.handle_formatted(Ok(()), both, 2_000);
    assert_eq!(actions(&mut life), started(None));
}

fn running() -> Life {
    let mut life = life(config(), formatted());
    life.handle_permit(start(None), 1_000).unwrap();
    actions(&mut life);
    life.handle_started(7, Some("00ff".into()), 1_000);
    life
}

#[test]
fn kafka_is_starting_then_recovering_then_ready() {
    let mut life = running();
    assert_eq!(life.phase(), Phase::Starting);
    life.handle_health(Health::NotReady, 1_500);
    life.handle_logs_left(9, 2_000);
    life.handle_logs_left(4, 3_000);
    assert_eq!(life.phase(), Phase::Recovering { logs_left: 4 });
    let state = life.state(Some("ff00".into()), vec![]);
    assert_eq!(state.phase_since_ms, 2_000);
    assert_eq!(state.kafka.map(|kafka| (kafka.pid, kafka.started_ms)), Some((7, 1_000)));
    life.handle_logs_left(0, 4_000);
    assert_eq!(life.phase(), Phase::Starting);
    life.handle_health(Health::Ready, 5_000);
    assert_eq!(life.phase(), Phase::Ready);
    assert_eq!(life.state(None, vec![]).phase_since_ms, 5_000);
}

#[test]
fn kafka_that_was_ready_is_unresponsive_after_three_misses_and_ready_again_with_one_answer() {
    let mut life = running();
    life.handle_health(Health::Ready, 1_000);
    life.handle_health(Health::NotReady, 2_000);
    life.handle_health(Health::NotReady, 3_000);
    assert_eq!(life.phase(), Phase::Ready);
    life.handle_health(Health::NotReady, 4_000);
    assert_eq!(life.phase(), Phase::Unresponsive);
    life.handle_health(Health::Ready, 5_000);
    assert_eq!(life.phase(), Phase::Ready);
}

#[test]
fn end_of_kafka_is_the_end_with_its_code() {
    let mut life = running();
    life.handle_ended(137, 2_000);
    assert_eq!(actions(&mut life), [Action::Exit(137)]);
}

#[test]
fn asked_to_end_it_waits_for_kafka() {
    let mut life = running();
    life.handle_end_asked(2_000);
    assert_eq!(life.phase(), Phase::Stopping);
    life.handle_health(Health::Ready, 2_500);
    assert_eq!(life.phase(), Phase::Stopping);
    assert_eq!(life.poll_action(), None);
    refused(&mut life, start(None), "being stopped");
    life.handle_ended(143, 3_000);
    assert_eq!(actions(&mut life), [Action::Exit(143)]);
}

#[test]
fn kafka_that_no_controller_lets_go_is_killed() {
    let mut life = running();
    life.handle_controllers(Controllers::Silent, 1_000);
    life.handle_end_asked(2_000);
    life.handle_controllers(Controllers::Silent, 3_000);
    life.handle_controllers(Controllers::Silent, 32_999);
    assert_eq!(life.poll_action(), None);
    life.handle_controllers(Controllers::Silent, 33_000);
    assert_eq!(actions(&mut life), [Action::Kill]);
    life.handle_controllers(Controllers::Silent, 34_000);
    assert_eq!(life.poll_action(), None);
    life.handle_ended(137, 35_000);
    assert_eq!(actions(&mut life), [Action::Exit(137)]);
}

#[test]
fn controller_that_is_heard_again_has_all_the_time() {
    let mut life = running();
    life.handle_end_asked(2_000);
    life.handle_controllers(Controllers::Silent, 3_000);
    life.handle_controllers(Controllers::Heard, 20_000);
    life.handle_controllers(Controllers::Silent, 33_000);
    life.handle_controllers(Controllers::Silent, 62_000);
    assert_eq!(life.poll_action(), None);
}

#[test]
fn asked_to_end_while_it_waits_it_ends_and_while_it_formats_it_finishes() {
    let mut waiting = empty();
    waiting.handle_end_asked(2_000);
    assert_eq!(actions(&mut waiting), [Action::Exit(0)]);
    let mut formatting = empty();
    formatting.handle_permit(format(CLUSTER, Some(INITIAL)), 1_000).unwrap();
    actions(&mut formatting);
    formatting.handle_end_asked(2_000);
    assert_eq!(formatting.poll_action(), None);
    formatting.handle_formatted(Ok(()), formatted(), 3_000);
    assert_eq!(actions(&mut formatting), [Action::Exit(0)]);
}

#[test]
fn certificate_is_that_of_the_start_until_the_operator_says_it_was_loaded() {
    let mut life = running();
    let started = |life: &Life| life.state(None, vec![]).certificate.started;
    assert_eq!(started(&life).as_deref(), Some("00ff"));
    life.handle_loaded("11ee".into()).unwrap();
    assert_eq!(started(&life).as_deref(), Some("11ee"));
    empty().handle_loaded("11ee".into()).unwrap_err();
}

#[test]
fn kafka_that_cannot_be_started_is_told() {
    let mut life = life(config(), formatted());
    life.handle_permit(start(None), 1_000).unwrap();
    actions(&mut life);
    life.handle_not_started("/opt/kafka/bin/kafka-server-start.sh: not found".into(), 1_000);
    failed(&life, "not found");
    life.handle_permit(start(None), 1_000).unwrap();
    assert_eq!(actions(&mut life), started(None));
}

#[test]
fn rack_that_could_be_another_property_is_refused() {
    for rack in ["", "a\nlisteners=x", "a\\u000a", &"a".repeat(64)] {
        refused(&mut life(config(), formatted()), start(Some(rack)), "is no zone");
    }
}

#[test]
fn long_line_is_cut_between_characters() {
    let mut life = running();
    life.handle_said(&"ä".repeat(2_000));
    assert_eq!(life.state(None, vec![]).said, Some("ä".repeat(512)));
}

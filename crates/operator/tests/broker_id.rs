//! `klamm-operator broker-id` as real processes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A broker, as far as its id goes: appends a line to its data, says its id, and lives on.
const BROKER: &str = r#"echo start >> "$1/data"; echo "$2"; exec sleep 600"#;

struct Starter(Child);

impl Drop for Starter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(base: &Path, ids: &str, wait: &str) -> Starter {
    let child = Command::new(env!("CARGO_BIN_EXE_klamm-operator"))
        .args(["broker-id", "--ids", ids, wait, "--base"])
        .arg(base)
        .args(["--", "sh", "-c", BROKER, "broker", "{dir}", "{id}"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    Starter(child.unwrap())
}

/// Waits until the starter has become the broker.
fn id(starter: &mut Starter) -> u32 {
    let mut line = String::new();
    BufReader::new(starter.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim().parse().unwrap_or_else(|_| panic!("no id but {line:?}"))
}

fn starts(base: &Path, id: u32) -> usize {
    std::fs::read_to_string(base.join(format!("kafka-{id}/data"))).unwrap().lines().count()
}

/// A seeded sequence: which die is the same in every run, who gets which id is up to the machine.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

#[test]
fn ten_starters_never_share_an_id_and_reuse_what_the_dead_left() {
    let base = tempfile::tempdir().unwrap();
    let mut state = 2017;
    // More ids than brokers: a starter that found a dead one's data owned would take a new one, and be seen.
    let begin = |count: usize| -> Vec<Starter> {
        (0..count).map(|_| start(base.path(), "1-30", "--wait=60")).collect()
    };
    let mut owners: BTreeMap<u32, Starter> = BTreeMap::new();
    let mut expected = 10;
    for round in 0..=20 {
        let mut starters = begin(10 - owners.len());
        for mut starter in starters.drain(..) {
            let id = id(&mut starter);
            assert!(owners.insert(id, starter).is_none(), "round {round}: two owners of {id}");
        }
        let ids: BTreeSet<u32> = owners.keys().copied().collect();
        assert_eq!(ids, (1..=10).collect(), "round {round}");
        if round < 20 {
            let dying = 1 + next(&mut state) % 10;
            for _ in 0..dying {
                let ids: Vec<u32> = owners.keys().copied().collect();
                // Killed and reaped: from here on its lock is gone.
                drop(owners.remove(&ids[next(&mut state) % ids.len()]));
            }
            expected += dying;
        }
    }
    let total: usize = (1..=10).map(|id| starts(base.path(), id)).sum();
    assert_eq!(total, expected);
}

#[test]
fn starters_killed_at_any_moment_leave_nothing_locked() {
    let base = tempfile::tempdir().unwrap();
    for round in 0..5 {
        // Dropping kills and reaps, wherever they are.
        drop((0..10).map(|_| start(base.path(), "1-10", "--wait=0")).collect::<Vec<_>>());
        let mut starters: Vec<_> =
            (0..10).map(|_| start(base.path(), "1-10", "--wait=0")).collect();
        let ids: BTreeSet<u32> = starters.iter_mut().map(id).collect();
        assert_eq!(ids.len(), 10, "round {round}");
    }
}

#[test]
fn one_more_than_there_are_ids_waits_until_one_is_free() {
    let base = tempfile::tempdir().unwrap();
    let mut first = start(base.path(), "5", "--wait=0");
    assert_eq!(id(&mut first), 5);
    let mut refused = start(base.path(), "5", "--wait=0");
    let mut said = String::new();
    BufReader::new(refused.0.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "", "it ends without a broker");
    let mut second = start(base.path(), "5", "--wait");
    drop(first);
    assert_eq!(id(&mut second), 5);
    assert_eq!(starts(base.path(), 5), 2);
}

#[test]
fn program_learns_its_id_by_template_and_environment() {
    let base = tempfile::tempdir().unwrap();
    let (from, to) = (base.path().join("server.properties"), base.path().join("{id}.properties"));
    std::fs::write(&from, "node.id={id}\nlog.dirs={dir}\nhost={env:HOST_IP}\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_klamm-operator"))
        .args(["broker-id", "--ids", "3", "--prefix", "log-", "--env", "OWN=broker-{id}"])
        .arg("--template")
        .arg(format!("{}:{}", from.display(), to.display()))
        .arg("--base")
        .arg(base.path())
        .args(["--", "sh", "-c", "echo $OWN $KLAMM_BROKER_ID $KLAMM_BROKER_DIR"])
        .env("HOST_IP", "10.1.2.3")
        .output()
        .unwrap();
    let dir = base.path().join("log-3");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("broker-3 3 {}\n", dir.display())
    );
    assert_eq!(
        std::fs::read_to_string(base.path().join("3.properties")).unwrap(),
        format!("node.id=3\nlog.dirs={}\nhost=10.1.2.3\n", dir.display())
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let base = tempfile::tempdir().unwrap();
    let complain = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_klamm-operator"))
            .args(["broker-id", "--base"])
            .arg(base.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(complain(&["--ids", "3-1", "--", "true"]).contains("the last id is below the first"));
    assert!(complain(&["--ids", "1", "--", "/no/such"]).contains("cannot run /no/such"));
    let missing = complain(&["--ids", "1", "--", "echo", "{env:KLAMM_NO_SUCH}"]);
    assert!(missing.contains("no such environment variable"), "{missing}");
}

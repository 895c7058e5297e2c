//! The agent as a process, with shell scripts for Kafka and its tool.

use std::fs;
use std::process::Command;

use klamm_agent::protocol::{Disk, Format, Listener, Permit, Phase, Start, State, Wait};
use klamm_testkit::{Finished, PATIENCE, Process, eventually};

use crate::pod::{Authority, CLUSTER, DIRECTORY, Pod, certificate};

/// Formats as Kafka does, as far as anybody looks.
const STORAGE: &str = r#"
echo "$*" >> $POD/calls
for word; do case $word in
  --cluster-id=*) cluster=${word#*=} ;;
  *3@*) directory=${word##*:} ;;
esac; done
mkdir -p $POD/volume/log
printf 'node.id=3\ndirectory.id=%s\nversion=1\ncluster.id=%s\n' $directory $cluster > $POD/volume/log/meta.properties
"#;

/// Ends in order when asked to, as soon as it may.
const SERVER: &str = r#"
trap 'echo told; while ! test -e $POD/go; do sleep 0.01; done; exit 143' TERM
echo serving $1 with $(grep rack $1)
while :; do sleep 0.05; done
"#;

fn start(rack: Option<&str>) -> Permit {
    Permit::Start(Start { rack: rack.map(Into::into) })
}

fn format_initial() -> Permit {
    let initial = Some(format!("0@a:9090:aaaaaaaaaaaaaaaaaaaaaa,3@b:9090:{DIRECTORY}"));
    Permit::Format(Format { cluster_id: CLUSTER.into(), initial })
}

#[track_caller]
fn ends(agent: Process, code: i32) -> Finished {
    let finished = agent.finish();
    assert_eq!(finished.status.code(), Some(code), "{}{}", finished.stdout, finished.stderr);
    finished
}

/// A pod whose Kafka was started with a permit.
fn started(server: &str) -> (Pod, Process) {
    let pod = Pod::new(STORAGE, server);
    pod.formatted(3);
    let agent = pod.start();
    assert_eq!(pod.permit(&start(None)).0, 204);
    (pod, agent)
}

fn is_running(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap()
}

#[test]
fn certificate_of_a_listener_is_joined_before_kafka_starts_and_when_it_is_renewed() {
    let mut pod =
        Pod::new(STORAGE, "cat $POD/run/listeners/public.pem; while :; do sleep 0.05; done");
    pod.config.listeners = vec![Listener {
        name: "public".into(),
        certificate: pod.path("tls.crt"),
        key: pod.path("tls.key"),
        keystore: pod.path("run/listeners/public.pem"),
    }];
    pod.formatted(3);
    let agent = pod.start();
    assert_eq!(pod.permit(&start(None)).0, 204);
    let why = pod.until("failed", |phase| match phase {
        Phase::Failed { why } => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("tls.key: No such file"), "{why}");
    agent.terminate();
    agent.finish();

    fs::write(pod.path("tls.key"), "key\n").unwrap();
    fs::write(pod.path("tls.crt"), "first\n").unwrap();
    let agent = pod.start();
    assert_eq!(pod.permit(&start(None)).0, 204);
    agent.wait_for("Kafka", |text| text.contains("key\n\nfirst").then_some(()));
    let first = pod.state().listeners;
    assert!(first.started.is_some() && first.started == first.mounted, "{first:?}");

    fs::write(pod.path("tls.crt"), "second\n").unwrap();
    let second = eventually("another certificate", || {
        let now = pod.state().listeners;
        (now.mounted != first.mounted).then_some(now)
    });
    assert_eq!(second.started, first.started);
    let joined = fs::read_to_string(pod.path("run/listeners/public.pem")).unwrap();
    assert_eq!(joined, "key\n\nsecond\n");
    let (mounted, own) = (second.mounted.unwrap(), pod.state().certificate.mounted.unwrap());
    let told = format!(r#"{{"loaded":"{own}","listeners":"{mounted}"}}"#);
    assert_eq!(pod.call("PUT", "/v1/certificate", &told).0, 204);
    assert_eq!(pod.state().listeners.started, Some(mounted));
}

#[test]
fn disk_is_formatted_then_started_on_with_permits_and_next_time_by_itself() {
    let pod = Pod::new(STORAGE, SERVER);
    let agent = pod.start();
    pod.until("waiting", |phase| matches!(phase, Phase::Waiting { .. }).then_some(()));
    assert_eq!(pod.state().disk, Disk::Empty);
    assert_eq!(pod.permit(&start(None)).0, 409);
    assert_eq!(pod.permit(&format_initial()).0, 204);
    let disk = eventually("a formatted disk", || match pod.state().disk {
        Disk::Formatted(disk) => Some(disk),
        _ => None,
    });
    assert_eq!((&*disk.cluster_id, disk.node_id, &*disk.directory_id), (CLUSTER, 3, DIRECTORY));
    let calls = fs::read_to_string(pod.path("calls")).unwrap();
    assert!(calls.starts_with(&format!("format --cluster-id={CLUSTER} --config ")), "{calls}");
    assert!(!pod.path("volume/.klamm").exists());

    assert_eq!(pod.permit(&start(Some("zone-a"))).0, 204);
    agent.wait_for("Kafka", |text| text.contains("with broker.rack=zone-a").then_some(()));
    let state = pod.state();
    assert_eq!((state.phase, state.rack.as_deref()), (Phase::Starting, Some("zone-a")));
    fs::write(pod.path("go"), "").unwrap();
    agent.terminate();
    ends(agent, 143);

    let agent = pod.start();
    agent.wait_for("Kafka", |text| text.contains("with broker.rack=zone-a").then_some(()));
    agent.terminate();
    ends(agent, 143);
    assert_eq!(fs::read_to_string(pod.path("calls")).unwrap(), calls);
}

#[test]
fn wait_holds_back_a_disk_that_would_be_started_on() {
    let mut pod = Pod::new(STORAGE, SERVER);
    // Longer than any test: what is shown is the order, not the time.
    pod.config.grace_ms = 3_600_000;
    pod.formatted(3);
    pod.marked(DIRECTORY);
    let agent = pod.start();
    let wait = Permit::Wait(Wait { reason: "the quorum has not formed".into() });
    assert_eq!(pod.permit(&wait).0, 204);
    assert_eq!(
        pod.ask(&["probe", "ready"]),
        (false, "waiting: the quorum has not formed\n".into())
    );
    agent.terminate();
    ends(agent, 0);
}

#[test]
fn copied_marker_and_foreign_disk_start_nothing_and_stay_as_they_are() {
    let pod = Pod::new(STORAGE, SERVER);
    pod.formatted(3);
    pod.marked("aaaaaaaaaaaaaaaaaaaaaa");
    let agent = pod.start();
    let reason = pod.until("a reason", |phase| match phase {
        Phase::Waiting { reason } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.contains("never started on this disk"), "{reason}");
    // It is read anew each second: somebody mounts another node's volume.
    pod.formatted(4);
    let before = fs::read(pod.path("volume/log/meta.properties")).unwrap();
    let why = pod.until("a failure", |phase| match phase {
        Phase::Failed { why } => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("is formatted for node 4, and this is node 3"), "{why}");
    for permit in [start(None), format_initial()] {
        let (status, text) = pod.permit(&permit);
        assert!(status == 409 && text.contains("node 4"), "{status} {text}");
    }
    agent.terminate();
    let finished = ends(agent, 0);
    assert!(!finished.stdout.contains("serving") && !pod.path("calls").exists());
    assert_eq!(fs::read(pod.path("volume/log/meta.properties")).unwrap(), before);
}

#[test]
fn failed_formatting_is_told_and_what_it_left_is_cleared_before_the_next() {
    let failing = r#"
        mkdir -p $POD/volume/log/__cluster_metadata-0
        echo x > $POD/volume/log/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint
        echo 'no space left' >&2; exit 1"#;
    let pod = Pod::new(failing, SERVER);
    let agent = pod.start();
    eventually("a permit", || (pod.permit(&format_initial()).0 == 204).then_some(()));
    let why = pod.until("a failure", |phase| match phase {
        Phase::Failed { why } => Some(why.clone()),
        _ => None,
    });
    assert_eq!(why, "formatting ended with code 1: no space left");
    assert_eq!(pod.state().said.as_deref(), Some(&*why));
    pod.script(
        "storage.sh",
        &format!("test ! -e $POD/volume/log/__cluster_metadata-0 || exit 9\n{STORAGE}"),
    );
    assert_eq!(pod.permit(&format_initial()).0, 204);
    eventually("a formatted disk", || matches!(pod.state().disk, Disk::Formatted(_)).then_some(()));
    agent.terminate();
    ends(agent, 0);
}

#[test]
fn output_and_code_of_kafka_are_those_of_the_agent() {
    let (_pod, agent) = started("echo hello; echo '[x] ERROR oops' >&2; printf last; exit 7");
    let finished = ends(agent, 7);
    assert_eq!(finished.stdout, "hello\nlast");
    assert!(finished.stderr.contains("[x] ERROR oops\n"), "{}", finished.stderr);
}

#[test]
fn kafka_that_was_killed_is_told_as_a_shell_tells_it() {
    let (_pod, agent) = started("kill -9 $$");
    ends(agent, 137);
}

#[test]
fn kafka_that_cannot_be_started_is_told() {
    let mut pod = Pod::new(STORAGE, SERVER);
    pod.config.server = "/no/such/kafka".into();
    pod.formatted(3);
    let agent = pod.start();
    assert_eq!(pod.permit(&start(None)).0, 204);
    let why = pod.until("a failure", |phase| match phase {
        Phase::Failed { why } => Some(why.clone()),
        _ => None,
    });
    assert!(why.starts_with("/no/such/kafka: No such file"), "{why}");
    assert!(agent.is_running());
}

#[test]
fn term_is_passed_on_and_the_end_of_kafka_waited_for() {
    let (pod, agent) = started(SERVER);
    agent.wait_for("Kafka", |text| text.find("serving"));
    agent.terminate();
    agent.wait_for("a signal", |text| text.find("told"));
    assert_eq!(pod.state().phase, Phase::Stopping);
    assert_eq!(pod.permit(&start(None)).0, 409);
    assert_eq!(pod.ask(&["probe", "ready"]), (false, "stopping\n".into()));
    fs::write(pod.path("go"), "").unwrap();
    ends(agent, 143);
}

#[test]
fn quit_is_passed_on_and_ends_nothing() {
    let (pod, agent) = started("trap 'echo threads' QUIT\necho on\nwhile :; do sleep 0.05; done");
    agent.wait_for("Kafka", |text| text.find("on\n"));
    agent.signal("QUIT");
    agent.wait_for("threads", |text| text.find("threads"));
    assert_eq!(pod.state().phase, Phase::Starting);
    agent.terminate();
    ends(agent, 143);
}

#[test]
fn orphans_are_reaped() {
    // Each subshell ends at once and leaves its child to the agent.
    let server =
        "for i in 1 2 3; do (sh -c 'echo $$ >> $0; exec sleep 0.1' $POD/orphans &); done\n";
    let (pod, agent) = started(&format!("{server}{SERVER}"));
    agent.wait_for("Kafka", |text| text.find("serving"));
    let orphans = eventually("three orphans", || {
        let text = fs::read_to_string(pod.path("orphans")).ok()?;
        let pids: Vec<u32> = text.lines().filter_map(|pid| pid.parse().ok()).collect();
        (pids.len() == 3).then_some(pids)
    });
    // A zombie stays in /proc until its parent, the agent, has reaped it.
    eventually("no zombies", || orphans.iter().all(|pid| !is_running(*pid)).then_some(()));
    assert_eq!(pod.state().phase, Phase::Starting);
}

#[test]
fn output_that_somebody_else_holds_open_keeps_nobody() {
    let (pod, agent) = started("sleep 300 & echo $! > $POD/child; exit 5");
    ends(agent, 5);
    let pid = fs::read_to_string(pod.path("child")).unwrap();
    Command::new("kill").arg(pid.trim()).status().unwrap();
}

#[test]
fn recovery_is_told_with_what_is_left() {
    let server = r"
        dir=$POD/volume/log
        echo INFO Recovering 2 logs from $dir since no clean shutdown file was found
        while ! test -e $POD/one; do sleep 0.01; done
        echo INFO Completed load of x with 1 segments in 1ms '(1/2 completed in '$dir')' '(kafka.log.LogManager)'
        while ! test -e $POD/two; do sleep 0.01; done
        echo INFO Loaded 2 logs in 9ms
        while :; do sleep 0.05; done";
    let (pod, _agent) = started(server);
    let is = |logs_left: u64| {
        move |phase: &Phase| (*phase == Phase::Recovering { logs_left }).then_some(())
    };
    pod.until("two logs", is(2));
    let (ready, text) = pod.ask(&["probe", "ready"]);
    assert!(!ready && text.starts_with("recovering, 2 logs left: "), "{text}");
    fs::write(pod.path("one"), "").unwrap();
    pod.until("one log", is(1));
    fs::write(pod.path("two"), "").unwrap();
    pod.until("none", |phase| (*phase == Phase::Starting).then_some(()));
}

#[test]
fn only_the_operator_may_call() {
    let pod = Pod::new(STORAGE, SERVER);
    let _agent = pod.start();
    let node = pod.authority.sign("node");
    let ((status, text), _) = pod.call_as(Some(&node), "GET", "/v1/state", "").unwrap();
    assert!(status == 403 && text.contains("not 'CN=node,O=c'"), "{status} {text}");
    let trick = pod.authority.sign("klamm-operator,O=c");
    assert_eq!(pod.call_as(Some(&trick), "GET", "/v1/state", "").unwrap().0.0, 403);
    let stranger = Authority::new().sign("klamm-operator");
    pod.call_as(Some(&stranger), "GET", "/v1/state", "").unwrap_err();
    pod.call_as(None, "GET", "/v1/state", "").unwrap_err();
    assert_eq!(pod.state().node_id, 3);
}

#[test]
fn calls_that_make_no_sense_are_refused_in_words() {
    let pod = Pod::new(STORAGE, SERVER);
    let _agent = pod.start();
    let refused = |method: &str, path: &str, body: &str| {
        let (status, text) = pod.call(method, path, body);
        let refusal: klamm_agent::protocol::Refusal = serde_json::from_str(&text).unwrap();
        assert!(!refusal.message.is_empty());
        status
    };
    assert_eq!(refused("GET", "/", ""), 404);
    assert_eq!(refused("POST", "/v1/permit", "{}"), 405);
    assert_eq!(refused("PUT", "/v1/permit", "{"), 400);
    assert_eq!(refused("PUT", "/v1/permit", r#"{"erase":{}}"#), 400);
    assert_eq!(refused("PUT", "/v1/permit", &" ".repeat(17 << 10)), 413);
    assert_eq!(refused("PUT", "/v1/certificate", r#"{"loaded":"00ff"}"#), 409);
}

#[test]
fn certificate_is_taken_when_its_files_change() {
    let (pod, agent) = started(SERVER);
    agent.wait_for("Kafka", |text| text.find("serving"));
    let before = pod.certificates();
    assert!(before.started.is_some() && before.started == before.mounted, "{before:?}");
    let node = pod.certificate();
    let new = certificate(&node.certificate);
    eventually("the new certificate", || {
        let (_, shown) = pod.call_as(Some(&pod.operator), "GET", "/v1/state", "").unwrap();
        (shown == new).then_some(())
    });
    let changed = pod.certificates();
    assert!(changed.started == before.started && changed.mounted != before.mounted, "{changed:?}");
    let loaded = changed.mounted.clone().unwrap();
    assert_eq!(pod.call("PUT", "/v1/certificate", &format!(r#"{{"loaded":"{loaded}"}}"#)).0, 204);
    assert_eq!(pod.certificates().started, changed.mounted);

    // Files that cannot be used change nothing but what is told.
    fs::write(pod.path("tls/keystore.pem"), "nothing").unwrap();
    eventually("a word about it", || pod.state().said.filter(|said| said.contains("keystore.pem")));
    assert_ne!(pod.certificates().mounted, changed.mounted);
}

#[test]
fn questions_from_within_the_pod_are_answered_with_a_code_and_a_line() {
    let pod = Pod::new(STORAGE, SERVER);
    let (live, text) = pod.ask(&["probe", "live"]);
    assert!(!live && text.starts_with("the agent does not answer: "), "{text}");
    let agent = pod.start();
    assert_eq!(pod.ask(&["probe", "live"]), (true, "alive\n".into()));
    pod.until("waiting", |phase| matches!(phase, Phase::Waiting { .. }).then_some(()));
    let said = (false, "waiting: the disk is empty: for a permit to format it\n".into());
    assert_eq!(pod.ask(&["probe", "ready"]), said);
    let (told, text) = pod.ask(&["state"]);
    let state: State = serde_json::from_str(&text).unwrap();
    assert!(told && state.disk == Disk::Empty, "{text}");
    // But for the room on the disk, which others change.
    let but_volumes = |state: &State| State { volumes: Vec::new(), ..state.clone() };
    assert_eq!(but_volumes(&state), but_volumes(&pod.local_state()));
    let [volume] = &*state.volumes else { panic!("{state:?}") };
    assert!(volume.free_bytes > 0 && volume.total_bytes >= volume.free_bytes, "{volume:?}");
    // The socket of an agent that was killed does not keep the next from its place.
    agent.kill();
    let _agent = pod.start();
    assert_eq!(pod.ask(&["probe", "live"]), (true, "alive\n".into()));
}

#[test]
fn program_installs_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let pod = Pod::new(STORAGE, SERVER);
    for _twice in 0..2 {
        assert!(pod.ask(&["install", pod.path("run").to_str().unwrap()]).0);
    }
    let place = pod.path("run/klamm-agent");
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o755);
    let version = Command::new(place).arg("--version").output().unwrap();
    assert!(version.stdout.starts_with(b"klamm-agent "));
    assert!(!pod.ask(&["install", "/no/such/place"]).0);
}

#[test]
fn configuration_that_is_broken_is_an_end_with_a_sentence() {
    let pod = Pod::new(STORAGE, SERVER);
    fs::write(pod.path("config/agent.json"), "{}").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm-agent"));
    command.arg("run").arg("--config-dir").arg(pod.path("config"));
    let agent = Process::start("klamm-agent", command);
    assert!(agent.wait(PATIENCE).is_some());
    let finished = ends(agent, 1);
    assert!(finished.stderr.contains("agent.json: missing field `node_id`"), "{}", finished.stderr);
}

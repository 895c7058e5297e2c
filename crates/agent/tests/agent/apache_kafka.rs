//! The agent with Apache Kafka itself.

use std::fs;
use std::process::Command;

use klamm_agent::protocol::{Disk, Format, Permit, Phase, Start};
use klamm_kafka::admin::{Admin, ConfigAlteration, ConfigChange, Endpoint, NewTopic, Resource};
use klamm_kafka::client::ClientOptions;
use klamm_kafka::security::{ClientCertificate, Security, Tls};
use klamm_testkit::{PATIENCE, Peers, Process, Skip, eventually, holds_within};

use crate::pod::{CLUSTER, DIRECTORY, Pod, certificate};

/// Enough that loading their logs takes many times longer than looking at it once.
const PARTITIONS: i32 = 300;

const LOG4J: &str = r#"Configuration:
  Appenders:
    Console: {name: STDOUT, PatternLayout: {pattern: "[%d] %p %m (%c)%n"}}
  Loggers:
    Root: {level: INFO, AppenderRef: {ref: STDOUT}}
"#;

/// Every listener with mutual TLS, everybody else shut out; back soon after a kill.
fn properties(pod: &Pod) -> String {
    let (internal, controller) = (pod.config.internal_port, pod.config.controller_port);
    let listeners = format!("INTERNAL://127.0.0.1:{internal},CONTROLLER://127.0.0.1:{controller}");
    let dirs: Vec<_> = pod.config.log_dirs.iter().map(|dir| dir.display().to_string()).collect();
    let tls = pod.path("tls");
    let tls = tls.display();
    format!(
        "process.roles=broker,controller
node.id=3
log.dirs={dirs}
metadata.log.dir={metadata}
listeners={listeners}
advertised.listeners={listeners}
listener.security.protocol.map=INTERNAL:SSL,CONTROLLER:SSL
inter.broker.listener.name=INTERNAL
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
ssl.keystore.type=PEM
ssl.keystore.location={tls}/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location={tls}/truststore.pem
ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:CN=node,O=c;User:CN=klamm-operator,O=c
num.recovery.threads.per.data.dir=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=200
controller.quorum.election.timeout.ms=300
",
        dirs = dirs.join(","),
        metadata = pod.config.metadata_dir.display(),
    )
}

/// A script that becomes a main class of Kafka, as those of Kafka's `bin` do.
fn script(peers: &Peers, heap: &str, class: &str) -> Result<String, Skip> {
    let java = peers.java(heap, class)?;
    let mut words = vec![java.get_program().display().to_string()];
    words.push("$KAFKA_LOG4J_OPTS".into());
    words.extend(java.get_args().map(|word| format!("'{}'", word.display())));
    Ok(format!("exec {} \"$@\"", words.join(" ")))
}

fn pod() -> Option<Pod> {
    let peers = Peers::find();
    let scripts = script(&peers, "128m", "kafka.tools.StorageTool")
        .and_then(|storage| Ok((storage, script(&peers, "384m", "kafka.Kafka")?)));
    match scripts {
        Ok((storage, server)) => {
            let pod = Pod::new(&storage, &server);
            pod.properties(&properties(&pod));
            fs::write(pod.path("config/log4j2.yaml"), LOG4J).unwrap();
            Some(pod)
        }
        Err(skip) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{skip}"),
        Err(skip) => {
            println!("skipped: Apache Kafka: {skip}");
            None
        }
    }
}

fn admin(pod: &Pod) -> Admin {
    let own = &pod.operator;
    let own = ClientCertificate { chain: own.certificate.as_bytes(), key: own.key.as_bytes() };
    let tls = Tls::new(pod.authority.pem().as_bytes(), Some(&own)).unwrap();
    let options = ClientOptions::new("test").with_security(Security::default().with_tls(tls));
    Admin::new(&format!("127.0.0.1:{}", pod.config.internal_port), Endpoint::Brokers, options)
}

fn start(rack: &str) -> Permit {
    Permit::Start(Start { rack: Some(rack.into()) })
}

fn kill(pid: u32) {
    assert!(Command::new("kill").arg("-9").arg(pid.to_string()).status().unwrap().success());
}

/// Ends Java with the test, also when an agent that was killed cannot.
struct Java(u32);

impl Drop for Java {
    fn drop(&mut self) {
        let of_kafka = fs::read(format!("/proc/{}/cmdline", self.0)).unwrap_or_default();
        if String::from_utf8_lossy(&of_kafka).contains("kafka.Kafka") {
            let _ = Command::new("kill").arg("-9").arg(self.0.to_string()).status();
        }
    }
}

fn java(pod: &Pod) -> Java {
    Java(eventually("a process", || pod.state().kafka).pid)
}

#[track_caller]
fn until_ready(pod: &Pod, agent: &Process) {
    let mut said = String::new();
    let ready = holds_within(PATIENCE, || {
        let (ready, text) = pod.ask(&["probe", "ready"]);
        said = text;
        (ready || !agent.is_running()).then_some(ready)
    });
    assert_eq!(ready, Some(true), "{said}\n{}", agent.everything());
    assert_eq!(pod.state().phase, Phase::Ready);
}

#[test]
fn node_is_formatted_and_started_and_comes_back_by_itself_after_a_kill() {
    let Some(mut pod) = pod() else { return };
    let agent = pod.start();
    formatted_with_our_id(&pod);
    assert_eq!(pod.permit(&start("zone-a")).0, 204);
    let first = java(&pod);
    until_ready(&pod, &agent);
    assert_eq!(pod.state().rack.as_deref(), Some("zone-a"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(make_topic(&pod));
    runtime.block_on(certificate_is_loaded(&pod));
    kill(first.0);
    assert_eq!(agent.finish().status.code(), Some(137));

    // Nobody says a word to it: it looks only from within the pod.
    let agent = pod.start();
    let second = watch_recovery(&pod);
    until_ready(&pod, &agent);
    assert_eq!(pod.state().rack.as_deref(), Some("zone-a"));
    agent.terminate();
    let finished = agent.finish();
    assert_eq!(finished.status.code(), Some(143), "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("Shutdown complete"), "not in order: {}", finished.stdout);
    drop(second);

    with_another_disk(&mut pod);
}

/// By `--initial-controllers`, and not again.
fn formatted_with_our_id(pod: &Pod) {
    let controller = format!("3@127.0.0.1:{}:{DIRECTORY}", pod.config.controller_port);
    let format = Format { cluster_id: CLUSTER.into(), initial: Some(controller) };
    let format = Permit::Format(format);
    assert_eq!(pod.permit(&format).0, 204);
    let disk = eventually("a formatted disk", || match pod.state().disk {
        Disk::Formatted(disk) => Some(disk),
        _ => None,
    });
    assert_eq!((&*disk.cluster_id, disk.node_id, &*disk.directory_id), (CLUSTER, 3, DIRECTORY));
    let other = Format { cluster_id: CLUSTER.into(), initial: None };
    let (status, text) = pod.permit(&Permit::Format(other));
    assert!(status == 409 && text.contains("formatted already"), "{status} {text}");
}

async fn make_topic(pod: &Pod) {
    let topic = NewTopic { name: "t".into(), partitions: Some(PARTITIONS), ..NewTopic::default() };
    let made = admin(pod).create_topics(&[topic], false).await.unwrap();
    made["t"].as_ref().unwrap();
}

/// What the operator does when it has renewed a certificate.
async fn certificate_is_loaded(pod: &Pod) {
    let before = pod.certificates();
    assert!(before.started.is_some() && before.started == before.mounted, "{before:?}");
    let node = pod.certificate();
    let new = certificate(&node.certificate);
    assert_ne!(pod.shown(pod.config.internal_port), new);
    let mounted = eventually("other files", || {
        pod.certificates().mounted.filter(|mounted| Some(mounted) != before.started.as_ref())
    });
    let location = pod.path("tls/keystore.pem").display().to_string();
    let change = ConfigChange::Set("listener.name.internal.ssl.keystore.location".into(), location);
    let alteration = ConfigAlteration { resource: Resource::Broker(3), changes: vec![change] };
    let altered = admin(pod).incremental_alter_configs(&[alteration], false).await.unwrap();
    altered[&Resource::Broker(3)].as_ref().unwrap();
    eventually("Kafka's new certificate", || {
        (pod.shown(pod.config.internal_port) == new).then_some(())
    });
    assert_eq!(pod.call("PUT", "/v1/certificate", &format!(r#"{{"loaded":"{mounted}"}}"#)).0, 204);
    assert_eq!(pod.certificates().started, Some(mounted));
    assert_eq!(pod.state().phase, Phase::Ready);
}

/// Sees the number of logs fall, from within the pod.
fn watch_recovery(pod: &Pod) -> Java {
    let mut seen = Vec::new();
    eventually("the end of recovery", || {
        match pod.local_state().phase {
            Phase::Recovering { logs_left } => seen.push(logs_left),
            Phase::Ready => return Some(()),
            _ => {}
        }
        None
    });
    assert!(!seen.is_empty(), "no recovery was seen");
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    assert!(first > last && first <= PARTITIONS as u64, "{seen:?}");
    assert!(seen.is_sorted_by(|before, after| before >= after), "{seen:?}");
    java(pod)
}

/// A volume that was added is formatted beside the old one, which stays what it is, and by a permit.
fn with_another_disk(pod: &mut Pod) {
    fs::create_dir(pod.path("added")).unwrap();
    pod.config.log_dirs.push(pod.path("added/log"));
    pod.properties(&properties(pod));
    let agent = pod.start();
    let reason = pod.until("a reason", |phase| match phase {
        Phase::Waiting { reason } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.contains("added/log is empty beside a formatted disk"), "{reason}");
    assert_eq!(pod.permit(&start("zone-b")).0, 204);
    let _java = java(pod);
    until_ready(pod, &agent);
    let state = pod.state();
    let Disk::Formatted(disk) = &state.disk else { panic!("{state:?}") };
    assert_eq!(&*disk.directory_id, DIRECTORY);
    let Disk::Formatted(added) = &state.volumes[1].disk else { panic!("{state:?}") };
    assert_eq!((&*added.cluster_id, added.node_id), (CLUSTER, 3));
    assert_ne!(added.directory_id, disk.directory_id);
    agent.terminate();
    assert_eq!(agent.finish().status.code(), Some(143));
}

//! A real Apache Kafka with the certificates that are made here: its own connections, a user's, and a stranger's.

use std::collections::BTreeMap;
use std::path::Path;

use klamm_operator::ca::{
    Existing, Lifetime, Loaded, Name, NodeState, Secret, SystemKeys, UserRequest, Wanted, What,
    data_key, renew, renew_user,
};
use klamm_operator::model::NodeId;
use klamm_testkit::{Peers, Process, Skip, free_port, run};

/// Whoever is no super user may do nothing, the broker itself included: its subject has to be exactly this.
const SETTINGS: &str = "\
process.roles=broker,controller
node.id=0
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
listener.security.protocol.map=INTERNAL:SSL,CLIENTS:SSL,CONTROLLER:SSL
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:CN=node,O=prod;User:CN=alice
ssl.client.auth=required
ssl.keystore.type=PEM
ssl.truststore.type=PEM
offsets.topic.replication.factor=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
";
const CLUSTER_ID: &str = "a2xhbW0gdGVzdCBjbHVzdA";

fn now_s() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs()
}

/// The Secrets of one node, and of users.
struct Secrets {
    node: Secret,
    users: BTreeMap<&'static str, Secret>,
}

fn secrets() -> Secrets {
    let names = ["127.0.0.1".parse().map(Name::Ip), Ok(Name::Dns("localhost".into()))];
    let names = names.into_iter().map(|name: Result<_, std::net::AddrParseError>| name.unwrap());
    let node =
        NodeState { id: NodeId(0), names: names.collect(), secret: None, loaded: Loaded::Down };
    let nodes = [node];
    let existing = Existing {
        cluster: "prod",
        internal: None,
        clients: None,
        trust: None,
        nodes: &nodes,
        users_behind: Some(0),
    };
    let decision = renew(&existing, &Wanted::default(), now_s(), &mut SystemKeys).unwrap();
    let signer = decision.clients.signer.as_ref().unwrap();
    let user = |name| {
        let trusted = decision.trusted.as_slice();
        let request =
            UserRequest { name, secret: None, lifetime: Lifetime::YEAR, trusted, asked: "" };
        (name, renew_user(&request, signer, now_s(), &mut SystemKeys).unwrap().secret)
    };
    let users = ["alice", "mallory"].into_iter().map(user).collect();
    let node = decision.writes.into_iter().find(|write| write.what == What::Node(NodeId(0)));
    Secrets { node: node.unwrap().secret, users }
}

/// Writes a Secret as Kubernetes mounts it.
fn mount(secret: &Secret, directory: &Path) {
    std::fs::create_dir(directory).unwrap();
    for (name, content) in &secret.data {
        std::fs::write(directory.join(name), content).unwrap();
    }
}

fn start(peers: &Peers, directory: &Path, port: u16) -> Result<Process, Skip> {
    let (internal, controller) = (free_port(), free_port());
    let tls = directory.join("tls").display().to_string();
    let listeners = format!(
        "INTERNAL://127.0.0.1:{internal},CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
    );
    let settings = format!(
        "{SETTINGS}log.dirs={}\nlisteners={listeners}\nadvertised.listeners={listeners}\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         ssl.keystore.location={tls}/keystore.pem\nssl.truststore.location={tls}/truststore.pem\n\
         listener.name.clients.ssl.truststore.location={tls}/clients-truststore.pem\n",
        directory.join("data").display()
    );
    let file = directory.join("server.properties");
    std::fs::write(&file, settings).unwrap();
    let mut format = peers.java("256m", "kafka.tools.StorageTool")?;
    format.args(["format", "--standalone", "-t", CLUSTER_ID, "-c"]).arg(&file);
    run("StorageTool", format).expect_success();
    let mut broker = peers.java("512m", "kafka.Kafka")?;
    broker.arg(&file).current_dir(directory);
    Ok(Process::start("Apache Kafka", broker))
}

/// Creates a topic as this user, who has nothing but a Secret. What the tool says, and whether it worked.
fn create_topic(peers: &Peers, directory: &Path, secret: &Secret, port: u16) -> (bool, String) {
    let file = |name: &str| String::from_utf8(secret.data[name].clone()).unwrap();
    let keystore = directory.join("user.pem");
    std::fs::write(&keystore, file(data_key::USER_KEY) + &file(data_key::USER_CRT)).unwrap();
    let trust = directory.join("ca.crt");
    std::fs::write(&trust, file(data_key::CA_CRT)).unwrap();
    let properties = directory.join("client.properties");
    let text = format!(
        "security.protocol=SSL\nssl.keystore.type=PEM\nssl.truststore.type=PEM\n\
         ssl.keystore.location={}\nssl.truststore.location={}\n",
        keystore.display(),
        trust.display()
    );
    std::fs::write(&properties, text).unwrap();
    let mut tool = peers.java("256m", "org.apache.kafka.tools.TopicCommand").expect("was there");
    let address = format!("127.0.0.1:{port}");
    tool.args(["--bootstrap-server", &address, "--command-config"]).arg(&properties);
    tool.args(["--create", "--topic", "t", "--partitions", "1", "--replication-factor", "1"]);
    let process = Process::start("TopicCommand", tool);
    let status = process.wait(klamm_testkit::PATIENCE).expect("an end of the tool");
    (status.success(), process.stdout() + &process.stderr())
}

#[test]
fn kafka_runs_on_these_certificates_and_knows_who_is_who() {
    let peers = Peers::find();
    let directory = tempfile::tempdir().unwrap();
    let secrets = secrets();
    mount(&secrets.node, &directory.path().join("tls"));
    let port = free_port();
    let kafka = match start(&peers, directory.path(), port) {
        Ok(kafka) => kafka,
        Err(skip) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{skip}"),
        Err(skip) => return println!("skipped: Apache Kafka: {skip}"),
    };
    let (created, said) = create_topic(&peers, directory.path(), &secrets.users["alice"], port);
    assert!(created, "{said}\n{}", kafka.everything());
    let (created, said) = create_topic(&peers, directory.path(), &secrets.users["mallory"], port);
    assert!(!created && said.contains("Authorization failed"), "{said}");
    kafka.kill();
}

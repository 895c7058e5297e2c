//! A pod without Kubernetes: volumes, configuration, a certificate, the agent as a process, and the operator's calls.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use klamm_agent::protocol::{Certificate, Config, Permit, Phase, Role, State};
use klamm_testkit::{Process, eventually, free_port};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

pub(crate) const CLUSTER: &str = "q1Sh-9_ISia_zwGINzRvyQ";
pub(crate) const DIRECTORY: &str = "JEXY6aqzQY-32P5TStzaFg";
pub(crate) const OPERATOR: &str = "CN=klamm-operator,O=c";

/// A certificate authority.
pub(crate) struct Authority(Issuer<'static, KeyPair>, String);

/// PEM of a key and its certificate.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) key: String,
    pub(crate) certificate: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    pub(crate) fn sign(&self, common_name: &str) -> Identity {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = name(common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Identity { key: key.serialize_pem(), certificate }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.1
    }
}

/// As Kafka and the agent write it: `CN=...,O=c`.
fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "c");
    name.push(DnType::CommonName, common_name);
    name
}

pub(crate) struct Pod {
    dir: TempDir,
    pub(crate) config: Config,
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    pub(crate) operator: Identity,
}

impl Pod {
    /// A pod with one empty volume. Kafka and its tool are shell scripts.
    pub(crate) fn new(storage: &str, server: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["config", "tls", "run", "volume"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let authority = Authority::new();
        let log_dir = dir.path().join("volume/log");
        let config = Config {
            node_id: 3,
            cluster: "c".into(),
            roles: vec![Role::Broker, Role::Controller],
            log_dirs: vec![log_dir.clone()],
            metadata_dir: log_dir,
            operator: OPERATOR.into(),
            listeners: Vec::new(),
            grace_ms: 100,
            internal_port: free_port(),
            controller_port: free_port(),
            storage: dir.path().join("storage.sh"),
            server: dir.path().join("server.sh"),
        };
        let operator = authority.sign("klamm-operator");
        let pod = Self { dir, config, port: free_port(), authority, operator };
        pod.script("storage.sh", storage);
        pod.script("server.sh", server);
        pod.properties("node.id=3\n");
        pod.certificate();
        pod
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A script that finds the pod's files in `$POD`.
    pub(crate) fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\nPOD={}\n{text}\n", self.dir.path().display()))
            .unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn properties(&self, text: &str) {
        fs::write(self.path("config/server.properties"), text).unwrap();
    }

    /// A new certificate of the pod's authority in its Secret.
    pub(crate) fn certificate(&self) -> Identity {
        let node = self.authority.sign("node");
        fs::write(self.path("tls/truststore.pem"), self.authority.pem()).unwrap();
        // As a Secret's files, whole at once.
        let part = self.path("tls/part");
        fs::write(&part, format!("{}{}", node.key, node.certificate)).unwrap();
        fs::rename(part, self.path("tls/keystore.pem")).unwrap();
        node
    }

    /// A disk as Kafka formats it.
    pub(crate) fn formatted(&self, node_id: i32) {
        let log_dir = self.path("volume/log");
        fs::create_dir_all(&log_dir).unwrap();
        let text = format!(
            "#\nnode.id={node_id}\ndirectory.id={DIRECTORY}\nversion=1\ncluster.id={CLUSTER}\n"
        );
        fs::write(log_dir.join("meta.properties"), text).unwrap();
    }

    /// As an earlier start with a permit left it.
    pub(crate) fn marked(&self, directory_id: &str) {
        let text = format!(
            r#"{{"cluster_id":"{CLUSTER}","node_id":3,"directory_id":"{directory_id}","rack":"zone-a"}}"#
        );
        fs::write(self.path("volume/.klamm"), text).unwrap();
    }

    fn agent(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_klamm-agent"));
        command.env("KLAMM_AGENT_RUN_DIR", self.path("run"));
        command
    }

    pub(crate) fn start(&self) -> Process {
        let config = serde_json::to_vec(&self.config).unwrap();
        fs::write(self.path("config/agent.json"), config).unwrap();
        let mut command = self.agent();
        command.arg("run").arg("--config-dir").arg(self.path("config"));
        command.arg("--tls-dir").arg(self.path("tls"));
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        let agent = Process::start("klamm-agent", command);
        eventually("an agent that answers", || {
            assert!(agent.is_running(), "{}", agent.everything());
            self.ask(&["probe", "live"]).0.then_some(())
        });
        agent
    }

    /// A question from within the pod: whether yes, and what was said.
    pub(crate) fn ask(&self, words: &[&str]) -> (bool, String) {
        let output = self.agent().args(words).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    /// What `klamm-agent state` prints, without the time a program takes to start.
    pub(crate) fn local_state(&self) -> State {
        let mut stream = UnixStream::connect(self.path("run/agent.sock")).unwrap();
        stream.write_all(b"state\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap()
    }

    /// The operator's call.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.call_as(Some(&self.operator), method, path, body).unwrap().0
    }

    pub(crate) fn state(&self) -> State {
        let (status, text) = self.call("GET", "/v1/state", "");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn permit(&self, permit: &Permit) -> (u16, String) {
        self.call("PUT", "/v1/permit", &serde_json::to_string(permit).unwrap())
    }

    pub(crate) fn certificates(&self) -> Certificate {
        self.state().certificate
    }

    /// Waits for a phase.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut(&Phase) -> Option<T>) -> T {
        eventually(what, || look(&self.state().phase))
    }

    /// A call with some identity or none. Gives status and body, and the certificate the agent showed.
    pub(crate) fn call_as(
        &self,
        caller: Option<&Identity>,
        method: &str,
        path: &str,
        body: &str,
    ) -> io::Result<((u16, String), CertificateDer<'static>)> {
        let mut stream = self.connect(caller, self.port)?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(((status, body.to_owned()), shown(&stream)))
    }

    /// The certificate shown on a port.
    pub(crate) fn shown(&self, port: u16) -> CertificateDer<'static> {
        let mut stream = self.connect(Some(&self.operator), port).unwrap();
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        shown(&stream)
    }

    fn connect(&self, caller: Option<&Identity>, port: u16) -> io::Result<Connection> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(self.authority.pem())).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match caller {
            None => builder.with_no_client_auth(),
            Some(caller) => {
                let key = PrivateKeyDer::from_pem_slice(caller.key.as_bytes()).unwrap();
                let chain = vec![certificate(&caller.certificate)];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let name = "localhost".try_into().unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        Ok(StreamOwned::new(tls, TcpStream::connect(("127.0.0.1", port))?))
    }
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

fn shown(stream: &Connection) -> CertificateDer<'static> {
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// The first of a PEM.
pub(crate) fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}
